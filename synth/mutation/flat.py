"""A unit with wires instead of its pipeline registers: the effect of a fault on a beat becomes combinational.

The registers of a pipeline are all enabled by ``i__ready``. So each output beat is a function of one input beat,
however long it was stalled; and with wires instead of these registers and free inputs, the unit does in one cycle
everything that it can do in any cycle. A fault cannot be observed if it changes neither an output nor the next state of
the remaining registers, for any state.

Two conditions are checked: all paths through the pipeline have the same number of registers, and valid has that
latency, too. The initial contents of the pipeline, and those after a reset, need not be a function of any input, but
come out without valid. So the pipeline's last registers have arbitrary outputs without valid, other ones in the mutant.
"""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from qse_hw.synth.mutation.graph import Circuit, Graph, sources
from qse_hw.synth.mutation.netlist import GATES, Gate, Netlist, bits

_AND, _MUX = GATES.index("$_AND_"), GATES.index("$_MUX_")
_DATA = ("i__payload", "scale_m", "scale_k")


class _Register:
    """A pipeline register: its data net, the select nets of its enable and reset, the nets of these multiplexers."""

    def __init__(self, data: int, selects: set[int], inside: set[int]) -> None:
        self.data, self.selects, self.inside = data, selects, inside


class Flat:
    """The unit with wires instead of its pipeline registers.

    Attributes:
        graph: its and-inverter graph, with an input for each remaining register.

    Raises:
        ValueError: if the unit has no pipeline as described in the module.
    """

    def __init__(self, netlist: Netlist) -> None:
        self.graph, self._netlist = Graph(), netlist
        if "i__ready" not in netlist.outputs:
            raise ValueError("no stream")
        drivers = {gate[1]: gate for gate in netlist.gates}
        self._valid = netlist.outputs["o__valid"][0]
        pipeline, control = _pipeline(netlist, drivers)
        inside = set[int]().union(*(register.inside for register in pipeline.values()))
        kept = {y: gate for y, gate in drivers.items() if y not in inside}
        self._left = [(q, d) for q, d in netlist.registers if q not in pipeline]
        seen = {net for y in kept if y in control for net in kept[y][2:]} | {net for *_, net in bits(netlist.outputs)}
        last = sorted(pipeline.keys() & (seen | {d for _, d in self._left}))
        wires = {q: (_AND, q, register.data, register.data, 0) for q, register in pipeline.items()}
        anything = dict(zip(last, range(netlist.nets, netlist.nets + len(last)), strict=True))
        wires |= {q: (_MUX, q, net, pipeline[q].data, self._valid) for q, net in anything.items()}
        try:
            gates = _ordered(kept | wires)
        except CycleError as error:
            raise ValueError("a loop") from error
        if {_registers_before(netlist, gates, set(wires), last)} != {_latency(netlist)}:
            raise ValueError("a valid takes another time")
        base = sources(self.graph, netlist, self.graph.input) + [self.graph.input() for _ in last]
        self._circuit = Circuit(self.graph, gates, base, {})
        self._other = {net: self.graph.input() for net in anything.values()}
        self._seen = {net for *_, net in bits(netlist.outputs)} | {d for _, d in self._left}
        self._chooses = {net for register in pipeline.values() for net in register.selects} | {self._valid}

    def wrong(self, select: int = 0) -> int | None:
        """A literal: whether the fault that the net ``select`` switches on can be observed; 0: no fault.

        None if the fault affects ready or valid.
        """
        graph, base = self.graph, self._circuit.base
        now = self._other | ({select: 1} if select else {})
        self._circuit.changed(now)
        if self._chooses & now.keys():
            return None
        shows = 0
        for name, _, net in bits(self._netlist.outputs):
            different = graph.xor(base[net], now.get(net, base[net]))
            shows = graph.or_(shows, graph.and_(different, base[self._valid]) if name == "o__payload" else different)
        for _, d in self._left:
            shows = graph.or_(shows, graph.xor(base[d], now.get(d, base[d])))
        if not select:
            return shows
        for net, value in self._bottlenecks(select):
            shows = graph.and_(shows, graph.xor(base[net], value))
        return graph.propagated(shows)

    def _bottlenecks(self, select: int) -> list[tuple[int, int]]:
        """Nets through which every effect of the fault passes, with the mutant's literals."""
        circuit, now = self._circuit, {select: 1}
        circuit.changed(now)
        places = [place for place, gate in enumerate(circuit.gates) if gate[1] in now]
        last_use: dict[int, int] = {}  # of nets that anything seen depends on
        for place in reversed(places):
            _, y, a, b, s = gate = circuit.gates[place]
            if y in self._seen:
                last_use[y] = len(circuit.gates)
            chosen = circuit.base[s] if gate[0] == _MUX and s not in now else None
            for net in (b, s) if chosen == 1 else (a, s) if chosen == 0 else (a, b, s):
                if y in last_use and net in now:
                    last_use[net] = max(place, last_use.get(net, 0))
        bottlenecks, until = [], last_use.get(select, 0)
        for place in places:
            net = circuit.gates[place][1]
            if net in last_use:
                if place >= until:
                    bottlenecks.append((net, now[net]))
                until = max(until, last_use[net])
        return bottlenecks


def _pipeline(netlist: Netlist, drivers: Mapping[int, Gate]) -> tuple[dict[int, _Register], set[int]]:
    """The registers of the pipeline by their nets; the nets that depend on more than the pipeline and the data."""
    graph = Graph()
    base = Circuit(graph, netlist.gates, sources(graph, netlist, graph.latch), {}).base
    ready, reset = base[netlist.outputs["i__ready"][0]], base[netlist.inputs["rst"][0]]
    enabled = {}
    for q, d in netlist.registers:
        selects, inside, at = set(), {d}, drivers.get(d)
        if at and at[0] == _MUX and base[at[4]] == reset and base[at[3]] == 0:
            selects, inside, at = {at[4]}, {d, at[2]}, drivers.get(at[2])
        if at and at[0] == _MUX and base[at[4]] == ready and at[2] == q:
            enabled[q] = _Register(at[3], selects | {at[4]}, inside)
    inside = set[int]().union(*(register.inside for register in enabled.values()))
    users: dict[int, list[int]] = {}
    for y, (_, _, *pins) in drivers.items():
        for net in pins if y not in inside else ():
            users.setdefault(net, []).append(y)
    for q, register in enabled.items():
        users.setdefault(register.data, []).append(q)
    control = {net for name, _, net in bits(netlist.inputs) if name not in _DATA}
    control |= {q for q, _ in netlist.registers if q not in enabled}
    todo = list(control)
    while todo:
        for net in users.get(todo.pop(), ()):
            if net not in control:
                control.add(net)
                todo.append(net)
    return {q: register for q, register in enabled.items() if q not in control}, control


def _ordered(gates: Mapping[int, Gate]) -> list[Gate]:
    order = TopologicalSorter({y: pins for y, (_, _, *pins) in gates.items()}).static_order()
    return [gates[net] for net in order if net in gates]


def _registers_before(netlist: Netlist, gates: list[Gate], registers: set[int], last: list[int]) -> int | None:
    """The number of registers on every path from the data to the last registers; None if paths differ."""
    depth = {net: 0 for name, _, net in bits(netlist.inputs) if name in _DATA}
    for _, y, *pins in gates:
        counts = {depth[net] for net in pins if net in depth}
        if len(counts) > 1:
            return None
        for one in counts:
            depth[y] = one + (y in registers)
    counts = {depth[q] for q in last if q in depth}
    return counts.pop() if len(counts) == 1 else None


def _latency(netlist: Netlist) -> int | None:
    """The latency of valid, measured after start and after a reset; None if the two differ or valid comes earlier."""
    state, seen, most = dict.fromkeys((q for q, _ in netlist.registers), 0), [], 40
    for cycle in range(2 * most):
        now = [0] * netlist.nets
        now[1] = 1
        for name, value in (("i__valid", 1), ("o__ready", 1), ("rst", cycle == most)):
            now[netlist.inputs[name][0]] = int(value)
        for q, value in state.items():
            now[q] = value
        graph = Graph()
        for type, y, a, b, s in netlist.gates:
            now[y] = graph.gate(type, now[a], now[b], now[s])
        seen.append(now[netlist.outputs["o__valid"][0]])
        state = {q: now[d] for q, d in netlist.registers}
    latency = seen.index(1) if 1 in seen else most
    wanted = [0] * latency + [1] * (most + 1 - latency) + [0] * latency + [1] * (most - 1 - latency)
    return latency if seen == wanted else None
