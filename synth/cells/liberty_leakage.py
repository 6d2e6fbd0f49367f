"""Leakage of a cell in a Liberty file: the mean over its states, summed over its supplies.

As the Liberty reference manual defines it: a ``leakage_power`` group with ``when`` holds for the states that satisfy
the condition, one without ``when`` for the supply's other states. States that have neither leak ``cell_leakage_power``;
if that is missing or negative, ``default_cell_leakage_power``; if that is missing, too, the area times
``default_leakage_power_density``. All possible states of the cell have the same weight.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean

from qse_hw.synth.cells.liberty_function import Function, function
from qse_hw.synth.cells.liberty_syntax import Group, LibertyError

MOST_PINS = 16
"""In a cell's conditions and in what these depend on: every state is enumerated."""


def supply(group: Group) -> str:
    """The supply of a ``leakage_power`` or ``internal_power`` group; "" if the group is for the whole cell."""
    return group.text("related_pg_pin") or group.text("power_level")


def leakage(cell: Group, library: Group) -> float:
    """The cell's leakage, in the library's unit.

    Raises:
        LibertyError: if the file does not give it, or contradicts itself.
    """
    default = _default(cell, library)
    supplies: dict[str, list[Group]] = defaultdict(list)
    for group in cell.all("leakage_power"):
        supplies[supply(group)].append(group)
    if not supplies:
        if default is None:
            raise LibertyError(cell.line, f"cell {cell.name} has no leakage, and the library no default for it")
        return default
    if "" in supplies and len(supplies) > 1:
        line = supplies[""][0].line
        raise LibertyError(line, "leakage_power must have related_pg_pin in all groups of a cell or in none")
    return _mean(list(supplies.values()), _States(cell), default)


def _default(cell: Group, library: Group) -> float | None:
    for group, name in ((cell, "cell_leakage_power"), (library, "default_cell_leakage_power")):
        power = group.number(name)
        if power is not None and power >= 0:
            return power
    density, area = library.number("default_leakage_power_density"), cell.number("area")
    return None if density is None or area is None else density * area


def _mean(supplies: Sequence[Sequence[Group]], states: "_States", default: float | None) -> float:
    total, everywhere = 0.0, 0
    for groups in supplies:
        values, weights, covered, others = [], [], 0, []
        for group in groups:
            value = group.number("value")
            if value is None:
                raise LibertyError(group.line, "leakage_power must have a value")
            if not group.text("when"):
                others.append(value)
                continue
            where = states.where(group)
            values.append(value)
            weights.append(where.bit_count())
            covered |= where
        if others and (covered != states.possible or not values):
            values.append(fmean(others))
            weights.append((states.possible & ~covered).bit_count())
            covered = states.possible
        if not any(weights):
            raise LibertyError(groups[0].line, "leakage_power must be for states that the cell can be in")
        total += fmean(values, weights)
        everywhere |= covered
    if default is None or everywhere == states.possible:
        return total
    share = everywhere.bit_count() / states.possible.bit_count()
    return share * total + (1 - share) * default


class _States:
    """Sets of states of a cell, as words with a bit for each combination of levels of its pins and state variables.

    Attributes:
        possible: the set of states that occur.
    """

    def __init__(self, cell: Group) -> None:
        rules = {name: _function(text, cell.line) for name, text in _rules(cell)}
        names = {name for group in cell.all("leakage_power") for name in _condition(group).names}
        new = set(names)
        while new:
            new = {more for name in new & rules.keys() for more in rules[name].names} - names
            names |= new
        if len(names) > MOST_PINS:
            raise LibertyError(cell.line, f"leakage_power must depend on at most {MOST_PINS} pins, not {len(names)}")
        rows = 1 << len(names)
        self._ones = (1 << rows) - 1
        # 0101..., 0011..., and so on: all combinations
        self._words = {
            name: self._ones // ((1 << (1 << place)) + 1) << (1 << place) for place, name in enumerate(sorted(names))
        }
        self.possible = self._ones
        for name in names & rules.keys():
            self.possible &= rules[name](self._words, self._ones)

    def where(self, group: Group) -> int:
        """The possible states in which the group's condition holds."""
        return _condition(group)(self._words, self._ones) & self.possible


def _condition(group: Group) -> Function:
    return _function(group.text("when") or "1", group.line)


def _rules(cell: Group) -> Iterator[tuple[str, str]]:
    """For pins and state variables: a condition that every possible state of the cell satisfies."""
    for pin in cell.all("pin"):
        if pin.text("direction") == "output" and "function" in pin.values and "three_state" not in pin.values:
            yield from ((name, f"!({name} ^ ({pin.text('function')}))") for name in pin.arguments)
    for keeper in cell.all("ff", "latch"):
        clear, preset, enable = (f"({keeper.text(name, '0')})" for name in ("clear", "preset", "enable"))
        for kept in keeper.arguments[:1]:
            rule = f"!({clear} & !{preset} & {kept}) & !({preset} & !{clear} & !{kept})"
            if "data_in" in keeper.values:
                rule += f" & !({enable} & !{clear} & !{preset} & ({kept} ^ ({keeper.text('data_in')})))"
            yield kept, rule
            yield from ((other, f"({clear} & {preset}) | ({kept} ^ {other})") for other in keeper.arguments[1:2])


def _function(text: str, line: int) -> Function:
    try:
        return function(text)
    except ValueError as error:
        raise LibertyError(line, f"leakage_power must depend on pins: {error}") from error
