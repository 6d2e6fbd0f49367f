"""Whether a mutant is equivalent: the same outputs as the unit's in every cycle, for all inputs, from the start on.

Unit and mutants share one and-inverter graph. A register of a mutant is the unit's own while what it loads is literally
the same, which is an induction over cycles: all registers start at 0. What is left is for ABC: signal correspondence
(van Eijk's induction), then property directed reachability. A payload counts only while its valid is 1.
"""

import heapq
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from golden.scale import MAX_LOG2_STEP
from synth.formal.task import abc
from synth.mutate_netlist import Netlist, bits

Verdict = Literal["unconnected", "induction", "reachability", "different", "unresolved"]
"""Equivalent: the fault changes nothing that an output depends on (``unconnected``), or by the means that proved it."""

EQUIVALENT: tuple[Verdict, ...] = ("unconnected", "induction", "reachability")
SECONDS = 15
"""Of the clock, for one mutant, of bounded search and of reachability each."""
FRAMES = 24
"""Cycles of the bounded search: two latencies."""
_INDUCTION = "scorr -C 1000; scorr -F 2 -C 1000"
_SEARCH = f"bmc3 -F {FRAMES} -T {SECONDS}; pdr -T {SECONDS}"
MITER = "miter.aig"


class _Graph:
    """Ands of literals: ``2 * node + inverted``; literal 0 is false. Equal nodes are made once."""

    def __init__(self) -> None:
        self.ands: dict[int, tuple[int, int]] = {}
        self.latches: list[int] = []
        self.inputs: list[int] = []
        self._known: dict[tuple[int, int], int] = {}
        self._nodes = 1

    def input(self) -> int:
        self.inputs.append(self._node())
        return self.inputs[-1]

    def latch(self) -> int:
        self.latches.append(self._node())
        return self.latches[-1]

    def both(self, a: int, b: int) -> int:
        if a > b:
            a, b = b, a
        if a == 0 or a == b ^ 1:
            return 0
        if a == 1 or a == b:
            return b
        if (a, b) not in self._known:
            self._known[a, b] = made = self._node()
            self.ands[made] = (a, b)
        return self._known[a, b]

    def either(self, a: int, b: int) -> int:
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        if a < 2 or b < 2:
            return a ^ b if a < 2 else b ^ a
        if a >> 1 == b >> 1:
            return (a ^ b) & 1
        inverted = (a ^ b) & 1
        a, b = a & ~1, b & ~1
        return self.either(self.both(a, b ^ 1), self.both(a ^ 1, b)) ^ inverted

    def at_least(self, number: Sequence[int], limit: int) -> int:
        """Whether ``number``, two's complement, low bit first, is ``limit`` or more."""
        wanted = limit + (1 << (len(number) - 1))  # offset binary
        found = 1
        for place, bit in enumerate((*number[:-1], number[-1] ^ 1)):
            found = self.both(bit, found) if wanted >> place & 1 else self.either(bit, found)
        return found

    def gate(self, type: int, a: int, b: int, s: int) -> int:
        """As numbered by :data:`synth.mutate_netlist.GATES`."""
        if type == 0:
            return a ^ 1
        if type == 1:
            return self.both(a, b)
        if type == 2:
            return self.either(a, b)
        if type in (3, 4):
            return self.differ(a, b) ^ (type == 4)
        return self.either(self.both(s, b), self.both(s ^ 1, a)) if a != b else a

    def _node(self) -> int:
        self._nodes += 1
        return 2 * (self._nodes - 1)

    def write(self, file: Path, outputs: Sequence[int], next_state: Mapping[int, int]) -> None:
        """Binary AIGER of what ``outputs`` need."""
        needed, todo = set(self.inputs), [lit & ~1 for lit in outputs]
        while todo:
            node = todo.pop()
            if node and node not in needed:
                needed.add(node)
                todo += [lit & ~1 for lit in self.ands.get(node, (next_state.get(node, 0),))]
        latches = [node for node in self.latches if node in needed]
        ands = [node for node in self.ands if node in needed]
        new = {0: 0} | {node: 2 * n for n, node in enumerate((*self.inputs, *latches, *ands), 1)}

        def literal(lit: int) -> int:
            return new[lit & ~1] | lit & 1

        counts = (len(new) - 1, len(self.inputs), len(latches), len(outputs), len(ands))
        lines = [f"aig {' '.join(map(str, counts))}", *(str(literal(next_state[node])) for node in latches)]
        lines += [str(literal(lit)) for lit in outputs]
        data = bytearray("\n".join([*lines, ""]).encode())
        for node in ands:
            low, high = sorted(map(literal, self.ands[node]))
            for delta in (new[node] - high, high - low):
                while delta > 127:
                    data.append(delta & 127 | 128)
                    delta >>= 7
                data.append(delta)
        file.write_bytes(data)


@dataclass(frozen=True, kw_only=True)
class _Miter:
    """Literals that are true in a cycle in which a mutant's outputs are wrong; what every latch loads."""

    graph: _Graph
    wrong: Mapping[int, int]
    next_state: Mapping[int, int]


def prove(
    netlist: Netlist,
    mutants: Sequence[int],
    folder: Path,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[int, Verdict]:
    """Per mutant, by its number, whether it is equivalent. Files are left in ``folder``.

    ``scale_m`` has its top bit set and ``scale_k`` is in its range, as the encoder's contract demands; all other inputs
    may be anything at any time.

    Raises:
        InputError: if ABC is missing.
    """
    tool = abc()
    miter = _miter(netlist, mutants)
    verdicts: dict[int, Verdict] = {number: "unconnected" for number in mutants if miter.wrong[number] == 0}
    open_ = [number for number in mutants if number not in verdicts]
    for done, number in enumerate(open_):
        progress(done / len(open_))
        miter.graph.write(folder / MITER, [miter.wrong[number]], miter.next_state)
        verdicts[number] = _verdict(tool, folder)
    return {number: verdicts[number] for number in mutants}


def _verdict(tool: str, folder: Path) -> Verdict:
    swept = folder / "swept.aig"
    swept.unlink(missing_ok=True)
    said = _abc(tool, f"read_aiger {MITER}; {_INDUCTION}; write_aiger {swept.name}; {_SEARCH}", folder)
    if swept.exists() and _outputs(swept) == [0]:
        return "induction"
    if "was asserted in frame" in said:
        return "different"
    return "reachability" if "Property proved" in said else "unresolved"


def _abc(tool: str, commands: str, folder: Path) -> str:
    try:
        done = subprocess.run(
            [tool, "-c", commands], cwd=folder, capture_output=True, text=True, timeout=4 * SECONDS, check=False
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
    graph = _Graph()
    base = [0] * netlist.nets
    base[1] = 1
    for _, _, net in bits(netlist.inputs):
        base[net] = graph.input()
    if "scale_m" in netlist.inputs:
        m, k = netlist.inputs["scale_m"], netlist.inputs["scale_k"]
        base[m[-1]] = 1
        given = [base[net] for net in k]
        # one below what is legal for all M but the smallest
        low, high = len(m) - MAX_LOG2_STEP - 1, len(m) + MAX_LOG2_STEP - 1
        legal = graph.both(graph.at_least(given, low), graph.at_least(given, high + 1) ^ 1)
        for net, bit in zip(k, given, strict=True):
            base[net] = graph.both(bit, legal)  # 0 is legal
    for q, _ in netlist.registers:
        base[q] = graph.latch()
    for type, y, a, b, s in netlist.gates:
        base[y] = graph.gate(type, base[a], base[b], base[s])
    next_state = {base[q]: base[d] for q, d in netlist.registers}
    users: list[list[int]] = [[] for _ in range(netlist.nets)]
    for place, (_, _, *pins) in enumerate(netlist.gates):
        for net in pins:
            users[net].append(place)
    loads = {d: [q for q, other in netlist.registers if other == d] for _, d in netlist.registers}

    def wrong(number: int) -> int:
        select = netlist.selects[number - 1]
        now = {select: 1}
        todo = list(users[select]) if select else []
        own: dict[int, int] = {}  # registers that are not the unit's: output, input

        def change(net: int) -> None:
            for place in users[net]:
                heapq.heappush(todo, place)
            for q in loads.get(net, ()):
                if q not in own:
                    own[q] = net
                    now[q] = graph.latch()
                    change(q)

        heapq.heapify(todo)
        while todo:
            place = heapq.heappop(todo)
            type, y, a, b, s = netlist.gates[place]
            a, b, s = (now.get(net, base[net]) for net in (a, b, s))
            value = graph.gate(type, a, b, s)
            if value != now.get(y, base[y]):
                now[y] = value
                change(y)
        for q, d in own.items():
            next_state[now[q]] = now[d]
        valid = base[netlist.outputs["o__valid"][0]]
        found = 0
        for name, _, net in bits(netlist.outputs):
            different = graph.differ(base[net], now.get(net, base[net]))
            found = graph.either(found, graph.both(different, valid) if name == "o__payload" else different)
        return found

    return _Miter(graph=graph, wrong={number: wrong(number) for number in mutants}, next_state=next_state)
