"""A wire's value as one expression, instead of a process that computes it.

In simulation a process runs when what it reads changes, not before; a wire that depends on constants alone would never
get its value. An expression has a value from the beginning, in every simulator.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from qse_hw.rtl_gen.emit.signals import chosen, parts, spelled, trimmed, written
from qse_hw.rtl_gen.emit.statements import Assign, Choice, Statements, assigns

_TABLE = 6  # branches; as many constants are a function, which keeps the case statement
_LABEL = re.compile(r"(\d+)'([hb])([0-9a-f?x]+)")
_CONSTANT = re.compile(r"\d+'[hbd]\w+")


def expressions(statements: Statements, widths: Mapping[str, int]) -> Iterator[tuple[str, list[str]]]:
    """What a combinational process computes: for each signal, or part of one, its text and the lines that follow ``=``.

    Raises:
        ValueError: if the process does not assign a bit in every case, but in some.
    """
    for name in dict.fromkeys(one.name for one in assigns(statements)):
        borders = {0, widths[name]}
        for one in assigns(statements):
            if one.name == name and one.place:
                high, low = _ends(one.place)
                borders |= {low, high + 1}
        ends = sorted(borders)
        for low, end in pairwise(ends):
            value = _value(statements, name, (low, end - low), widths, None)
            if value is None:  # these bits are not the process's
                continue
            place = "" if len(ends) == 2 else f"[{low}]" if end == low + 1 else f"[{end - 1}:{low}]"
            yield f"{spelled(name)}{place}", value


class Table(NamedTuple):
    """A process that only looks up constants: what ``selector`` of ``bits`` bits means for ``name``."""

    name: str
    selector: str
    bits: int
    rows: tuple[tuple[str, str], ...]
    default: str

    def lines(self, function: str, width: str) -> Iterator[str]:
        """A function of this name, and the signal that gets its value; ``width``: its range, or ""."""
        yield f"  function {width}{function};"
        yield f"    input [{self.bits - 1}:0] index;"
        yield "    casez (index)"
        for label, value in (*self.rows, ("default", self.default)):
            yield f"      {label}: {function} = {value};"
        yield "    endcase"
        yield "  endfunction"
        yield f"  assign {self.name} = {function}({trimmed(self.selector)});"


def table(statements: Statements) -> Table | None:
    """The process as a table, if it is one that is long enough to be written so."""
    match statements:
        case (Assign(name, "", default), Choice(selector, branches)) if selector and len(branches) >= _TABLE:
            found = [default]
            for label, body in branches:
                match body:
                    case (Assign(target, "", value),) if target == name and label != "default":
                        found.append(value)
                    case _:
                        return None
            size = _LABEL.fullmatch(branches[0][0].partition(",")[0])
            if size is None or not all(map(_CONSTANT.fullmatch, found)):
                return None
            rows = tuple(zip((label for label, _ in branches), found[1:], strict=True))
            return Table(name, selector, int(size[1]), rows, default)
    return None


def _value(
    statements: Statements, name: str, place: tuple[int, int], widths: Mapping[str, int], now: list[str] | None
) -> list[str] | None:
    """The lines of what bits ``place`` (lowest, how many) of ``name`` are after the statements; ``now``: before."""
    for one in statements:
        if not any(_covers(each, name, place, widths) for each in assigns((one,))):
            continue
        now = _chosen(one, name, place, widths, now) if isinstance(one, Choice) else [_assigned(one, place, widths)]
    return now


def _covers(one: Assign, name: str, place: tuple[int, int], widths: Mapping[str, int]) -> bool:
    """Whether the assignment gives these bits of ``name`` a value."""
    high, low = _ends(one.place) if one.place else (widths[one.name] - 1, 0)
    return one.name == name and low <= place[0] <= high


def _assigned(one: Assign, place: tuple[int, int], widths: Mapping[str, int]) -> str:
    """The text of what the assignment gives to these bits."""
    high, low = _ends(one.place) if one.place else (widths[one.name] - 1, 0)
    if place == (low, high - low + 1):
        return one.value
    whole = parts(one.value, widths)
    if whole is None:
        raise ValueError(f"Process must assign signals, not {one.value!r}")
    return written(chosen(whole, place[0] - low, place[1]), widths)


def _chosen(
    choice: Choice, name: str, place: tuple[int, int], widths: Mapping[str, int], now: list[str] | None
) -> list[str] | None:
    rows: list[tuple[str, list[str] | None]] = []
    last = now
    for label, body in choice.branches:
        value = _value(body, name, place, widths, now)
        if label == "default":
            last = value
            break
        rows.append((label, value))
    if choice.selector and not any("?" in label for label, _ in rows):  # labels differ, so their order says nothing
        rows = [row for row in rows if row[1] != last]
    while rows and rows[-1][1] == last:
        rows.pop()
    if last is None and choice.selector and _complete([label for label, _ in rows]):
        last = rows.pop()[1]
    if last is None or any(value is None for _, value in rows):
        raise ValueError(f"Process must assign {name} in every case")
    found: list[str] = []
    for label, value in rows:
        assert value is not None
        found += _question(_condition(choice.selector, label), value)
    return [*found, *last]


def _complete(labels: list[str]) -> bool:
    """Whether these are all the values of the selector."""
    found = [match for text in labels for label in text.split(",") if (match := _LABEL.fullmatch(label.strip()))]
    exact = not any("?" in text for text in labels)
    return exact and len({match[0] for match in found}) == 1 << int(found[0][1])


def _question(condition: str, value: list[str]) -> list[str]:
    if len(value) == 1:
        return [f"{condition.rstrip()} ? {value[0].rstrip()} :"]
    return [f"{condition.rstrip()} ? (", *(f"  {line}" for line in value), ") :"]


def _condition(selector: str, label: str) -> str:
    if not selector:
        return label if re.fullmatch(r"\\?[\w$]+(?: ?\[\d+\])? ?", label) else f"({label})"
    return " || ".join(_matches(selector, one.strip()) for one in label.split(",")).join("()")


def _matches(selector: str, label: str) -> str:
    """The condition of one label, in which question marks stand for any bit."""
    if "?" not in label:
        return f"{selector} == {label}"
    match = _LABEL.fullmatch(label)
    if match is None or match[2] != "b":
        raise ValueError(f"Label must be a constant, not {label!r}")
    mask = "".join("0" if bit == "?" else "1" for bit in match[3])
    return f"({selector} & {match[1]}'b{mask}) == {match[1]}'b{match[3].replace('?', '0')}"


def _ends(place: str) -> tuple[int, int]:
    """Highest and lowest bit."""
    high, _, low = place.strip("[]").partition(":")
    return int(high), int(low or high)
