"""Frames for what a pipeline that moves or stalls as a whole does to a beat, for any state it may be in.

Registers begin with *any* contents (their initial values are taken away), a beat enters, the unit moves ``latency``
times, the beat is at the output. What is shown so for one such window holds for every beat of every run without a
stall, however long, as every window of it begins in some state. That a stall changes nothing, for any state again, is
shown by :mod:`qse_hw.synth.formal.stall`; that the unit has moved ``latency`` times since a beat was accepted when the
beat leaves is ``stream_order``'s claim (:mod:`qse_hw.synth.formal.stream`).
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth.formal.task import Task
from qse_hw.synth.formal.verilog import declared, instance, ports

TOP = "formal"
DUT, FRAME = "unit.v", "formal.sv"
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
    inputs, outputs = input_ports(unit), output_ports(unit)
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


def output_ports(unit: Emitted) -> list[str]:
    """Names of the unit's outputs."""
    return [port["name"] for port in unit.ports if port["direction"] == "output"]


def at_output(unit: Emitted, claims: Sequence[str], *, beyond: int = 0) -> str:
    """Claims, ``label: assert (...);``, that are to hold ``beyond`` cycles after the beat is at the output."""
    return "\n".join([f"  always @* if (tick == {unit.latency + beyond}) begin", *claims, "  end"])


def alone(task: Task, label: str) -> Task:
    """The task with no assertion in its frame but the one called ``label``: what that one finds by itself."""
    lines = task.files[FRAME].splitlines(keepends=True)
    others = re.compile(rf" *(?!{label}: )\w+: assert \(.*\);\n")
    kept = "".join(line for line in lines if not others.fullmatch(line))
    return replace(task, files={**task.files, FRAME: kept})


def lanes(unit: Emitted, port: str, width: int) -> list[str]:
    """What each lane has of a stream's payload that is called ``port``."""
    return [f"{port}[{width * (n + 1) - 1}:{width * n}]" for n in range(unit.config.lanes)]
