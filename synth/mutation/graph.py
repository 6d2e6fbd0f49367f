"""And-inverter graphs of a netlist and of its mutants, which share equal nodes."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from qse_hw.golden.formats.scale import MAX_LOG2_STEP
from qse_hw.synth.mutation.netlist import Gate, Netlist, bits


class Graph:
    """An and-inverter graph. A literal is ``2 * node + inverted``; literal 0 is false. Equal nodes are made once."""

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

    def and_(self, a: int, b: int) -> int:
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

    def or_(self, a: int, b: int) -> int:
        return self.and_(a ^ 1, b ^ 1) ^ 1

    def xor(self, a: int, b: int) -> int:
        if a < 2 or b < 2:
            return a ^ b if a < 2 else b ^ a
        if a >> 1 == b >> 1:
            return (a ^ b) & 1
        inverted = (a ^ b) & 1
        a, b = a & ~1, b & ~1
        return self.or_(self.and_(a, b ^ 1), self.and_(a ^ 1, b)) ^ inverted

    def greater_equal(self, number: Sequence[int], limit: int) -> int:
        """Whether ``number``, two's complement, low bit first, is ``limit`` or more."""
        wanted = limit + (1 << (len(number) - 1))  # offset binary
        result = 1
        for place, bit in enumerate((*number[:-1], number[-1] ^ 1)):
            result = self.and_(bit, result) if wanted >> place & 1 else self.or_(bit, result)
        return result

    def gate(self, type: int, a: int, b: int, s: int) -> int:
        """The gate of index ``type`` in :data:`qse_hw.synth.mutation.netlist.GATES`."""
        if type == 0:
            return a ^ 1
        if type == 1:
            return self.and_(a, b)
        if type == 2:
            return self.or_(a, b)
        if type in (3, 4):
            return self.xor(a, b) ^ (type == 4)
        return self.or_(self.and_(s, b), self.and_(s ^ 1, a)) if a != b else a

    def _node(self) -> int:
        self._nodes += 1
        return 2 * (self._nodes - 1)

    def write(self, file: Path, outputs: Sequence[int], next_state: Mapping[int, int]) -> None:
        """Write ``outputs`` and the nodes that they need as binary AIGER."""
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

    def propagated(self, literal: int) -> int:
        """A literal that is satisfiable if and only if ``literal`` is; literals implied by it become constants."""
        while True:
            needs, todo = set(), [literal]
            while todo:
                lit = todo.pop()
                if lit in self.ands:
                    todo += self.ands[lit]
                else:
                    needs.add(lit)
            if 0 in needs or any(lit ^ 1 in needs for lit in needs):
                return 0
            fixed = {lit & ~1: lit & 1 ^ 1 for lit in needs}
            new = {node: value for node, value in fixed.items() if node not in self.ands}
            result = 1
            for node in sorted(self._cone(needs)):  # operands were made before their ands
                a, b = (new.get(lit & ~1, lit & ~1) ^ lit & 1 for lit in self.ands[node])
                new[node] = self.and_(a, b)
                if node in fixed:
                    result = self.and_(result, new[node] ^ fixed[node] ^ 1)
                    new[node] = fixed[node]
            if result == literal:
                return result
            literal = result

    def _cone(self, literals: Iterable[int]) -> set[int]:
        """The ands in the cone of influence of ``literals``."""
        cone: set[int] = set()
        todo = [lit & ~1 for lit in literals]
        while todo:
            node = todo.pop()
            if node in self.ands and node not in cone:
                cone.add(node)
                todo += [lit & ~1 for lit in self.ands[node]]
        return cone


def sources(graph: Graph, netlist: Netlist, register: Callable[[], int]) -> list[int]:
    """Literals of a netlist's nets: inputs, constants and registers, which ``register`` makes; of all other nets 0.

    ``scale_m`` has its top bit set and ``scale_k`` is in its range, as the encoder requires.
    """
    base = [0] * netlist.nets
    base[1] = 1
    for _, _, net in bits(netlist.inputs):
        base[net] = graph.input()
    if "scale_m" in netlist.inputs:
        m, k = netlist.inputs["scale_m"], netlist.inputs["scale_k"]
        base[m[-1]] = 1
        given = [base[net] for net in k]
        # one below the range: legal with the smallest M only
        low, high = len(m) - MAX_LOG2_STEP - 1, len(m) + MAX_LOG2_STEP - 1
        legal = graph.and_(graph.greater_equal(given, low), graph.greater_equal(given, high + 1) ^ 1)
        for net, bit in zip(k, given, strict=True):
            base[net] = graph.and_(bit, legal)  # 0 is legal
    for q, _ in netlist.registers:
        base[q] = register()
    return base


class Circuit:
    """Literals of a netlist's nets, and for a mutant those that differ.

    Args:
        graph: where the gates are made.
        gates: in topological order.
        base: literals of all sources, by net; those of gates are written into it.
        loads: registers by the net that they load; a mutant in which that net differs has latches of its own for them.
    """

    def __init__(
        self, graph: Graph, gates: Sequence[Gate], base: list[int], loads: Mapping[int, Sequence[int]]
    ) -> None:
        self.graph, self.gates, self.base, self.loads = graph, gates, base, loads
        self.users: list[list[int]] = [[] for _ in base]
        for place, (type, y, a, b, s) in enumerate(gates):
            base[y] = graph.gate(type, base[a], base[b], base[s])
            for net in (a, b, s):
                self.users[net].append(place)

    def changed(self, now: dict[int, int]) -> dict[int, int]:
        """Add to ``now``, the literals of a mutant that differ, all that differ in consequence.

        Returns:
            Registers of which the mutant has latches of its own, with the nets that they load.
        """
        graph, base, users = self.graph, self.base, self.users
        todo = sorted({place for net in now for place in users[net]})
        own: dict[int, int] = {}

        def spread(net: int) -> None:
            for place in users[net]:
                heapq.heappush(todo, place)
            for q in self.loads.get(net, ()):
                if q not in own:
                    own[q] = net
                    now[q] = graph.latch()
                    spread(q)

        while todo:
            type, y, a, b, s = self.gates[heapq.heappop(todo)]
            a, b, s = (now.get(net, base[net]) for net in (a, b, s))
            value = graph.gate(type, a, b, s)
            if value != now.get(y, base[y]):
                now[y] = value
                spread(y)
        return own
