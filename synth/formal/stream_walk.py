"""Parameters that the check accepts are accepted again when they are loaded.

The hardware walks over the segments twice, to check and to load. A problem found only by the second walk would be
reported after some parameters have become effective. ``stream_parameters`` assumes that this cannot happen; here it is
proved of the module that walks, alone.
"""

from dataclasses import replace

from qse_hw.rtl_gen.bus.register_block import parameter_layout
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.synth.formal.harness import probed
from qse_hw.synth.formal.task import Fault, Task

_TOP = "walk"
_SETTLED = 4  # cycles from the end of a walk to the next one, at least
_FRAME = """module {top}(input clk);
  (* anyconst *) wire [{last_bit}:0] parameters;
  reg [15:0] tick = 0;
  reg legal = 0;
  wire done, last;
  wire [2:0] refused;
  wire check = tick == 0;
  wire load = tick == {loads};
  {module} walked (
    .clk(clk), .rst(1'b0), .parameters(parameters), .check(check), .load(load),
    .done(done), .refused(refused), .probe_last(last)
  );
  always @(posedge clk) begin
    tick <= tick + 1;
    if (load) legal <= refused == 0;
  end
  always @* begin
    if (tick == 0) assume (done && !last);
    if (tick == {loads} || tick == {ends}) walk_ends: assert (done);
    if (legal) same_again: assert (refused == 0);
  end
endmodule
"""


def walk_cycles(config: QuantizerConfig) -> int:
    """Cycles of a walk: each segment is checked alone and against each one before it, in four cycles each."""
    count = len(config.format.segments)
    return 4 * count * (count + 1) // 2


def walk(unit: Emitted, config: QuantizerConfig) -> Task:
    """The second walk over the same parameters refuses nothing that the first one accepted."""
    loads = walk_cycles(config) + _SETTLED
    module = f"{config.top}_apply"
    frame = _FRAME.format(
        top=_TOP,
        module=module,
        last_bit=parameter_layout(config.registers).size - 1,
        loads=loads,
        ends=2 * loads,
    )
    return Task(
        name="stream_walk",
        claim="Whatever the parameters are: a check ends, and if it finds nothing, loading them ends and finds nothing "
        "either. (Premise of stream_parameters.)",
        mode="bmc",
        files={f"{config.top}.v": probed(unit.text, module, {"last": 1}), "walk.sv": frame},
        top=_TOP,
        engine="smtbmc z3",
        depth=2 * loads + 1,
        argument="Both walks are within the bound, from any state that is done. In between it stands: only registers "
        "that a walk sets anew before it uses them change.",
        script=f"hierarchy -top {_TOP}\nproc\nsetattr -unset init {_TOP} %n",
    )


def walk_faults(unit: Emitted, config: QuantizerConfig) -> list[Fault]:
    """Walks in an environment that breaks the rules."""
    right = walk(unit, config)
    return [
        Fault(name=name, task=_changed(right, old, new), catches=catches)
        for name, catches, old, new in (
            ("parameters change between check and load", "same_again", "(* anyconst *)", "(* anyseq *)"),
            ("the check begins anew in every cycle", "walk_ends", "check = tick == 0", "check = 1'b1"),
        )
    ]


def _changed(task: Task, old: str, new: str) -> Task:
    return replace(task, files={**task.files, "walk.sv": task.files["walk.sv"].replace(old, new)})
