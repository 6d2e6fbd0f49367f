"""Reading Liberty files into the objects of :mod:`qse_hw.synth.cells.cell`.

Supported are non-linear delay models (NLDM, ``delay_model : table_lookup``) in any units; the unit of internal energy
is the file's unit of capacitance times the square of its unit of voltage. Units that are missing default to those of
the Liberty reference manual, 1 ns and 1 V; it has no default for capacitance and leakage. All figures are as
characterized, at ``nom_voltage`` and ``nom_temperature``; operating conditions and their scaling factors
(``k_volt_...``) are ignored.

Files that Yosys would refuse are refused here, with the line. A cell that cannot be read is left out; that is an error
only if a netlist uses it.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import NoReturn

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells.cell import EDGES, Arc, Cell, Flop, Library, Pin, Power, Table
from qse_hw.synth.cells.liberty_file import read_file, without
from qse_hw.synth.cells.liberty_function import Function, function
from qse_hw.synth.cells.liberty_leakage import leakage, supply
from qse_hw.synth.cells.liberty_syntax import Group, LibertyError, parse, real

__all__ = ["Library", "read_liberty"]

_AXES = {
    "input_net_transition": 0,
    "input_transition_time": 0,
    "related_pin_transition": 0,
    "total_output_net_capacitance": 1,
    "constrained_pin_transition": 1,
}
_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "k": 1e3}
_UNIT = re.compile(r"([0-9.eE+-]+)\s*([munpfk]?)([a-z]+)", re.IGNORECASE)
_DEFAULT_UNITS = {"time_unit": "1ns", "voltage_unit": "1V"}
_DIRECTIONS = ("input", "output", "inout", "internal")


def read_liberty(path: str | Path) -> Library:
    """Read a Liberty file, plain or gzipped.

    Raises:
        InputError: if it cannot be read, is too large (:data:`qse_hw.synth.cells.liberty_file.SIZE_LIMIT`), is no
            Liberty file, defines a cell twice, or has no readable inverter or no readable flop with a rising clock;
            with the line, where there is one.
    """
    data = read_file(path)
    try:
        return _Reader(data).library()
    except LibertyError as error:
        raise InputError(f"Liberty file {path}, {error}") from error


class _Reader:
    """Converts groups to objects."""

    def __init__(self, data: bytes) -> None:
        self._data, self._text = data, data.decode("utf-8", "replace")
        root = parse(self._text)
        if [group.kind for group in root.groups] != ["library"] or root.values:
            line = root.groups[0].line if root.groups else 1
            raise LibertyError(line, "there must be one library (...) { ... } and nothing else")
        self._group = root.groups[0]
        self._templates = {group.name: group for group in self._group.all("lu_table_template", "power_lut_template")}
        self._time = self._unit("time_unit", "s") * 1e9
        self._lacks = [] if any(self._group.all("capacitive_load_unit")) else ["capacitive_load_unit"]
        # timing needs no unit of load: tables and pins have the same one
        self._farads = 1.0 if self._lacks else self._load_unit() * 1e12
        self._volts = self._unit("voltage_unit", "v")
        self._energy = self._farads * self._volts**2

    def library(self) -> Library:
        group = self._group
        if group.text("delay_model", "table_lookup") != "table_lookup":
            model, line = group.values["delay_model"]
            raise LibertyError(line, f"delay_model must be table_lookup, not {model!r}")
        cells, left_out, spans = self._cells()
        if not any(cell.flop is not None and cell.flop.rising for cell in cells.values()):
            self._refuse("a flop with a rising clock", left_out, flops=True)
        if not any(_inverts(cell) for cell in cells.values()):
            self._refuse("an inverter with delays", left_out, flops=False)
        voltage = self._voltage()
        if voltage is None:
            self._lacks.append("nom_voltage")
        return Library(
            name=group.name,
            voltage=voltage,
            cells=cells,
            left_out=left_out,
            no_energy=f"Library {group.name} has no {' and no '.join(self._lacks)}" if self._lacks else "",
            text=without(self._text, spans).encode() if spans else self._data,
            digest=hashlib.sha256(self._data).hexdigest(),
        )

    def _cells(self) -> tuple[dict[str, Cell], dict[str, str], list[tuple[int, int]]]:
        """Cells that can be read; why the others cannot; the others' places in the text."""
        cells, left_out, spans = {}, {}, []
        lines: dict[str, int] = {}
        for group in self._group.all("cell"):
            if group.name in lines:
                line = lines[group.name]
                raise LibertyError(group.line, f"cell {group.name} must be there once, but is in line {line}, too")
            lines[group.name] = group.line
            try:
                cells[group.name] = self._cell(group)
            except LibertyError as error:
                left_out[group.name] = str(error)
                spans.append((group.start, group.end))
        return cells, left_out, spans

    def _refuse(self, lacks: str, left_out: Mapping[str, str], *, flops: bool) -> NoReturn:
        like = [cell.name for cell in self._group.all("cell") if any(cell.all("ff")) == flops and cell.name in left_out]
        why = "".join(f"; left out is {name}, {left_out[name]}" for name in like[:3])
        more = f"; and {len(like) - 3} more" if len(like) > 3 else ""
        raise LibertyError(self._group.line, f"the library must have {lacks}, and has none{why}{more}")

    def _voltage(self) -> float | None:
        """The voltage of the characterization, V; else that of the default operating conditions."""
        name = self._group.text("default_operating_conditions")
        conditions = (group for group in self._group.all("operating_conditions") if group.name == name)
        for group, attribute in [(self._group, "nom_voltage"), *((group, "voltage") for group in conditions)]:
            if (voltage := group.number(attribute)) is not None:
                return _positive(voltage, group.values[attribute][1], attribute) * self._volts
        return None

    def _cell(self, group: Group) -> Cell:
        states = {name for ff in group.all("ff", "latch") for name in ff.arguments}
        names = {pin for part in group.all("pin") for pin in part.arguments} | states
        if wide := next(group.all("bus", "bundle"), None):
            raise LibertyError(wide.line, f"a cell must have single pins, not a {wide.kind}")
        pins = {name: self._pin(part, names) for part in group.all("pin") for name in part.arguments}
        leaks, no_leakage = self._leakage(group)
        return Cell(
            name=group.name,
            area=self._number(group, "area", math.nan),
            leakage=leaks,
            no_leakage=no_leakage,
            pins=pins,
            flop=next((self._flop(part, names, group.name) for part in group.all("ff")), None),
            memory=any(group.all("ff", "latch", "statetable", "ff_bank", "latch_bank")),
        )

    def _leakage(self, group: Group) -> tuple[float | None, str]:
        """W, or why there is none."""
        try:
            power = leakage(group, self._group)
            return power * self._unit("leakage_power_unit", "w") if power else 0.0, ""
        except LibertyError as error:  # only the leakage is missing
            return None, str(error)

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
        asynchronous = bool(group.text("clear") or group.text("preset"))
        return Flop(min(clock.names), high == 1, next_state, tuple(group.arguments), asynchronous)

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
        """Of a pin: mean, rise and fall capacitance; NaN where the file gives none."""
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
            parsed = function(text)
        except ValueError as error:
            raise LibertyError(line, f"{name} must be a function of pins: {error}") from error
        if unknown := parsed.names - names:
            raise LibertyError(line, f"{name} {text!r} must be a function of the cell's pins, not of {min(unknown)}")
        return parsed

    def _arcs(self, group: Group) -> Iterator[Arc]:
        kinds = [kind for edge in EDGES for kind in (f"cell_{edge}", f"{edge}_transition", f"{edge}_constraint")]
        tables = {part.kind: self._table(part, self._time) for part in group.all(*kinds)}
        kind, sense = group.text("timing_type", "combinational"), group.text("timing_sense", "non_unate")
        for related in group.text("related_pin").split() or [""]:
            yield Arc(related, kind, sense, tables)

    def _powers(self, group: Group) -> Iterator[Power]:
        tables = {part.kind: self._table(part, self._energy) for part in group.all("rise_power", "fall_power", "power")}
        rise, fall = (tables.get(f"{edge}_power", tables.get("power")) for edge in EDGES)
        for related in group.text("related_pin").split() or [""]:
            if tables:
                yield Power(related, supply(group), group.text("when"), rise, fall)

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
        return [real(text, part.line, name) for text in re.split(r"[\s,\\]+", " ".join(part.arguments)) if text]

    def _number(self, group: Group, name: str, default: float = 0.0) -> float:
        if name not in group.values:
            return default
        return real(*group.values[name], name)

    def _unit(self, name: str, base: str) -> float:
        text, line = self._group.values.get(name, (_DEFAULT_UNITS.get(name, ""), self._group.line))
        match = _UNIT.fullmatch(text.strip())
        if match is None or match[3].lower() != base:
            raise LibertyError(line, f"{name} must be a number of {base.upper()}, m{base.upper()}, ..., not {text!r}")
        return _positive(real(match[1], line, name), line, name) * _PREFIX[match[2].lower()]

    def _load_unit(self) -> float:
        part = next(self._group.all("capacitive_load_unit"), None)
        match = re.fullmatch(r"([munpfk]?)f", part.arguments[1].lower()) if part and len(part.arguments) == 2 else None
        if part is None or match is None:
            line = part.line if part else self._group.line
            raise LibertyError(line, "capacitive_load_unit must be a number and a unit, such as (1, pf)")
        number = real(part.arguments[0], part.line, part.kind)
        return _positive(number, part.line, part.kind) * _PREFIX[match[1]]


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
