"""The critical path that nextpnr reports, by the names of signals in the unit's own Verilog."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qse_hw.synth.result import Hop
from qse_hw.synth.timing_wrapper import WRAPPER

INPUT, OUTPUT = "(input)", "(output)"
_UNIT = "unit."  # the instance in the wrapper
_WRAPPER = {"source": INPUT, "result": OUTPUT, "tree0": OUTPUT, "rst": INPUT}


def signals(file: Path) -> frozenset[str]:
    """The named signals of a wrapped unit, from what Yosys' ``select -list w:*`` wrote before mapping."""
    lines = (line.removeprefix(f"{WRAPPER}/") for line in file.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line and "$" not in line)


def named(net: str, names: frozenset[str]) -> str | None:
    """The signal whose name a tool's name of a net or cell begins with: ``lane0.sum`` of ``lane0.sum_SB_LUT4_O_I1``."""
    while net:
        if net in names:
            return _WRAPPER.get(net, net.removeprefix(_UNIT))
        net = net[: max(net.rfind("_"), net.rfind("["), 0)]
    return None


def critical_path(paths: Sequence[dict[str, Any]], names: frozenset[str]) -> tuple[Hop, ...]:
    """The slowest path between two registers of one clock.

    Args:
        paths: ``critical_paths`` of nextpnr's report.
        names: of the unit's signals.
    """
    inner = [path["path"] for path in paths if path["from"] == path["to"] and path["from"].startswith("posedge")]
    if not inner:
        return ()
    steps = max(inner, key=lambda path: sum(step["delay"] for step in path))
    hops: list[Hop] = []
    last = named(steps[0]["from"]["cell"], names) or "?"
    logic = routing = 0.0
    cells = 0
    for step in steps:
        if step["type"] == "routing":
            name = named(step["net"], names)
            if name not in (None, last):
                if hops or cells:
                    hops.append(Hop(last, logic, routing, cells))
                    logic = routing = 0.0
                    cells = 0
                last = name
            routing += step["delay"]
        else:
            logic += step["delay"]
            cells += step["type"] == "logic"
    end = named(steps[-1]["to"]["cell"], names) or "?"
    return (*hops, Hop(last, logic, routing, cells), Hop(end, 0.0, 0.0, 0))
