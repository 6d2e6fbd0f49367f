"""Reading Liberty files: their groups to :mod:`synth.cell`'s objects.

Read are non-linear delay models (NLDM, ``delay_model : table_lookup``), whatever their units: internal energy is in the
file's capacitance times its voltage squared. What Yosys would refuse is refused here, with the line.
"""

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from golden.errors import InputError
from synth.cell import EDGES, Arc, Cell, Flop, Library, Pin, Power, Table
from synth.liberty_function import Function, function
from synth.liberty_syntax import Group, LibertyError, parse

__all__ = ["Library", "read_liberty"]

SIZE_LIMIT = 64 << 20  # bytes; the largest NLDM file known to us, of all of sky130's cells, has 12 MiB
_AXES = {
    "input_net_transition": 0,
    "input_transition_time": 0,
    "related_pin_transition": 0,
    "total_output_net_capacitance": 1,
    "constrained_pin_transition": 1,
}
_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "k": 1e3}
_UNIT = re.compile(r"([0-9.eE+-]+)\s*([munpfk]?)([a-z]+)", re.IGNORECASE)
_DIRECTIONS = ("input", "output", "inout", "internal")


def read_liberty(path: str | Path) -> Library:
    """Read a Liberty file.

    Raises:
        InputError: if it cannot be read, is larger than :data:`SIZE_LIMIT`, is no Liberty file, or has no inverter or
            no flop with a rising clock; with the line, where there is one.
    """
    what = f"Liberty file {path}"
    try:
        with Path(path).open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise InputError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > SIZE_LIMIT:
        raise InputError(f"{what} must have at most {SIZE_LIMIT >> 20} MiB; choose the library's NLDM file")
    try:
        return _Reader(parse(data.decode("utf-8", "replace"))).library()
    except LibertyError as error:
        raise InputError(f"{what}, {error}") from error


class _Reader:
    """Groups to objects."""

    def __init__(self, root: Group) -> None:
        if [group.kind for group in root.groups] != ["library"] or root.values:
            line = root.groups[0].line if root.groups else 1
            raise LibertyError(line, "there must be one library (...) { ... } and nothing else")
        self._group = root.groups[0]
        self._templates = {group.name: group for group in self._group.all("lu_table_template", "power_lut_template")}
        self._time = self._unit("time_unit", "s") * 1e9
        self._farads = self._load_unit() * 1e12
        self._volts = self._unit("voltage_unit", "v")
        self._energy = self._farads * self._volts**2

    def library(self) -> Library:
        group = self._group
        if group.text("delay_model", "table_lookup") != "table_lookup":
            model, line = group.values["delay_model"]
            raise LibertyError(line, f"delay_model must be table_lookup, not {model!r}")
        cells = {cell.name: self._cell(cell) for cell in group.all("cell") if not any(cell.all("bus", "bundle"))}
        if not any(cell.flop is not None and cell.flop.rising for cell in cells.values()):
            raise LibertyError(group.line, "the library must have a flop with a rising clock, and has none")
        if not any(_inverts(cell) for cell in cells.values()):
            raise LibertyError(group.line, "the library must have an inverter with delays, and has none")
        if "nom_voltage" not in group.values:
            raise LibertyError(group.line, "the library must have a nom_voltage")
        return Library(group.name, self._number(group, "nom_voltage") * self._volts, cells)

    def _cell(self, group: Group) -> Cell:
        states = {name for ff in group.all("ff", "latch") for name in ff.arguments}
        names = {pin for part in group.all("pin") for pin in part.arguments} | states
        pins = {name: self._pin(part, names) for part in group.all("pin") for name in part.arguments}
        return Cell(
            name=group.name,
            area=self._number(group, "area", math.nan),
            leakage=self._leakage(group),
            pins=pins,
            flop=next((self._flop(part, names, group.name) for part in group.all("ff")), None),
            memory=any(group.all("ff", "latch", "statetable", "ff_bank", "latch_bank")),
        )

    def _leakage(self, group: Group) -> float:
        states = list(group.all("leakage_power"))
        if "cell_leakage_power" in group.values:
            leakage = self._number(group, "cell_leakage_power")
        else:
            always = [state for state in states if "when" not in state.values] or states
            leakage = sum(self._number(state, "value") for state in always) / len(always) if always else 0.0
        return leakage * self._unit("leakage_power_unit", "w") if leakage else 0.0

    def _flop(self, group: Group, names: set[str], cell: str) -> Flop:
        for needed in ("clocked_on", "next_state"):
            if not group.text(needed):
                raise LibertyError(group.line, f"flop {cell} must have {needed}")
        clock, next_state = (self._function(group, name, names) for name in ("clocked_on", "next_state"))
        assert clock is not None
        assert next_state is not None
        low, high = (clock(dict.fromkeys(clock.names, level)) for level in (0, 1))
        if len(clock.names) != 1 or low == high:
            raise LibertyError(group.line, f"flop {cell} must be clocked by one pin, not {group.text('clocked_on')!r}")
        return Flop(min(clock.names), high == 1, next_state)

    def _pin(self, group: Group, names: set[str]) -> Pin:
        direction = group.text("direction")
        if direction not in _DIRECTIONS:
            raise LibertyError(
                group.line, f"pin {group.name} must have a direction, {', '.join(_DIRECTIONS)}, not {direction!r}"
            )
        capacitance, rise, fall = (number * self._farads for number in self._capacitances(group, direction))
        return Pin(
            direction=direction,
            capacitance=capacitance,
            edges=(rise, fall),
            clock=group.text("clock") == "true",
            function=self._function(group, "function", names) if direction != "input" else None,
            arcs=tuple(arc for part in group.all("timing") for arc in self._arcs(part)),
            powers=tuple(power for part in group.all("internal_power") for power in self._powers(part)),
        )

    def _capacitances(self, group: Group, direction: str) -> tuple[float, float, float]:
        """Of a pin, while it rises, while it falls; NaN where the file says nothing."""
        edges = [self._number(group, f"{edge}_capacitance", math.nan) for edge in EDGES]
        default = fmean(edges)
        if math.isnan(default):
            default = self._number(self._group, f"default_{direction}_pin_cap", math.nan)
        capacitance = self._number(group, "capacitance", default)
        rise, fall = (capacitance if math.isnan(edge) else edge for edge in edges)
        return capacitance, rise, fall

    def _function(self, group: Group, name: str, names: set[str]) -> Function | None:
        if name not in group.values:
            return None
        text, line = group.values[name]
        try:
            found = function(text)
        except ValueError as error:
            raise LibertyError(line, f"{name} must be a function of pins: {error}") from error
        if unknown := found.names - names:
            raise LibertyError(line, f"{name} {text!r} must be a function of the cell's pins, not of {min(unknown)}")
        return found

    def _arcs(self, group: Group) -> Iterator[Arc]:
        kinds = [kind for edge in EDGES for kind in (f"cell_{edge}", f"{edge}_transition", f"{edge}_constraint")]
        tables = {part.kind: self._table(part, self._time) for part in group.all(*kinds)}
        kind, sense = group.text("timing_type", "combinational"), group.text("timing_sense", "non_unate")
        for related in group.text("related_pin").split() or [""]:
            yield Arc(related, kind, sense, tables)

    def _powers(self, group: Group) -> Iterator[Power]:
        tables = {part.kind: self._table(part, self._energy) for part in group.all("rise_power", "fall_power", "power")}
        nothing = tables.get("power", Table((0.0,), (0.0,), ((0.0,),)))
        rise, fall = (tables.get(f"{edge}_power", nothing) for edge in EDGES)
        for related in group.text("related_pin").split() or [""]:
            yield Power(related, group.text("related_pg_pin"), group.text("when"), rise, fall)

    def _table(self, group: Group, unit: float) -> Table:
        template = self._templates.get(group.name)
        if template is None and group.name not in ("", "scalar"):
            raise LibertyError(group.line, f"table template {group.name} is not in the file")
        axes: list[tuple[int, tuple[float, ...]]] = []
        for number in range(1, 4):
            variable = template.text(f"variable_{number}") if template is not None else ""
            if not variable:
                continue
            if variable not in _AXES:
                raise LibertyError(group.line, f"a table by {variable} is not supported")
            points = self._numbers(group, f"index_{number}") or self._numbers(template or group, f"index_{number}")
            if not points or any(a >= b for a, b in pairwise(points)):
                raise LibertyError(group.line, f"index_{number} of {group.kind} must be rising numbers")
            scale = self._farads if variable == "total_output_net_capacitance" else self._time
            axes.append((_AXES[variable], tuple(point * scale for point in points)))
        values = [value * unit for value in self._numbers(group, "values")]
        if len(axes) > 2 or len({axis for axis, _ in axes}) < len(axes):
            raise LibertyError(group.line, f"{group.kind} must depend on at most one slew and one load")
        if len(values) != math.prod(len(points) for _, points in axes):
            wanted = " x ".join(str(len(points)) for _, points in axes) or "1"
            raise LibertyError(group.line, f"{group.kind} must have {wanted} values, not {len(values)}")
        xs, ys = (next((points for axis, points in axes if axis == wanted), (0.0,)) for wanted in (0, 1))
        if [axis for axis, _ in axes] == [1, 0]:
            rows = tuple(tuple(values[j * len(xs) + i] for j in range(len(ys))) for i in range(len(xs)))
        else:
            rows = tuple(tuple(values[i * len(ys) : (i + 1) * len(ys)]) for i in range(len(xs)))
        return Table(xs, ys, rows)

    def _numbers(self, group: Group, name: str) -> list[float]:
        part = next(group.all(name), None)
        if part is None:
            return []
        return [_float(text, part.line, name) for text in re.split(r"[\s,\\]+", " ".join(part.arguments)) if text]

    def _number(self, group: Group, name: str, default: float = 0.0) -> float:
        if name not in group.values:
            return default
        return _float(*group.values[name], name)

    def _unit(self, name: str, base: str) -> float:
        text, line = self._group.values.get(name, ("", self._group.line))
        found = _UNIT.fullmatch(text.strip())
        if found is None or found[3].lower() != base:
            raise LibertyError(line, f"{name} must be a number of {base.upper()}, m{base.upper()}, ..., not {text!r}")
        return _positive(_float(found[1], line, name), line, name) * _PREFIX[found[2].lower()]

    def _load_unit(self) -> float:
        part = next(self._group.all("capacitive_load_unit"), None)
        found = re.fullmatch(r"([munpfk]?)f", part.arguments[1].lower()) if part and len(part.arguments) == 2 else None
        if part is None or found is None:
            line = part.line if part else self._group.line
            raise LibertyError(line, "capacitive_load_unit must be a number and a unit, such as (1, pf)")
        number = _float(part.arguments[0], part.line, part.kind)
        return _positive(number, part.line, part.kind) * _PREFIX[found[1]]


def _float(text: str, line: int, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise LibertyError(line, f"{name} must be a number, not {text!r}")
    return number


def _positive(number: float, line: int, name: str) -> float:
    if number <= 0:
        raise LibertyError(line, f"{name} must be more than 0, not {number:g}")
    return number


def _inverts(cell: Cell) -> bool:
    for _, pin in cell.outputs():
        if pin.function is not None and len(pin.function.names) == 1 and pin.arcs and not cell.memory:
            (name,) = pin.function.names
            if pin.function({name: 0}) == 1 and pin.function({name: 1}) == 0:
                return True
    return False
