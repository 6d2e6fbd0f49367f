"""Whether the library gives everything that static timing of a netlist needs: what is missing must not count as zero.

Of the cells that the netlist uses, and of outputs that something reads, it must give: delays and slews for each edge of
an input and each edge of the output that it may cause, by the output's function; delays from a flop's clock; setup
times of a flop's inputs. Inputs on a constant never change and need none. Hold times, pulse widths and minimum periods
are not checked.

One case is reported instead of refused: an input without any timing group, of a flop whose other inputs have setup
times. Paths to such a pin are timed up to the pin.
"""

from collections.abc import Iterator

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells.cell import EDGES, Arc, Cell, Flop, lacking
from qse_hw.synth.cells.liberty_function import Function
from qse_hw.synth.cells.mapped import MappedNetlist

MOST_INPUTS = 16
"""Of a function: its whole truth table is computed."""
_KINDS = {"combinational": EDGES, "combinational_rise": ("rise",), "combinational_fall": ("fall",)}
_CAUSES: dict[str, dict[str, tuple[str, ...]]] = {
    "positive_unate": {edge: (edge,) for edge in EDGES},
    "negative_unate": {"rise": ("fall",), "fall": ("rise",)},
    "non_unate": {edge: EDGES for edge in EDGES},
}


def causes(arc: Arc, edge: str) -> tuple[str, ...]:
    """The edges of ``arc``'s related pin that cause an ``edge`` of its pin, without a clock; both by default."""
    return _CAUSES.get(arc.sense, _CAUSES["non_unate"])[edge] if edge in _KINDS.get(arc.kind, ()) else ()


def launches(arc: Arc, flop: Flop | None) -> bool:
    """Whether ``arc`` is from the flop's clock to its output."""
    return flop is not None and arc.related == flop.clock and arc.kind == "rising_edge"


def captures(arc: Arc, flop: Flop | None) -> bool:
    """Whether ``arc`` is a setup time of the flop."""
    return flop is not None and arc.related == flop.clock and arc.kind == "setup_rising"


def check_complete(mapped: MappedNetlist) -> frozenset[tuple[str, str]]:
    """Check the netlist's cells as the module says.

    Returns:
        Cell and pin of the flops' inputs that have no timing group.

    Raises:
        InputError: with the cell, the pin and what it lacks.
    """
    read = mapped.readers.keys() | {net for nets in mapped.outputs.values() for net in nets}
    uses = {}  # each cell once for each set of connected pins
    for instance in mapped.instances:
        live = frozenset(name for name, net in instance.nets.items() if isinstance(net, int))
        outputs = tuple(sorted(name for name, _, net in instance.pins("output") if net in read))
        uses[instance.cell.name, live, outputs] = instance.cell
    without_setup = set()
    for (_, live, outputs), cell in uses.items():
        for name in outputs:
            _check_output(cell, name, live)
        for name in sorted(live):
            if cell.flop is not None and cell.pins[name].direction == "input" and name != cell.flop.clock:
                if _has_setup(cell, cell.flop) and name in cell.flop.next_state.names and not cell.pins[name].arcs:
                    without_setup.add((cell.name, name))
                else:
                    _check_setup(cell, cell.flop, name)
    return frozenset(without_setup)


def _check_output(cell: Cell, name: str, live: frozenset[str]) -> None:
    given: set[tuple[str, str, str]] = set()
    for arc in cell.pins[name].arcs:
        _check_related(cell, name, arc)
        if cell.pins[arc.related].direction == "input" and arc.related not in live:
            continue
        if arc.related not in live:
            raise InputError(
                f"Netlist must connect pin {arc.related} of every {cell.name}, on which the delay of pin {name} depends"
            )
        clocked = launches(arc, cell.flop)
        if cell.flop is not None and arc.related == cell.flop.clock and not clocked:
            raise lacking(
                cell.name, f"timing_type rising_edge in the timing of pin {name} by {arc.related}, not {arc.kind}"
            )
        if not clocked and arc.kind not in _KINDS:
            raise lacking(
                cell.name, f"a combinational timing of pin {name} by {arc.related}, not timing_type {arc.kind}"
            )
        for edge in EDGES if clocked else _KINDS[arc.kind]:
            _check_pair(cell, name, arc, edge)
            if f"cell_{edge}" in arc.tables:
                given |= {(arc.related, cause, edge) for cause in (("rise",) if clocked else causes(arc, edge))}
    for related, cause, edge in _needed(cell, name, live):
        if (related, cause, edge) not in given:
            kind = "timing_type rising_edge, " if cell.flop is not None and related == cell.flop.clock else ""
            raise lacking(
                cell.name,
                f"a delay from {related}, {cause}, to {name}, {edge} "
                f"(timing with related_pin {related}, {kind}cell_{edge}, {edge}_transition)",
            )


def _check_related(cell: Cell, name: str, arc: Arc) -> None:
    if not arc.related:
        raise lacking(cell.name, f"related_pin in the {arc.kind} timing of pin {name}")
    if arc.related not in cell.pins:
        raise lacking(cell.name, f"a pin of its own as related_pin of pin {name}, not {arc.related!r}")


def _check_pair(cell: Cell, name: str, arc: Arc, edge: str) -> None:
    """Refuse a delay without its slew, and a slew without its delay."""
    for one, other in ((f"cell_{edge}", f"{edge}_transition"), (f"{edge}_transition", f"cell_{edge}")):
        if one in arc.tables and other not in arc.tables:
            raise lacking(cell.name, f"{other} beside {one} in the timing of pin {name} by {arc.related}")


def _needed(cell: Cell, name: str, live: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """The delays that output ``name`` must have: related pin, its edge, the output's edge."""
    function = cell.pins[name].function
    if cell.flop is not None:
        yield from ((cell.flop.clock, "rise", edge) for edge in EDGES)
    elif function is None:
        raise lacking(cell.name, f"a function of pin {name}")
    if function is not None:
        if len(function.names) > MOST_INPUTS:
            raise lacking(
                cell.name, f"at most {MOST_INPUTS} pins in the function of pin {name}, not {len(function.names)}"
            )
        for related in sorted(function.names & live):
            yield from ((related, *edges) for edges in _transitions(function, related))


def _transitions(function: Function, name: str) -> Iterator[tuple[str, str]]:
    """The edges of ``name`` and those of the function that they may cause."""
    others = sorted(function.names - {name})
    rows = 1 << len(others)
    ones = (1 << rows) - 1
    table = {other: ones // ((1 << (1 << place)) + 1) << (1 << place) for place, other in enumerate(others)}
    low, high = (function(table | {name: level}, ones) for level in (0, ones))
    if high & ~low:
        yield from (("rise", "rise"), ("fall", "fall"))
    if low & ~high:
        yield from (("fall", "rise"), ("rise", "fall"))


def _has_setup(cell: Cell, flop: Flop) -> bool:
    return any(captures(arc, flop) for pin in cell.pins.values() for arc in pin.arcs)


def _check_setup(cell: Cell, flop: Flop, name: str) -> None:
    if name not in flop.next_state.names:
        raise InputError(
            f"Netlist must tie pin {name} of every {cell.name} to a constant, for it acts without the clock, "
            "and static timing follows clocked paths only"
        )
    given: set[str] = set()
    for arc in cell.pins[name].arcs:
        if arc.kind.startswith("setup"):
            _check_related(cell, name, arc)
            if not captures(arc, flop):
                what = f"{arc.kind} by {arc.related}"
                raise lacking(cell.name, f"setup_rising by {flop.clock} as setup time of pin {name}, not {what}")
            given |= {edge for edge in EDGES if f"{edge}_constraint" in arc.tables}
    for edge in EDGES:
        if edge not in given:
            raise lacking(
                cell.name,
                f"a setup time of pin {name}, {edge} "
                f"(timing with related_pin {flop.clock}, timing_type setup_rising, {edge}_constraint)",
            )
