"""Reads a page and compares what it shows with values; shares no code with the pages' generators."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "results"
_BLOCK = re.compile(r"<!-- begin ([\w-]+) -->\n(.*?)<!-- end -->", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?![\w.]*\d)")


class Pair(NamedTuple):
    """What a page shows, and the text or number that it must be; ``where`` is for the message."""

    where: str
    shown: str
    value: Any


@cache
def report(name: str) -> dict[str, Any]:
    """One of docs/results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def blocks(page: str) -> dict[str, str]:
    """The generated parts of a page, by name."""
    return dict(_BLOCK.findall(page))


def tables(block: str) -> list[list[dict[str, str]]]:
    """The tables of a block, each row by its headings."""
    read: list[list[dict[str, str]]] = []
    headings: list[str] | None = None
    for line in block.splitlines():
        if not line.startswith("|"):
            headings = None
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if headings is None:
            headings = cells
            read.append([])
        elif set(cells) != {"---"}:
            read[-1].append(dict(zip(headings, cells, strict=True)))
    return read


def rows(block: str) -> list[dict[str, str]]:
    """The rows of all tables."""
    return [row for table in tables(block) for row in table]


def numbers(text: str) -> list[str]:
    """The numbers in a text, as they are written."""
    return _NUMBER.findall(text)


def same(shown: str, value: Any) -> bool:
    """Whether a cell shows ``value``: a text, the rounded number, or - for None."""
    if value is None:
        return shown in ("-", "")
    if isinstance(value, str):
        return shown == value
    if not re.fullmatch(r"[-+]?\d[\d,]*(\.\d+)?", shown):
        return False
    number = Decimal(shown.replace(",", ""))
    digits = -int(number.as_tuple().exponent)
    distance = abs(number - Decimal(value)).scaleb(digits)
    return distance < Decimal("0.499999") or (distance < Decimal("0.500001") and float(number) == round(value, digits))


def today(text: str) -> str:
    """A text of an older report, as pages spell it."""
    return text.replace("quantis", "quantiz")


def significant(shown: str, value: float, digits: int) -> bool:
    """Whether a number is ``value`` to so many significant digits, without zeros at its end."""
    return float(shown) == float(f"{value:.{digits}g}")


def older(document: dict[str, Any], shown: str, page: str) -> Pair:
    """The age that a page must show for a report, by the digests that the page itself names."""
    name = document.get("command", document.get("schema"))
    line = next(line for line in page.splitlines() if line.startswith("Compared with the sources"))
    now = dict(re.findall(r"`(\w+) ([0-9a-f]{12})`", line))
    made = document.get("sources")
    if made is None:
        return Pair(name, shown, "sources not recorded")
    floors = [floor for floor in now if not made.get(floor, "").startswith(now[floor])]
    named = shown.split(", ") if shown else []
    right = set(named) <= set(floors) and ("golden" in named) == ("golden" in floors)  # all speak of golden
    return Pair(name, shown, shown if right else ", ".join(floors))


def ages(block: str, names: Iterable[str]) -> Iterator[Pair]:
    """The age that a page must show for each of its reports."""
    listed = {
        name: row
        for row in rows(block)
        if "older than the code" in row
        for name in re.findall(r"`([\w.-]+)`", row["older than the code"])
    }
    for name in names:
        row = listed.pop(name, {"changed since": "", "commit": report(name)["commit"][:7]})
        yield Pair(name, row["commit"], report(name)["commit"][:7])
        yield older(report(name), row["changed since"], block)
    yield Pair("reports that the page does not show", ", ".join(listed), "")


def wrong(pairs: Iterable[Pair]) -> list[str]:
    """What a page shows wrongly, in words."""
    return [f"{where}: {shown!r}, but {value!r}" for where, shown, value in pairs if not same(shown, value)]


def unnoticed(page: str, names: Iterable[str], check: Callable[[str], Iterator[Pair]], count: int = 60) -> list[str]:
    """Of ``count`` rows with one changed digit each, those that ``check`` accepts."""
    assert wrong(check(page)) == [], "the page as it is must be right"
    random = Random(20260)
    places = [
        (begin + digit.start(), line)
        for name in names
        for begin, line in _lines(page, name)
        for digit in re.finditer(r"\d", line)
    ]
    missed = []
    assert places, "there is nothing to damage"
    for place, line in random.sample(places, min(count, len(places))):
        digit = str((int(page[place]) + random.randrange(1, 10)) % 10)
        damaged = f"{page[:place]}{digit}{page[place + 1 :]}"
        try:
            noticed = bool(wrong(check(damaged)))
        except (AttributeError, KeyError, ValueError, StopIteration, IndexError, OSError):
            noticed = True  # what is there names nothing that was measured
        if not noticed:
            missed.append(f"{page[place - 12 : place]}[{page[place]}: {digit}] in {line}")
    return missed


def _lines(page: str, name: str) -> Iterator[tuple[int, str]]:
    """The rows of a block's tables, without headings, and where each begins."""
    block = next(match for match in _BLOCK.finditer(page) if match[1] == name)
    place, before = block.start(2), ""
    for line in block[2].splitlines(keepends=True):
        if line.startswith("|") and not line.startswith("| ---") and before.startswith("|"):
            yield place, line
        place, before = place + len(line), line
