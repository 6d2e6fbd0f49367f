"""A small unit in Verilog with everything that a generated testbench can meet, and faults on demand (+fault=N)."""

from qse_hw.rtl_gen.emit.beats import Beats, Stream, stream

FAULTS = (
    "none", "wrong", "wrong after a stall", "lost", "lost at the end", "repeated", "extra", "withdrawn", "changed",
    "silent", "accepts nothing", "accepts no weights", "count", "count keeps", "valid is unknown",
)  # fmt: skip
LATENCY = 1
COUNT = 200
OFFSET = 77

TEXT = f"""
module qse_toy (
  input clk, input rst, input clear,
  input [11:0] weights__payload, input weights__valid, output weights__ready,
  input [7:0] i_data, input i_last, input i__valid, output i__ready,
  output [7:0] o_data, output o_last, output o__valid, input o__ready,
  input [7:0] offset, output reg [8:0] count
);
  integer fault, number = 0, waited = 0, copies = 0;
  initial if (!$value$plusargs("fault=%d", fault)) fault = 0;
  reg [7:0] weights [0:15];
  reg [7:0] data;
  reg last, full = 0, paused = 0;

  assign weights__ready = paused && fault != {FAULTS.index("accepts no weights")};
  wire again = fault == {FAULTS.index("repeated")} && number == 50 && copies == 0;
  wire hidden = (fault == {FAULTS.index("withdrawn")} && waited == 1) || fault == {FAULTS.index("silent")};
  wire moves = !full || (o__ready && !again && !hidden);
  assign i__ready = moves && fault != {FAULTS.index("accepts nothing")};
  wire wrong = (fault == {FAULTS.index("wrong")} && number == 50)
    || (fault == {FAULTS.index("wrong after a stall")} && waited == 2)
    || (fault == {FAULTS.index("changed")} && waited == 1);
  assign o_data = data ^ wrong;
  assign o_last = last;
  wire end_of_all = fault == {FAULTS.index("extra")} && number == {COUNT};
  wire unknown = fault == {FAULTS.index("valid is unknown")} && number == 50;
  assign o__valid = unknown ? 1'bx : (full && !hidden) || end_of_all;
  wire lost = (fault == {FAULTS.index("lost")} && number == 50)
    || (fault == {FAULTS.index("lost at the end")} && number == {COUNT - 1});

  always @(posedge clk) begin
    paused <= !paused;
    if (weights__valid && weights__ready) weights[weights__payload[3:0]] <= weights__payload[11:4];
    waited <= full && !o__ready ? waited + 1 : 0;
    if (o__valid && o__ready && again) copies <= 1;
    if (o__valid && o__ready) count <= count + 1;
    if (clear && fault != {FAULTS.index("count keeps")}) count <= 0;
    if (fault == {FAULTS.index("count")} && number == 150) count <= 1;
    if (clear) number <= 0;
    if (moves) begin
      full <= i__valid && i__ready && !lost;
      if (i__valid && i__ready) begin
        data <= weights[i_data[3:0]] + i_data + offset;
        last <= i_last;
        number <= number + 1;
      end
    end
    if (rst) begin
      full <= 0;
      count <= 0;
    end
  end
endmodule
"""

PORTS = tuple(
    {"name": name, "direction": direction, "width": width}
    for direction, names in (
        ("input", {"clk": 1, "rst": 1, "clear": 1, "weights__payload": 12, "weights__valid": 1, "i_data": 8,
                   "i_last": 1, "i__valid": 1, "o__ready": 1, "offset": 8}),
        ("output", {"weights__ready": 1, "i__ready": 1, "o_data": 8, "o_last": 1, "o__valid": 1, "count": 9}),
    )
    for name, width in names.items()
)  # fmt: skip


def beats() -> Beats:
    weights = [(37 * n + 5) % 256 for n in range(16)]
    sent = [(91 * n + 3) % 512 for n in range(COUNT)]
    data = [(weights[beat % 16] + beat % 256 + OFFSET) % 256 for beat in sent]
    return Beats(
        inputs=Stream(name="i", beats=sent, payload=("i_data", "i_last"), valid="i__valid", ready="i__ready"),
        outputs=Stream(
            name="o", beats=[value | beat >> 8 << 8 for value, beat in zip(data, sent, strict=True)],
            payload=("o_data", "o_last"), valid="o__valid", ready="o__ready",
        ),
        first=(stream("weights", [value << 4 | n for n, value in enumerate(weights)]),),
        ports={"offset": OFFSET},
        status={"count": COUNT},
    )  # fmt: skip
