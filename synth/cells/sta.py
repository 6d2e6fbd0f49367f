"""Static timing of a netlist of standard cells, from the tables of its Liberty file.

Delay and slew of a cell's output come from its tables by the input's slew and the load, which is the sum of the input
pins' capacitances, apart for rising and falling; slews are the worst of all inputs. Limits: no wires, no crosstalk, no
derating; the clock is ideal, comes everywhere at once and has no slew, nor have the ports; nothing is attached to
output ports; false paths count. ABC's ``stime`` does the same to the logic between flops; of flops it knows nothing.
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
    """One hop of a path.

    Attributes:
        cell: the cell's type; ``setup`` at a register's input, ``port`` at a port.
        pin: from where to where, ``A to Y``; "" of a port.
        net: the net behind, by the user's name; of a net without a name, that of the nearest one, in brackets.
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
        delay: ns, from the clock's edge to the next one it needs, setup included.
        steps: in order.
    """

    start: str
    end: str
    delay: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class TimingReport:
    """What limits a netlist.

    Attributes:
        paths: the slowest path by kind, one of :data:`KINDS`; kinds that there are not are missing.
        slews: by net, ns, rising and falling, the worst.
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
            InputError: if no path goes from one to another.
        """
        if self.path is None:
            raise InputError("Netlist must have a path from register to register")
        return 1e3 / self.path.delay

    @property
    def hops(self) -> tuple[tuple[str, float, float, int], ...]:
        """The slowest path between registers from named signal to named signal: name, ns of cells, of wires, cells."""
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
    """An edge of a net: the worst slew, and per origin (registers, inputs) when it comes and over what."""

    slew: float
    arrival: list[float]
    via: list["_Via | None"]


@dataclass(frozen=True)
class _Via:
    instance: Instance
    pins: tuple[str, str]
    before: tuple[Bit, str] | None  # of the net; None behind a clock pin
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
    both = {net for net, edge in points if edge == "rise" and (net, "fall") in points}  # an unread output may lack one
    slews = {net: (points[net, "rise"].slew, points[net, "fall"].slew) for net in both}
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
    """Make ``point``, an edge of the cell's output ``pin``, at least as late and as slow as ``arc`` makes it."""
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
