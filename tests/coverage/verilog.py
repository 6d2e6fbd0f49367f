"""Line and toggle coverage of emitted Verilog, as Verilator counts it, and the bits that are proved never to change."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from qse_hw.sim.simulators import simulate
from qse_hw.synth import yosys as tools

_KINDS = {"v_line": "line", "v_branch": "branch", "v_toggle": "toggle"}


class Point(NamedTuple):
    """Something that Verilator counts: ``name`` is a signal's bit and its change, or a statement, in an instance."""

    kind: str
    instance: str
    line: int
    name: str

    @property
    def place(self) -> str:
        """Instances and name."""
        return ".".join(filter(None, [self.instance, self.name]))


@contextmanager
def counted() -> Iterator[None]:
    """Models that are compiled meanwhile count, and write coverage.dat into their folder when they end."""
    arguments = (*simulate._BUILD_ARGS["verilator"], "--coverage-line", "--coverage-toggle")
    with mock.patch.dict(simulate._BUILD_ARGS, verilator=arguments):
        yield


def points(data: Path, source: str, top: str) -> Counter[Point]:
    """How often each point of the file named ``source`` was met; instances are relative to the one called ``top``."""
    hits: Counter[Point] = Counter()
    for line in data.read_text().splitlines():
        match = re.fullmatch(r"C '(.*)' (\d+)", line)
        if match is None:
            continue
        fields = dict(field.split("\x02", 1) for field in match[1].split("\x01") if field)
        instance = re.search(rf"(?:^|\.){top}(?:\.(.*))?$", fields["h"])
        if Path(fields["f"]).name == source and instance is not None:
            kind = _KINDS[fields["page"].partition("/")[0]]
            name = re.sub(r"__0([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), fields["o"])
            hits[Point(kind, instance[1] or "", int(fields["l"]), name)] += int(match[2])
    return hits


def constants(source: Path, top: str, suspects: Iterable[str] = ()) -> set[str]:
    """Signal bits (``instance.signal[bit]``) that Yosys proves constant.

    Constants are propagated through logic, and through registers by induction over the clock (opt_dff -sat); what is
    then left of ``suspects`` is given to its SAT solver, as a combinational function of registers and inputs.
    """
    flat = f"read_verilog -sv {source.name}; hierarchy -top {top}; proc; flatten; setattr -set keep 1 w:*; "
    script = f"{flat} opt -full; opt_dff -sat; opt -full; write_json constants.json; write_rtlil constants.il"
    tools.run(tools.YOSYS, ["-q", "-p", script], source.parent, log="constants.log")
    proved = _in_netlist(json.loads((source.parent / "constants.json").read_text())["modules"][top])
    left = sorted({_bit(name) for name in suspects} - proved)
    if left:
        names = [f"\\{name}" if name.startswith("$") else name for name in left]
        trial = "log try {0}; sat -ignore_unknown_cells -prove {1} {2}"
        proofs = [trial.format(*pair, value) for pair in zip(left, names, strict=True) for value in (0, 1)]
        tools.run(
            tools.YOSYS,
            ["-q", "-p", "; ".join(["read_rtlil constants.il", *proofs])],
            source.parent,
            log="proofs.log",
        )
        for part in (source.parent / "proofs.log").read_text().split("\ntry ")[1:]:
            if "proof finished - no model found: SUCCESS" in part:
                proved.add(part.partition("\n")[0])
    return proved


def _bit(name: str) -> str:
    return name.partition(":")[0]


def _in_netlist(module: dict[str, Any]) -> set[str]:
    constants = set()
    for name, net in module["netnames"].items():
        for place, bit in enumerate(net["bits"]):
            if isinstance(bit, str):
                index = f"[{place + net.get('offset', 0)}]" if len(net["bits"]) > 1 else ""
                constants.add(name.removeprefix("\\") + index)
    return constants


class Summary(NamedTuple):
    """Points of a kind that were met, that cannot be (and why, with how many), all of them, and the rest in words."""

    met: int
    explained: dict[str, int]
    total: int
    rest: list[str]


def summarise(kind: str, counts: Counter[Point], constant: set[str]) -> Summary:
    """What was met, and why the rest was not."""
    chosen = [point for point in counts if point.kind == kind]
    explained: Counter[str] = Counter()
    rest = []
    for point in chosen:
        if counts[point]:
            continue
        why = _why(point, constant)
        if why is None:
            rest.append(point.place)
        else:
            explained[why] += 1
    return Summary(sum(counts[point] > 0 for point in chosen), dict(explained), len(chosen), sorted(rest))


def _why(point: Point, constant: set[str]) -> str | None:
    if point.kind == "toggle" and _bit(point.place) in constant:
        return "constant: proved by Yosys"
    return None
