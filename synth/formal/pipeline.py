"""Frames for what a pipeline that moves or stalls as a whole does to a beat, for any state it may be in.

Registers begin with *any* contents (their initial values are taken away), a beat enters, the unit moves ``latency``
times, the beat is at the output. What is shown so for one such window holds for every beat of every run without a
stall, however long, as every window of it begins in some state. And a stall changes nothing: ``hold`` shows that in a
cycle in which the unit does not move no register changes but those of the flags, for any state again. That the unit has
moved ``latency`` times since a beat was accepted when the beat leaves is ``stream_order``'s claim
(:mod:`synth.formal.stream`).
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from rtl_gen.emit import Emitted
from synth.formal.task import Task
from synth.formal.verilog import declared, instance, ports

TOP = "formal"
DUT, FRAME, HELD = "unit.v", "formal.sv", "held.map"
ANY_STATE = f"hierarchy -top {TOP}\nproc\nsetattr -unset init {TOP} %n"
"""Yosys: the registers of all modules but the frame begin with any contents."""
MOVING = "Registers begin with any contents; what is at the output {} moves after is what entered then, in every run."


def window(
    unit: Emitted,
    *,
    name: str,
    claim: str,
    watched: Sequence[str],
    watching: Sequence[str],
    modules: str = "",
    beyond: int = 0,
    engine: str = "smtbmc z3",
    limit: str = "",
) -> Task:
    """A task about a beat that enters in the first cycle.

    Args:
        unit: the unit.
        name: the property's.
        claim: what it says.
        watched: input ports of which ``x_PORT`` is what enters with the beat.
        watching: SystemVerilog in the frame; ``tick`` counts cycles, the beat is at the output when it is the latency.
        modules: further modules.
        beyond: cycles after that.
        engine: SymbiYosys' engine.
        limit: for what alone it is shown.
    """
    widths, last = ports(unit), unit.latency + beyond
    inputs = input_ports(unit)
    outputs = [port["name"] for port in unit.ports if port["direction"] == "output"]
    entering = " && ".join(f"{port} == x_{port}" for port in watched)
    frame = "\n".join(
        [
            f"module {TOP}({', '.join(f'input [{widths[port] - 1}:0] {port}' for port in inputs)});",
            declared(unit, outputs),
            instance(unit, "unit", [*inputs, *outputs]),
            *(f"  (* anyconst *) wire [{widths[port] - 1}:0] x_{port};" for port in watched),
            "  reg [7:0] tick = 0;",
            f"  always @(posedge clk) if (tick != {last + 1}) tick <= tick + 1;",
            "  always @* begin",
            "    assume (!rst);",
            f"    if (tick < {unit.latency}) assume (i__ready);",
            f"    if (tick == 0) assume ({entering});",
            "  end",
            *watching,
            "endmodule",
            "",
        ]
    )
    return Task(
        name=name,
        claim=claim,
        mode="bmc",
        files={DUT: unit.text, **unit.models, FRAME: modules + frame},
        top=TOP,
        engine=engine,
        depth=last + 1,
        argument=MOVING.format(unit.latency),
        script=ANY_STATE,
        limit=limit,
    )


def input_ports(unit: Emitted) -> list[str]:
    """Names of the unit's inputs, the clock among them."""
    return [port["name"] for port in unit.ports if port["direction"] == "input"]


def at_output(unit: Emitted, claims: Sequence[str], *, beyond: int = 0) -> str:
    """Claims, ``label: assert (...);``, that are to hold ``beyond`` cycles after the beat is at the output."""
    return "\n".join([f"  always @* if (tick == {unit.latency + beyond}) begin", *claims, "  end"])


def alone(task: Task, label: str) -> Task:
    """The task with no assertion in its frame but the one called ``label``: what that one finds by itself."""
    lines = task.files[FRAME].splitlines(keepends=True)
    others = re.compile(rf" *(?!{label}: )\w+: assert \(.*\);\n")
    kept = "".join(line for line in lines if not others.fullmatch(line))
    return replace(task, files={**task.files, FRAME: kept})


_HOLD = """// every register, with the claim that it does not change
(* techmap_celltype = "$dff" *)
module held(CLK, D, Q);
  parameter WIDTH = 1, CLK_POLARITY = 1;
  input CLK;
  input [WIDTH-1:0] D;
  output [WIDTH-1:0] Q;
  \\$dff #(.WIDTH(WIDTH), .CLK_POLARITY(CLK_POLARITY)) _TECHMAP_REPLACE_ (.CLK(CLK), .D(D), .Q(Q));
  always @* hold: assert (D == Q);
endmodule
"""


def hold(unit: Emitted) -> Task:
    """That a stalled unit keeps all that it has."""
    widths, inputs = ports(unit), input_ports(unit)
    streams = ["i__ready", "o__valid", "o__payload"]
    frame = "\n".join(
        [
            f"module {TOP}({', '.join(f'input [{widths[port] - 1}:0] {port}' for port in inputs)});",
            declared(unit, streams),
            instance(unit, "unit", [*inputs, *streams]),
            "  always @* assume (!rst && !i__ready);",
            "  always @* stalled: assert (o__valid && !o__ready);",
            "endmodule",
            "",
        ]
    )
    script = [
        *("design -save unit", "design -reset", f"read_verilog -formal -sv -icells {HELD}", "design -stash held"),
        *("design -load unit", ANY_STATE, "flatten", "opt_clean", "techmap -autoproc -max_iter 1 -map %held"),
    ]
    return Task(
        name="hold",
        claim="While the input is not ready no register changes but those of the flags, which no data depend on; "
        "and it is ready unless the output is stalled.",
        mode="bmc",
        files={DUT: unit.text, **unit.models, FRAME: frame, HELD: _HOLD},
        top=TOP,
        engine="smtbmc z3",
        depth=1,
        argument="The registers hold anything, so one cycle is every cycle.",
        script="\n".join(script),
    )


def lanes(unit: Emitted, port: str, width: int) -> list[str]:
    """What each lane has of a stream's payload that is called ``port``."""
    return [f"{port}[{width * (n + 1) - 1}:{width * n}]" for n in range(unit.config.lanes)]
