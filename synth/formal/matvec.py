"""A matrix-vector engine loses and mixes up no sum: totals are kept until they have left, in order, and the queue that
they enter has room.

Other units have no such tasks.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from qse_hw.golden.reference.matvec import SUM_BITS
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.matvec import MatvecConfig
from qse_hw.synth.formal.harness import TOP, checker, cut, harness, joined, probe, probed, shipped
from qse_hw.synth.formal.stream_faults import Wrong, bounded
from qse_hw.synth.formal.task import Fault, Task

_ORDER = ("no_sum_invented", "leaves_as_itself", "leaves_when_due")


def tasks(config: UnitConfig) -> list[Task]:
    """The rules of the sums."""
    if not isinstance(config, MatvecConfig):
        return []
    unit = emit(config)
    return list(_tasks(unit, config, unit.text).values())


def faults(config: UnitConfig) -> list[Fault]:
    """Faulty engines, each with the property that catches it; none of an engine of one row, where no total waits."""
    if not isinstance(config, MatvecConfig) or config.rows == 1:
        return []
    unit, depth = emit(config), config.component().queue_depth
    # name: the property, what is changed, into what
    changes = {
        "tiles end without room in the queue": (
            "queue_has_room", r"(room <= reserved <= \d+'h)\w+", rf"\g<1>{depth:x}",
        ),
        "a sum leaves before it is taken": ("offer_stays", r"( sums \([^;]*\.ready)\([^)]*\)", r"\1(1'h1)"),
    }  # fmt: skip
    if config.backlog:
        changes |= {
            "a tile ends while another one waits": ("totals_are_kept", r"\(~ taken\[\d+\]\)", "1'h1"),
            "totals outlive a reset": (
                "reset_empties", r"(if \(rst\) begin\n +leaving <= )\d+'h0+;", r"\1leaving;"
            ),
            "a tile overtakes the one that waits": (
                "leaves_as_itself", r"(<= )waits (\? waiting : arrived)", r"\1(~ done) \2"
            ),
            "a tile waits until the next one is done": (
                "leaves_when_due", r"(= free & )\(waits \| done\);", r"\1done;"
            ),
            "a sum leaves a cycle before its tile": (
                "no_sum_invented", r"(assign valid = leaving\[\d+\])", r"\1 | done"
            ),
        }  # fmt: skip
    else:
        changes |= {
            "a tile ends while totals wait": ("totals_are_kept", r"(busy <= )ends_tile \? [^;]*;", r"\g<1>0;"),
            "totals outlive a reset": (
                "reset_empties", r"(if \(rst\) begin\n +waiting <= )\d+'h0;", r"\1waiting;"
            ),
        }
    made = []
    for name, (label, pattern, changed) in changes.items():
        found = _search(pattern, unit.text)
        text = unit.text[: found.start()] + found.expand(changed) + unit.text[found.end() :]
        task = "sums_in_order" if label in _ORDER else "sums_are_kept"
        wrong = Wrong(name=name, text=text, task=task, catches=label, line=label not in _ORDER)
        search = bounded(_tasks(unit, config, text)[task], wrong, 20)
        if label in _ORDER:  # the first property that is broken
            search = replace(search, engine="smtbmc z3")
        made.append(Fault(name=name, task=search, catches=label))
    return made


def _search(pattern: str, text: str, flags: int = 0) -> re.Match[str]:
    match = re.search(pattern, text, flags)
    assert match is not None, pattern
    return match


def _tasks(unit: Emitted, config: MatvecConfig, text: str) -> dict[str, Task]:
    """The tasks by name; ``text``: Verilog of the unit, or of a faulty one."""
    component = config.component()
    rows, row_bits, note = config.rows, config.rows.bit_length(), config.tag_bits + 1
    depth, delay, tile = component.queue_depth, component.sum_delay + 1, row_bits + note
    probes = {
        "ends": delay, **{f"tile{n}": tile for n in range(delay)}, "reserved": depth.bit_length(), "left": 1,
        "room": 1, "sums.level": depth, "sums.take": 1, "sums.valid": 1, "sums.write": 1, "sums.data": SUM_BITS + note,
    }  # fmt: skip
    counts = [f"{probe(f'tile{n}')}[{row_bits - 1}:0]" for n in range(delay)]
    view = _backlog(config, probes) if config.backlog else _plain(config, probes, text)
    for name in ("operands", "row0"):
        text = cut(text, name)
    sizes = {
        "ROWS": rows, "ROW_BITS": row_bits, "DELAY": delay, "BACKLOG": int(config.backlog), "BITS": SUM_BITS,
        "NOTE": note, "DEPTH": depth, "COUNT_BITS": depth.bit_length(),
        "WIDTH": next(port["width"] for port in unit.ports if port["name"] == "o__payload"),
        "SPARE": 2 * rows if config.backlog else max(rows, 2),
    }  # fmt: skip
    wires = view | {
        **{name: probe(name) for name in ("ends", "reserved", "left", "room")}, "rows": joined(counts),
        "level": probe("sums.level"), "take": probe("sums.take"), "queued": probe("sums.valid"),
        **{f"o_{member}": f"o__{member}" for member in ("valid", "ready", "payload")},
        **{name: name for name in ("clk", "rst", "watch")}, "which": joined([f"which{n}" for n in range(row_bits)]),
        "done": f"{probe('ends')}[{delay - 1}]", "count": counts[-1],
        "note": f"{probe(f'tile{delay - 1}')}[{tile - 1}:{row_bits}]",
        "write": probe("sums.write"), "data": probe("sums.data"),
    }  # fmt: skip
    properties = shipped("matvec.sv")
    files = {
        f"{unit.config.top}.v": probed(text, unit.config.top, probes), **unit.models, "matvec.sv": properties,
    }  # fmt: skip
    free = ["watch", *(f"which{n}" for n in range(row_bits))]

    def task(name: str, claim: str, checkers: Sequence[str]) -> Task:
        checks = [checker(properties, one, one.removeprefix("matvec_"), sizes, wires) for one in checkers]
        return Task(
            name=name, claim=f"{claim} whatever vectors, jobs and weights are, and whenever they come.", mode="prove",
            files={**files, f"{TOP}.sv": harness(unit, checks, free, probes)}, top=TOP, engine="smtbmc z3",
            script=f"hierarchy -top {TOP}\nproc\nmemory",  # of registers, which ABC's traces need
            depth=2,
        )  # fmt: skip

    kept = task(
        "sums_are_kept",
        "Totals wait until they have left, the queue behind them never overflows, what is offered stays until it is "
        "taken, nothing outlives a reset;",
        ["matvec_totals", "matvec_queue"],
    )
    in_order = task(
        "sums_in_order",
        "Sums go into the queue tile by tile and row by row, each once, with its tile's tag, and when it is due;",
        ["matvec_totals", "matvec_order"],
    )
    return {one.name: one for one in (kept, in_order)}


def _backlog(config: MatvecConfig, probes: dict[str, int]) -> dict[str, str]:
    """The way out of an engine with a backlog, which is a module; what it needs is added to ``probes``."""
    rows, totals = config.rows, SUM_BITS * config.rows
    tile = totals + rows + config.tag_bits + 1
    probes |= {"taken": 2 * rows, "drain.waits": 1, "drain.free": 1, "drain.slots": rows}
    probes |= {f"drain.{name}": tile for name in ("arrived", "leaving", "waiting")}
    view = {"taken": probe("taken"), "busy": f"{rows}'b0"}
    view |= {name: probe(f"drain.{name}") for name in ("waits", "free", "slots")}
    view["totals"] = f"{probe('drain.arrived')}[{totals - 1}:0]"
    for name in ("leaving", "waiting"):
        whole = probe(f"drain.{name}")
        view[name] = f"{whole}[{totals + rows - 1}:{totals}]"
        view[f"{name}_totals"] = f"{whole}[{totals - 1}:0]"
        view[f"{name}_note"] = f"{whole}[{tile - 1}:{totals + rows}]"
    return view


def _plain(config: MatvecConfig, probes: dict[str, int], text: str) -> dict[str, str]:
    """The way out of another engine, where no tile waits; what it needs is added to ``probes``."""
    rows, totals = config.rows, SUM_BITS * config.rows
    numbers = range(rows)
    names = [_search(rf"\n  \S+  row{n} \([^;]*\.total\(\\?(\S+?) ?\)", text)[1] for n in numbers]
    probes |= {"busy": rows, "waiting": rows, "kept_tag": config.tag_bits, "kept_end": 1}
    probes |= {name: SUM_BITS for name in (*names, *(f"kept{n}" for n in numbers))}
    return {
        "busy": probe("busy"), "taken": f"{2 * rows}'b0", "waits": "1'b0", "free": "1'b1", "slots": f"{rows}'b0",
        "totals": joined([probe(name) for name in names]), "leaving": probe("waiting"), "waiting": f"{rows}'b0",
        "leaving_totals": joined([probe(f"kept{n}") for n in numbers]), "waiting_totals": f"{totals}'b0",
        "leaving_note": f"{{{probe('kept_end')}, {probe('kept_tag')}}}", "waiting_note": f"{config.tag_bits + 1}'b0",
    }  # fmt: skip
