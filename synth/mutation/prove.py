"""Proofs that mutants are equivalent: the same outputs as the unit's in every cycle after start, for all inputs.

Unit and mutants share one and-inverter graph. A mutant shares each register of the unit whose next state is the same
literal; that is sound by induction over cycles, since all registers start at 0. ABC decides the rest: first a SAT
solver on the unit without its pipeline registers (:mod:`qse_hw.synth.mutation.flat`), then signal correspondence (van
Eijk's induction), then property directed reachability. A payload is compared only while its valid is 1.
"""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qse_hw.golden.formats.scale import MAX_LOG2_STEP
from qse_hw.synth.formal.task import abc
from qse_hw.synth.mutation.flat import Flat
from qse_hw.synth.mutation.graph import Circuit, Graph, sources
from qse_hw.synth.mutation.netlist import Netlist, bits

Verdict = Literal["unconnected", "function", "induction", "reachability", "different", "unresolved"]
"""Equivalent mutants: no output depends on the fault (``unconnected``), or the kind of proof; then the others."""

EQUIVALENT: tuple[Verdict, ...] = ("unconnected", "function", "induction", "reachability")
SECONDS = 15
"""Wall time for one mutant, of bounded search and of reachability each."""
PATIENCE = 300
"""Wall time in seconds of the combinational proof of one mutant; on an idle core, none took a tenth of that."""
FRAMES = 24
"""Cycles of the bounded search: two latencies."""
_INDUCTION = "scorr -C 1000; scorr -F 2 -C 1000"
_PROVE = "fraig; iprove"
_SEARCH = f"bmc3 -F {FRAMES} -T {SECONDS}; pdr -T {SECONDS}"
MITER = "miter.aig"


@dataclass(frozen=True, kw_only=True)
class _Miter:
    """Per mutant a literal that is true in cycles in which its outputs are wrong; the next state of every latch."""

    graph: Graph
    wrong: Mapping[int, int]
    next_state: Mapping[int, int]


def prove(
    netlist: Netlist,
    mutants: Sequence[int],
    folder: Path,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[int, Verdict]:
    """For each mutant, by number, whether it is equivalent. Files are left in ``folder``.

    ``scale_m`` has its top bit set and ``scale_k`` is in its range, as the encoder requires; all other inputs are free
    in every cycle.

    Raises:
        InputError: if ABC is missing.
    """
    tool = abc()
    miter = _miter(netlist, mutants)
    verdicts: dict[int, Verdict] = {number: "unconnected" for number in mutants if miter.wrong[number] == 0}
    open_ = [number for number in mutants if number not in verdicts]
    flat = _flat(tool, netlist, folder) if open_ else None
    for done, number in enumerate(open_):
        progress(done / len(open_))
        if flat is not None and _never(tool, flat, flat.wrong(netlist.selects[number - 1]), folder):
            verdicts[number] = "function"
            continue
        miter.graph.write(folder / MITER, [miter.wrong[number]], miter.next_state)
        verdicts[number] = _verdict(tool, folder)
    return {number: verdicts[number] for number in mutants}


def witnesses(netlist: Netlist, mutants: Sequence[int], folder: Path) -> dict[int, list[dict[str, int]]]:
    """For mutants that are ``different``, beats that show it: ``i__payload`` and the scale's ports.

    Mutants for which the bounded search finds no beats are left out.

    Raises:
        InputError: if ABC is missing.
    """
    if not mutants:
        return {}
    tool = abc()
    miter = _miter(netlist, mutants)
    names = [(name, place) for name, place, _ in bits(netlist.inputs)]
    beats_of = {}
    for number in mutants:
        file = folder / "witness.txt"
        file.unlink(missing_ok=True)
        miter.graph.write(folder / MITER, [miter.wrong[number]], miter.next_state)
        search = f"{_INDUCTION}; bmc3 -F {FRAMES} -T {SECONDS}; write_cex -a {file.name}"
        said = _abc(tool, f"read_aiger {MITER}; {search}", folder, 4 * SECONDS)
        if "was asserted in frame" not in said or not file.exists():
            continue
        beats = []
        for frame in file.read_text().split("\n#")[0].splitlines()[1:]:  # the registers' values come first
            ports: dict[str, int] = {}
            for (name, place), value in zip(names, frame, strict=True):
                ports[name] = ports.get(name, 0) | (value == "1") << place
            if ports["i__valid"]:
                beats.append(_contract(ports, netlist))
        beats_of[number] = beats
    return beats_of


def _contract(ports: Mapping[str, int], netlist: Netlist) -> dict[str, int]:
    """The beat as :func:`qse_hw.synth.mutation.graph.sources` restricts it: M with its top bit set, illegal k as 0."""
    beat = {name: ports[name] for name in ("i__payload", "scale_m", "scale_k") if name in ports}
    if "scale_m" in beat:
        bits, wide = len(netlist.inputs["scale_m"]), len(netlist.inputs["scale_k"])
        beat["scale_m"] |= 1 << (bits - 1)
        k = beat["scale_k"] - (beat["scale_k"] >> (wide - 1) << wide)
        beat["scale_k"] = k if abs(k - bits) < MAX_LOG2_STEP else 0
    return beat


def _flat(tool: str, netlist: Netlist, folder: Path) -> Flat | None:
    """The unit without its pipeline registers; None if it has no pipeline, or outputs depend on beats without valid."""
    try:
        flat = Flat(netlist)
    except ValueError:
        return None
    return flat if _never(tool, flat, flat.wrong(), folder) else None


def _never(tool: str, flat: Flat, wrong: int | None, folder: Path) -> bool:
    """Whether a literal is proved to be false for all inputs."""
    if wrong is None or wrong == 0:
        return wrong == 0
    flat.graph.write(folder / MITER, [wrong], {})
    return "UNSATISFIABLE" in _abc(tool, f"read_aiger {MITER}; {_PROVE}", folder, PATIENCE)


def _verdict(tool: str, folder: Path) -> Verdict:
    swept = folder / "swept.aig"
    swept.unlink(missing_ok=True)
    said = _abc(tool, f"read_aiger {MITER}; {_INDUCTION}; write_aiger {swept.name}; {_SEARCH}", folder, 4 * SECONDS)
    if swept.exists() and _outputs(swept) == [0]:
        return "induction"
    if "was asserted in frame" in said:
        return "different"
    return "reachability" if "Property proved" in said else "unresolved"


def _abc(tool: str, commands: str, folder: Path, seconds: float) -> str:
    try:
        done = subprocess.run(
            [tool, "-c", commands], cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def _outputs(file: Path) -> list[int]:
    """Literals of the outputs of a binary AIGER file."""
    lines = file.read_bytes().split(b"\n")
    _, _, latches, outputs, *_ = (int(word) for word in lines[0].split()[1:])
    return [int(line) for line in lines[1 + latches : 1 + latches + outputs]]


def _miter(netlist: Netlist, mutants: Sequence[int]) -> _Miter:
    graph = Graph()
    loads = {d: [q for q, other in netlist.registers if other == d] for _, d in netlist.registers}
    circuit = Circuit(graph, netlist.gates, sources(graph, netlist, graph.latch), loads)
    base = circuit.base
    next_state = {base[q]: base[d] for q, d in netlist.registers}

    def wrong(number: int) -> int:
        now = {netlist.selects[number - 1]: 1} if netlist.selects[number - 1] else {}
        own = circuit.changed(now)
        for q, d in own.items():
            next_state[now[q]] = now[d]
        valid = base[netlist.outputs["o__valid"][0]]
        wrong_outputs = 0
        for name, _, net in bits(netlist.outputs):
            different = graph.xor(base[net], now.get(net, base[net]))
            shows = graph.and_(different, valid) if name == "o__payload" else different
            wrong_outputs = graph.or_(wrong_outputs, shows)
        return wrong_outputs

    return _Miter(graph=graph, wrong={number: wrong(number) for number in mutants}, next_state=next_state)
