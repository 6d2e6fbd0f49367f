"""A self-checking testbench in plain Verilog (2005, and ``$fatal``), for flows without Python."""

from collections.abc import Mapping, Sequence
from typing import Any

from qse_hw.rtl_gen.emit.beats import Beats, Stream
from qse_hw.rtl_gen.emit.testbench_head import head, testbench_name

_QUIET = 40  # with twice the latency: cycles after the last beat in which no other beat may come
_PATIENCE = 2000  # with twenty times the latency: cycles without a beat after which the test fails

_ABOUT = "// Self-checking testbench of {top}: its test vectors at full speed, then with random stalls on both sides."
_TEXT = """\
{head}
{memories}
  initial begin
{readmemh}
  end

  // what is on the output, and what waits there
  wire [{out_high}:0] out = {out};
  reg [{out_high}:0] waiting = 0;
  reg stalled = 1'b0;

  localparam LOAD = 0, RUN = 1, SETTLE = 2, CLEAR = 3, CLEARED = 4;
  integer phase = LOAD, loading = 0, pass = 0, cycle = 0, quiet = 0, sent = 0, accepted = 0, left = 0;
  reg failed = 1'b0;

  // xorshift: the pace of the random stalls, and noise where nothing is offered
  reg [31:0] random = 32'd{seed};
  reg pause_in = 1'b0, pause_out = 1'b0;
  wire [31:0] random_a = random ^ (random << 13);
  wire [31:0] random_b = random_a ^ (random_a >> 17);
  wire [{noise_high}:0] noise = {{{copies}{{random}}}};
{noises}
  task fail_at;
    begin
      $display("pass %0d (%0s), cycle %0d, output beat %0d", pass, pass == 0 ? "full speed" : "stalls", cycle, left);
      failed = 1'b1;
      $fatal(1);
    end
  endtask

  always @(posedge clk) begin
    cycle <= cycle + 1;
    quiet <= quiet + 1;
    random <= random_b ^ (random_b << 5);
    if (random[2:0] == 3'd0) pause_in <= ~pause_in;
    if (random[18:16] == 3'd0) pause_out <= ~pause_out;
    if (cycle == 3) rst <= 1'b0;

    // inputs
    if (!rst && {i_valid} && {i_ready}) begin
      accepted <= accepted + 1;
      quiet <= 0;
    end
    if (!rst && phase == RUN && (!{i_valid} || {i_ready})) begin
      if (sent < {i_count} && !(pass == 1 && pause_in)) begin
        {i_payload} <= beats_{i}[sent];
        {i_valid} <= 1'b1;
        sent <= sent + 1;
      end else begin
        {i_payload} <= noise[{in_high}:0];
        {i_valid} <= 1'b0;
      end
    end
{beside}{loading}
    {o_ready} <= !(pass == 1 && pause_out);

    // outputs
    if (!rst && !failed) begin
      if ({o_valid} !== 1'b0 && {o_valid} !== 1'b1) begin
        $display("FAIL {o_valid} is %b", {o_valid});
        fail_at;
      end else if (stalled && !({o_valid} && out === waiting)) begin
        $display("FAIL a waiting beat left or changed: valid %b, %h, was %h", {o_valid}, out, waiting);
        fail_at;
      end else if ({o_valid} && left == {o_count}) begin
        $display("FAIL more than the {o_count} beats expected: %h", out);
        fail_at;
      end else if ({o_valid} && out !== beats_{o}[left]) begin
        $display("FAIL %h, not %h", out, beats_{o}[left]);
        fail_at;
      end else if (quiet > {patience}) begin
        $display("FAIL nothing moves: %0d of {i_count} beats accepted, %0d of {o_count} left", accepted, left);
        fail_at;
      end
      stalled <= {o_valid} && !{o_ready};
      waiting <= out;
      if ({o_valid} && {o_ready}) begin
        left <= left + 1;
        quiet <= 0;
      end
    end

    // from pass to pass
    if (!rst && !failed) case (phase)
      LOAD: if (loading == {loads}) phase <= RUN;
      RUN: if (accepted == {i_count} && left == {o_count} && quiet > {settle}) phase <= SETTLE;
      SETTLE: begin
{status}
        phase <= CLEAR;
      end
      CLEAR: phase <= CLEARED;
      default: begin
{cleared}
        if (pass == 1) begin
          if (!failed) $display("PASS %0d beats", 2 * {o_count});
          $finish;
        end
        pass <= 1;
        {{sent, accepted, left, quiet}} <= 128'd0;
{again}        phase <= RUN;
      end
    endcase
{clear}
  end
endmodule
"""

_LOADING = """\
    if (!rst && phase == LOAD && loading == {number}) begin
      if ({valid} && {ready}) quiet <= 0;
      if (!{valid} || {ready}) begin
        if (loaded_{name} < {count}) begin
          {payload} <= beats_{name}[loaded_{name}];
          {valid} <= 1'b1;
          loaded_{name} <= loaded_{name} + 1;
        end else begin
          {valid} <= 1'b0;
          loading <= {number} + 1;
        end
      end
    end
"""

_BESIDE = """\
    if (!rst && phase == RUN && (!{valid} || {ready})) begin
      if (sent_{name} < {count} && !(pass == 1 && pause_{name})) begin
        {payload} <= beats_{name}[sent_{name}];
        {valid} <= 1'b1;
        sent_{name} <= sent_{name} + 1;
      end else begin
        {payload} <= noise_{name}[{high}:0];
        {valid} <= 1'b0;
      end
    end
    if (random_b[{number} + 9 +: 3] == 3'd0) pause_{name} <= ~pause_{name};
"""

_STATUS = """\
        if ({name} !== {width}'d{want}) begin
          $display("FAIL {name} is %0d, not {want}{when}", {name});
          fail_at;
        end"""


def testbench(
    top: str, ports: Sequence[Mapping[str, Any]], beats: Beats, latency: int, *, sources: Sequence[str]
) -> dict[str, str]:
    """Verilog of the testbench and the memory files that it reads, by file name.

    Args:
        top: the unit's module.
        ports: the unit's, as :class:`qse_hw.rtl_gen.emit.emit.Emitted` lists them.
        beats: stimuli and expected outputs.
        latency: of the unit, in cycles; the testbench's time limits follow from it.
        sources: names of the unit's Verilog files, for the commands in the testbench's comments.
    """
    name = testbench_name(top)
    widths = {port["name"]: int(port["width"]) for port in ports}
    streams = (*beats.first, *beats.beside, beats.inputs, beats.outputs)
    width = {stream.name: sum(widths[port] for port in stream.payload) for stream in streams}
    i, o = beats.inputs, beats.outputs
    files = {f"{name}_{stream.name}.hex": _memory(stream, width[stream.name]) for stream in streams}
    ends = "clear" in widths

    def copies_of(stream: Stream) -> int:
        return -(-width[stream.name] // 32)

    text = _TEXT.format(
        head=head(_ABOUT.format(top=top), top, ports, sources=sources, values=beats.ports),
        memories="\n".join(
            f"  reg [{width[stream.name] - 1}:0] beats_{stream.name} [0:{len(stream.beats) - 1}];" for stream in streams
        ),
        readmemh="\n".join(f'    $readmemh("{name}_{stream.name}.hex", beats_{stream.name});' for stream in streams),
        out_high=width[o.name] - 1,
        out=_payload(o),
        seed=20260109,
        i=i.name,
        o=o.name,
        i_valid=i.valid,
        i_ready=i.ready,
        i_payload=_payload(i),
        i_count=len(i.beats),
        in_high=width[i.name] - 1,
        copies=copies_of(i),
        noise_high=32 * copies_of(i) - 1,
        o_valid=o.valid,
        o_ready=o.ready,
        o_count=len(o.beats),
        loads=len(beats.first),
        loading="".join(
            _LOADING.format(
                number=number, name=stream.name, valid=stream.valid, ready=stream.ready, payload=_payload(stream),
                count=len(stream.beats),
            )
            for number, stream in enumerate(beats.first)
        ),
        beside="".join(
            _BESIDE.format(
                number=number, name=stream.name, valid=stream.valid, ready=stream.ready, payload=_payload(stream),
                count=len(stream.beats), high=width[stream.name] - 1,
            )
            for number, stream in enumerate(beats.beside)
        ),
        noises="".join(
            f"  wire [{32 * copies_of(stream) - 1}:0] noise_{stream.name} = {{{copies_of(stream)}{{random_a}}}};\n"
            f"  integer sent_{stream.name} = 0;\n  reg pause_{stream.name} = 1'b0;\n"
            for stream in beats.beside
        ),
        again="".join(f"        sent_{stream.name} <= 0;\n" for stream in beats.beside),
        patience=_PATIENCE + 20 * latency,
        settle=_QUIET + 2 * latency,
        status=_checks(beats.status, widths, ""),
        cleared=_checks(dict.fromkeys(beats.status, 0), widths, " after clear") if ends else "",
        clear="    clear <= phase == SETTLE;" if ends else "",
    )  # fmt: skip
    loaded = "".join(f"  integer loaded_{stream.name} = 0;\n" for stream in beats.first)
    return {f"{name}.v": text.replace("  reg failed", f"{loaded}  reg failed", 1), **files}


def _payload(stream: Stream) -> str:
    ports = stream.payload
    return ports[0] if len(ports) == 1 else f"{{{', '.join(reversed(ports))}}}"


def _memory(stream: Stream, width: int) -> str:
    digits = -(-width // 4)
    return "".join(f"{beat:0{digits}x}\n" for beat in stream.beats)


def _checks(status: Mapping[str, int], widths: Mapping[str, int], when: str) -> str:
    return "\n".join(
        _STATUS.format(name=name, width=widths[name], want=want, when=when) for name, want in status.items()
    )
