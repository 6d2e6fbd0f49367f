"""Formal harnesses for one beat in a pipeline that stalls as a whole, from an arbitrary state.

Registers start with *arbitrary* contents (their initial values are removed); a beat enters, the unit moves ``latency``
times, and the beat is at the output. What is proved for this window holds for every beat of every run without stalls,
as every window of such a run starts in some state. :mod:`qse_hw.synth.formal.stall` proves that a stall changes
nothing, also from an arbitrary state; ``stream_order`` (:mod:`qse_hw.synth.formal.stream`) proves that the unit has
moved ``latency`` times since it accepted a beat when the beat leaves.
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
"""Yosys script: the registers of all modules except the harness start with arbitrary contents."""
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
        name: name of the property.
        claim: the property in words.
        watched: input ports; ``x_PORT`` is the value that enters with the beat.
        watching: SystemVerilog in the harness; ``tick`` counts cycles: when it equals the latency, the beat is at the
            output.
        modules: further modules.
        beyond: cycles after that.
        engine: SymbiYosys' engine.
        limit: the restriction under which the claim is proved.
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
    """Names of the unit's inputs, including the clock."""
    return [port["name"] for port in unit.ports if port["direction"] == "input"]


def output_ports(unit: Emitted) -> list[str]:
    """Names of the unit's outputs."""
    return [port["name"] for port in unit.ports if port["direction"] == "output"]


def at_output(unit: Emitted, claims: Sequence[str], *, beyond: int = 0) -> str:
    """Claims, ``label: assert (...);``, for the cycle ``beyond`` cycles after the beat is at the output."""
    return "\n".join([f"  always @* if (tick == {unit.latency + beyond}) begin", *claims, "  end"])


def alone(task: Task, label: str) -> Task:
    """The task with no assertion in its harness except ``label``."""
    lines = task.files[FRAME].splitlines(keepends=True)
    others = re.compile(rf" *(?!{label}: )\w+: assert \(.*\);\n")
    kept = "".join(line for line in lines if not others.fullmatch(line))
    return replace(task, files={**task.files, FRAME: kept})


def lanes(unit: Emitted, port: str, width: int) -> list[str]:
    """The slice of each lane in the payload ``port``."""
    return [f"{port}[{width * (n + 1) - 1}:{width * n}]" for n in range(unit.config.lanes)]
