"""Static timing of a netlist of standard cells, from the tables of its Liberty file.

The tables give delay and slew of a cell's output by the input's slew and the load. The load is the sum of the input
pins' capacitances, computed for rising and falling separately; a slew is the worst over all inputs. Limits: no wires,
no crosstalk, no derating; the clock is ideal, without skew or slew; input ports have no slew, output ports no load;
false paths count. ABC's ``stime`` computes the same for the logic between flops; it does not support flops.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells.cell import EDGES, Arc
from qse_hw.synth.cells.complete import captures, causes, check_complete, launches
from qse_hw.synth.cells.mapped import Bit, Instance, MappedNetlist

KINDS = ("register to register", "input to register", "register to output", "input to output")
CLOCK_SLEW = PORT_SLEW = 0.0  # ns
_NEVER = float("-inf")


@dataclass(frozen=True)
class Step:
    """One step of a path: a cell, or the end.

    Attributes:
        cell: the cell's type; ``setup`` at a register's input, ``port`` at a port.
        pin: input and output pin, ``A to Y``; of a setup the flop's pin, of a port its name.
        net: the net that the step drives, by the user's name; if it has none, that of the nearest named net, in
            brackets.
        edge: of the net, ``rise`` or ``fall``.
        delay: ns.
        fanout: input pins on the net.
    """

    cell: str
    pin: str
    net: str
    edge: str
    delay: float
    fanout: int


@dataclass(frozen=True)
class TimingPath:
    """The slowest path of a kind.

    Attributes:
        start, end: the registers' or ports' signals.
        delay: ns, from the active clock edge to the earliest possible next one, setup included.
        steps: in order.
    """

    start: str
    end: str
    delay: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class TimingReport:
    """The timing of a netlist.

    Attributes:
        paths: the slowest path of each of :data:`KINDS` that the netlist has.
        slews: the worst slews by net, ns: rising and falling.
        without_setup: cell and pin of flops' inputs for which the library has no setup time; paths are timed up to
            the pin.
    """

    paths: Mapping[str, TimingPath]
    slews: Mapping[Bit, tuple[float, float]]
    without_setup: frozenset[tuple[str, str]] = frozenset()

    @property
    def path(self) -> TimingPath | None:
        """The slowest path between registers."""
        return self.paths.get(KINDS[0])

    @property
    def fmax(self) -> float:
        """MHz between registers.

        Raises:
            InputError: if there is no path from register to register.
        """
        if self.path is None:
            raise InputError("Netlist must have a path from register to register")
        return 1e3 / self.path.delay

    @property
    def hops(self) -> tuple[tuple[str, float, float, int], ...]:
        """The slowest path between registers, cut at named signals: name, ns in cells, ns in wires, number of cells."""
        path, hops = self.path, []
        if path is None:
            return ()
        name, delay, cells = path.start, 0.0, 0
        for number, step in enumerate(path.steps):
            delay += step.delay
            cells += 0 < number < len(path.steps) - 1
            if 0 < number < len(path.steps) - 1 and not step.net.startswith("("):
                hops.append((name, delay, 0.0, cells))
                name, delay, cells = step.net, 0.0, 0
        return (*hops, (name, delay, 0.0, cells), (path.end, 0.0, 0.0, 0))


@dataclass
class _Point:
    """An edge of a net: the worst slew, and for each origin (registers, ports) the latest arrival and its arc."""

    slew: float
    arrival: list[float]
    via: list["_Via | None"]


@dataclass(frozen=True)
class _Via:
    instance: Instance
    pins: tuple[str, str]
    before: tuple[Bit, str] | None  # net and edge at the input; None at a clock pin
    delay: float


_Points = dict[tuple[Bit, str], _Point]


def analyze(mapped: MappedNetlist) -> TimingReport:
    """TimingReport of a netlist.

    Raises:
        InputError: if it has a loop without a register, or uses a cell that lacks what timing needs.
    """
    without_setup = check_complete(mapped)
    points = _propagate(mapped)
    ends: dict[str, tuple[float, tuple[Bit, str], int, Step]] = {}

    def end(kinds: Sequence[str], at: tuple[Bit, str], extra: float, what: str, pin: str) -> None:
        for origin, kind in enumerate(kinds):
            delay = points[at].arrival[origin] + extra
            if delay > ends[kind][0] if kind in ends else delay > _NEVER:
                ends[kind] = delay, at, origin, Step(what, pin, mapped.near(at[0]), at[1], extra, 0)

    for instance in mapped.instances:
        for name, pin, net in instance.pins("input"):
            if (instance.cell.name, name) in without_setup:
                for edge in EDGES:
                    if (net, edge) in points:
                        end(KINDS[:2], (net, edge), 0.0, "setup", name)
            for arc in pin.arcs:
                for edge in EDGES if captures(arc, instance.cell.flop) else ():
                    table = arc.tables.get(f"{edge}_constraint")
                    if table is not None and (net, edge) in points:
                        setup = table.at(CLOCK_SLEW, points[net, edge].slew)
                        end(KINDS[:2], (net, edge), setup, "setup", name)
    for port, nets in mapped.outputs.items():
        for net in nets:
            for edge in EDGES:
                if (net, edge) in points:
                    end(KINDS[2:], (net, edge), 0.0, "port", port)
    paths = {kind: _path(mapped, points, *ends[kind]) for kind in KINDS if kind in ends}
    # an output that nothing reads may lack an edge
    complete = {net for net, edge in points if edge == "rise" and (net, "fall") in points}
    slews = {net: (points[net, "rise"].slew, points[net, "fall"].slew) for net in complete}
    return TimingReport(paths, slews, without_setup)


def _propagate(mapped: MappedNetlist) -> _Points:
    points: _Points = {}
    for net in {net for nets in mapped.inputs.values() for net in nets} - mapped.clocks:
        for edge in EDGES:
            points[net, edge] = _Point(PORT_SLEW, [_NEVER, 0.0], [None, None])
    order: dict[Bit, set[Bit]] = {}
    for net, (instance, pin) in mapped.drivers.items():
        related = [arc.related for arc in instance.cell.pins[pin].arcs if any(causes(arc, edge) for edge in EDGES)]
        order[net] = {instance.nets[name] for name in related if name in instance.nets}
    try:
        nets = [net for net in TopologicalSorter(order).static_order() if net in mapped.drivers]
    except CycleError as error:
        names = sorted({mapped.near(net) for net in error.args[1]})
        raise InputError(f"Netlist must have no loop without a register, but has one near {names[0]}") from error
    for net in nets:
        instance, pin = mapped.drivers[net]
        for edge, load in zip(EDGES, mapped.loads(net), strict=True):
            point = _Point(0.0, [_NEVER, _NEVER], [None, None])
            for arc in instance.cell.pins[pin].arcs:
                _through(points, instance, pin, arc, edge, load, point)
            if max(point.arrival) > _NEVER:
                points[net, edge] = point
    return points


def _through(points: _Points, instance: Instance, pin: str, arc: Arc, edge: str, load: float, point: _Point) -> None:
    """Raise arrivals and slew of ``point``, an edge of the cell's output ``pin``, to those through ``arc``."""
    delays, slews = arc.tables.get(f"cell_{edge}"), arc.tables.get(f"{edge}_transition")
    if delays is None or slews is None:
        return
    pins = (arc.related, pin)
    if launches(arc, instance.cell.flop):
        point.slew = max(point.slew, slews.at(CLOCK_SLEW, load))
        delay = delays.at(CLOCK_SLEW, load)
        if delay > point.arrival[0]:
            point.arrival[0], point.via[0] = delay, _Via(instance, pins, None, delay)
    elif arc.related in instance.nets:
        for before in causes(arc, edge):
            at = (instance.nets[arc.related], before)
            if at in points:
                point.slew = max(point.slew, slews.at(points[at].slew, load))
                delay = delays.at(points[at].slew, load)
                for origin, arrival in enumerate(points[at].arrival):
                    if arrival + delay > point.arrival[origin]:
                        point.arrival[origin] = arrival + delay
                        point.via[origin] = _Via(instance, pins, at, delay)


def _path(
    mapped: MappedNetlist, points: _Points, delay: float, at: tuple[Bit, str], origin: int, last: Step
) -> TimingPath:
    steps, (net, edge) = [last], at
    while (via := points[net, edge].via[origin]) is not None:
        name = mapped.names.get(net) or f"({mapped.near(net)})"
        pins = " to ".join(via.pins)
        steps.append(Step(via.instance.cell.name, pins, name, edge, via.delay, len(mapped.readers.get(net, ()))))
        if via.before is None:
            break
        net, edge = via.before
    return TimingPath(mapped.near(net), last.net, delay, tuple(reversed(steps)))
