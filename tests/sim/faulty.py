"""A top module like ``qse_hw.sim.replay.top``'s, with a fault between the units or at an output, one per reset: run n
has fault n.
"""

import re

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.sim.replay.top import top

# name: (field of the outcome that must tell, whether it shows only while the output waits)
FAULTS = {
    "none": ("", False),
    "code bit": ("wrong_codes", False),
    "value bit": ("wrong_values", False),
    "unknown value": ("unknown", False),  # two-state simulators make some number of it
    "dropped beat": ("missing", False),
    "repeated beat": ("extra", False),
    "withdrawn": ("violations", True),
    "changed while waiting": ("violations", True),
    "silent": ("missing", False),
    "saturation count": ("wrong_flags", False),
    "nan flag": ("wrong_flags", False),
    "saturated flag": ("wrong_flags", False),
    "invalid flag": ("wrong_flags", False),
    "late scale": ("wrong_codes", False),
    "never stops": ("extra", False),
    "accepts nothing": ("wrong_inputs", False),
    "none at the end": ("", False),
}


def faulty_top(encoder: Emitted, decoder: Emitted) -> str:
    """Ports as :func:`qse_hw.sim.replay.top.top`; all logic of the faults is Verilog."""
    right = top(encoder, decoder)
    header = right[: right.index(");\n") + 3]
    pins = {name: dict(re.findall(r"\.(\w+)\((\w+)\)", line)) for name, line in re.findall(
        r"^  qse_\w+ (encoder|decoder) \((.*)\);$", right, re.M
    )}  # fmt: skip
    pins["encoder"] |= {
        "i__valid": "i_valid", "i__ready": "i_ready", "o__payload": "e_payload", "o__valid": "e_valid",
        "o__ready": "e_ready", "scale_m": "late ? last_m : scale_m", "saturation_count": "e_count",
        "nan": "e_nan", "saturated": "e_saturated",
    }  # fmt: skip
    pins["decoder"] |= {
        "o__payload": "d_payload", "o__valid": "d_valid", "o__ready": "d_ready", "invalid": "d_invalid"
    }  # fmt: skip
    widths = {port["name"]: port["width"] for port in encoder.ports}
    numbers = {name.replace(" ", "_"): number for number, name in enumerate(FAULTS)}
    flags = "".join(f"  wire {name} = fault == {number};\n" for name, number in numbers.items())
    values = next(port["width"] for port in decoder.ports if port["name"] == "o__payload")
    body = f"""  reg [7:0] fault = 8'hff;
  always @(posedge rst) fault <= fault + 8'd1;
{flags}
  wire [{widths["o__payload"] - 1}:0] e_payload;
  wire [{values - 1}:0] d_payload;
  wire [{widths["saturation_count"] - 1}:0] e_count;
  reg [{widths["scale_m"] - 1}:0] last_m;
  reg [7:0] e_number, o_number, waited;
  reg repeated;
  wire e_valid, e_ready, d_valid, d_ready, e_nan, e_saturated, d_invalid, i_ready;
  wire late = late_scale;
  wire drop = dropped_beat && e_number == 5, again = repeated_beat && e_number == 5 && !repeated;
  wire hidden = silent || (withdrawn && waited == 1);
  wire i_valid = i__valid && !accepts_nothing;
  assign i__ready = i_ready && !accepts_nothing;
  assign link__payload = e_payload ^ (code_bit && e_number == 5);
  assign link__valid = e_valid && !drop;
  assign e_ready = drop || (link__ready && !again);
  wire [{values - 1}:0] wrong = d_payload ^ ((value_bit && o_number == 5) || (changed_while_waiting && waited != 0));
  assign o__payload = unknown_value && o_number == 5 ? {{{values}{{1'bx}}}} : wrong;
  assign o__valid = (d_valid && !hidden) || never_stops;
  assign d_ready = silent || (o__ready && !hidden);
  assign saturation_count = e_count + saturation_count_;
  assign nan = e_nan ^ nan_flag;
  assign saturated = e_saturated && !saturated_flag;
  assign invalid = d_invalid || invalid_flag;
  always @(posedge clk)
    if (rst) begin
      e_number <= 0; o_number <= 0; waited <= 0; repeated <= 0; last_m <= scale_m;
    end else begin
      if (i__valid && i__ready) last_m <= scale_m;
      if (e_valid && e_ready) e_number <= e_number + 1;
      if (link__valid && link__ready && again) repeated <= 1;
      if (o__valid && o__ready) o_number <= o_number + 1;
      waited <= d_valid && !d_ready ? waited + 1 : 0;
    end
""".replace("wire saturation_count =", "wire saturation_count_ =")
    instances = "".join(
        f"  qse_{name} {name} ({', '.join(f'.{pin}({net})' for pin, net in nets.items())});\n"
        for name, nets in pins.items()
    )
    return header + body + instances + "endmodule\n"
