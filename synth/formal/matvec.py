"""A matrix-vector engine loses no sum: its totals are kept until they have left, and the queue behind them has room.

Other units have no such tasks.
"""

import re

from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.matvec import MatvecConfig
from qse_hw.synth.formal.harness import TOP, cut, harness, instance, probe, probed, shipped
from qse_hw.synth.formal.stream_faults import Wrong, bounded
from qse_hw.synth.formal.task import Fault, Task


def tasks(config: UnitConfig) -> list[Task]:
    """The rules of the sums; none of an engine with a backlog, which is not proved."""
    if not isinstance(config, MatvecConfig) or config.backlog:
        return []
    unit = emit(config)
    return [_task(unit, config, unit.text)]


def faults(config: UnitConfig) -> list[Fault]:
    """Faulty engines, each with the property that catches it; none of an engine of one row, where no total waits."""
    if not isinstance(config, MatvecConfig) or config.backlog or config.rows == 1:
        return []
    unit, depth = emit(config), config.component().queue_depth
    register = _search(r"\n    waiting <= (\S+) ;", unit.text)[1]
    changes = {
        "tiles end without room in the queue": (r"reserved <= (\d+'h)\w+", rf"reserved <= \g<1>{depth:x}"),
        "a tile ends while totals wait": (r"\n    busy <= [^;]*;", r"\n    busy <= 0;"),
        "a sum leaves before it is taken": (r"( sums \([^;]*\.ready)\([^)]*\)", r"\1(1'h1)"),
        "totals outlive a reset": (rf"({re.escape(register)}  = )\d+'h0;", r"\1waiting;"),
    }
    catches = ("queue_has_room", "totals_are_kept", "offer_stays", "reset_empties")
    made = []
    for (name, (pattern, changed)), label in zip(changes.items(), catches, strict=True):
        found = _search(pattern, unit.text)
        text = unit.text[: found.start()] + found.expand(changed) + unit.text[found.end() :]
        wrong = Wrong(name=name, text=text, task="sums_are_kept", catches=label, line=True)
        made.append(Fault(name=name, task=bounded(_task(unit, config, text), wrong, 2 * depth + 8), catches=label))
    return made


def _search(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match


def _task(unit: Emitted, config: MatvecConfig, text: str) -> Task:
    component = config.component()
    depth, delay, row_bits = component.queue_depth, component.sum_delay + 1, config.rows.bit_length()
    tile = row_bits + config.tag_bits + 1
    probes = {
        "ends": delay, **{f"tile{n}": tile for n in range(delay)}, "busy": config.rows, "waiting": config.rows,
        "reserved": depth.bit_length(), "left": 1, "room": 1, "sums.level": depth, "sums.valid": 1,
    }  # fmt: skip
    for name in ("operands", "row0"):
        text = cut(text, name)
    parameters = {
        "ROWS": config.rows, "ROW_BITS": row_bits, "DELAY": delay, "DEPTH": depth, "COUNT_BITS": depth.bit_length(),
        "WIDTH": next(port["width"] for port in unit.ports if port["name"] == "o__payload"),
    }  # fmt: skip
    rows = ", ".join(f"{probe(f'tile{n}')}[{row_bits - 1}:0]" for n in reversed(range(delay)))
    wires = {name: name for name in ("clk", "rst")}
    wires |= {name: probe(name) for name in ("ends", "busy", "waiting", "reserved", "left", "room")}
    wires |= {"rows": f"{{{rows}}}", "level": probe("sums.level"), "queued": probe("sums.valid")}
    wires |= {f"o_{member}": f"o__{member}" for member in ("valid", "ready", "payload")}
    return Task(
        name="sums_are_kept",
        claim="Totals wait until they have left, the queue behind them never overflows, what is offered stays until it "
        "is taken, nothing outlives a reset; whatever vectors, jobs and weights are, and whenever they come.",
        mode="prove",
        files={
            f"{unit.config.top}.v": probed(text, unit.config.top, probes),
            **unit.models,
            "matvec.sv": shipped("matvec.sv"),
            f"{TOP}.sv": harness(unit, [instance("matvec_sums", "rules", parameters, wires)], (), probes),
        },
        top=TOP,
        engine="smtbmc z3",
        script=f"hierarchy -top {TOP}\nproc\nmemory",  # of registers, which ABC's traces need
        depth=2,
    )
