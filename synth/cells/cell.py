"""Standard cells: pins, functions, tables of delay, slew, setup time and internal energy. In ns, pF, V, pJ and W."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells.liberty_function import Function

EDGES = ("rise", "fall")


@dataclass(frozen=True)
class Table:
    """A function of two numbers, given at grid points.

    Attributes:
        xs, ys: the grid, ascending; a single point if the function does not depend on that number. x is a slew, y a
            load; of a constraint, x is the clock's slew and y the data's.
        values: (xs, ys).
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, x: float, y: float) -> float:
        """Bilinear interpolation; beyond the grid the outermost patch is extrapolated, as in ABC and OpenSTA."""
        i, right = _place(self.xs, x)
        j, up = _place(self.ys, y)
        low = self.values[i]
        value = low[j] if not up else low[j] + up * (low[j + 1] - low[j])
        if right:
            high = self.values[i + 1]
            value += right * ((high[j] if not up else high[j] + up * (high[j + 1] - high[j])) - value)
        return value


def _place(points: tuple[float, ...], at: float) -> tuple[int, float]:
    if len(points) == 1:
        return 0, 0.0
    low = min(max(bisect_right(points, at) - 1, 0), len(points) - 2)
    return low, (at - points[low]) / (points[low + 1] - points[low])


@dataclass(frozen=True)
class Arc:
    """A ``timing`` group: a delay from a related pin, or a constraint relative to it.

    Attributes:
        related: the related pin; "" if the file does not say.
        kind: ``timing_type``: ``combinational``, ``rising_edge``, ``setup_rising``, ...
        sense: ``positive_unate``, ``negative_unate`` or ``non_unate``.
        tables: ``cell_rise``, ``rise_transition``, ``rise_constraint`` and of ``fall``; ns.
    """

    related: str
    kind: str
    sense: str
    tables: Mapping[str, Table]


@dataclass(frozen=True)
class Power:
    """An ``internal_power`` group: energy inside the cell per transition of the pin, pJ.

    Attributes:
        related: the pin that causes the transition; "" of an input, which causes it itself.
        supply: ``related_pg_pin`` or ``power_level``; the energies of several supplies add up.
        when: the condition on other pins; "" if there is none.
        rise, fall: by slew, ns, and load, pF; None for an edge that the group does not give, never for both.
    """

    related: str
    supply: str
    when: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Pin:
    """A pin.

    Attributes:
        direction: ``input``, ``output``, ``inout``, ``internal``.
        capacitance: pF; NaN if the file does not give it.
        edges: rise and fall capacitance, pF; NaN likewise.
        clock: whether the file declares it a clock.
        function: of an output; None if there is none.
        arcs, powers: those whose groups are in this pin; one for each related pin.
    """

    direction: str
    capacitance: float
    edges: tuple[float, float]
    clock: bool
    function: Function | None
    arcs: tuple[Arc, ...]
    powers: tuple[Power, ...]


@dataclass(frozen=True)
class Flop:
    """An ``ff`` group.

    Attributes:
        clock: the clock pin.
        rising: whether its rising edge is the active one.
        next_state: function of the other input pins.
        states: the names of the state and, if the file gives one, of its inverse, as functions of outputs have them.
        asynchronous: whether it has a clear or preset.
    """

    clock: str
    rising: bool
    next_state: Function
    states: tuple[str, ...]
    asynchronous: bool


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        area: in the file's unit; NaN if the file does not give it.
        leakage: W, the mean over the states; None if the file does not give it.
        no_leakage: why ``leakage`` is None; else "".
        pins: by name.
        flop: None if the cell is no flop.
        memory: whether it keeps state: a flop, a latch, a clock gate.
    """

    name: str
    area: float
    leakage: float | None
    no_leakage: str
    pins: Mapping[str, Pin]
    flop: Flop | None
    memory: bool

    def outputs(self) -> Iterator[tuple[str, Pin]]:
        """Output pins by name."""
        return ((name, pin) for name, pin in self.pins.items() if pin.direction == "output")

    @property
    def untimed(self) -> frozenset[str]:
        """Input pins of a gate on which an output depends, but from which it has no delay."""
        if self.memory:
            return frozenset()
        return frozenset(
            name
            for _, pin in self.outputs()
            if pin.function is not None
            for name in pin.function.names - {arc.related for arc in pin.arcs if arc.tables}
        )

    @property
    def has_internal_energy(self) -> bool:
        """Whether the file gives internal energy; a cell without inputs needs none, since nothing toggles in it."""
        inputs = any(pin.direction == "input" for pin in self.pins.values())
        return not inputs or any(pin.powers for pin in self.pins.values())


def lacking(cell: str, what: str) -> InputError:
    """The error for a cell of the netlist that lacks ``what``: what is missing never counts as zero."""
    return InputError(
        f"Liberty cell {cell}, which the netlist uses, must have {what}; "
        "complete the file or mark the cell with dont_use : true"
    )


@dataclass(frozen=True)
class Library:
    """A Liberty file.

    Attributes:
        name: the library's.
        voltage: nominal, V; None if the file does not give it.
        cells: the cells that can be read, by name.
        left_out: why each of the other cells cannot be read, by name.
        no_energy: why no energy can be computed with the file; "" if it can.
        text: the file for other programs: uncompressed, without the cells that are left out.
        digest: SHA-256 of the uncompressed file, in hexadecimal digits.
    """

    name: str
    voltage: float | None
    cells: Mapping[str, Cell]
    left_out: Mapping[str, str]
    no_energy: str
    text: bytes = field(repr=False)
    digest: str

    @property
    def nand2_area(self) -> float | None:
        """Area of the smallest NAND gate of two inputs; None if there is none."""
        return min((cell.area for cell in self.cells.values() if _is_nand2(cell) and cell.area > 0), default=None)


def _is_nand2(cell: Cell) -> bool:
    functions = [pin.function for _, pin in cell.outputs()]
    if cell.memory or len(functions) != 1 or functions[0] is None or len(functions[0].names) != 2:
        return False
    a, b = functions[0].names
    return functions[0]({a: 0b0011, b: 0b0101}, 0b1111) == 0b1110
