"""The tables of docs/units.md: what was measured against the reports of synth, options against the command line."""

import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from statistics import median

import pytest

from qse_hw.cli import main
from qse_hw.rtl_gen.emit.unit import UNITS
from tests.docs.pages import DOCS, RESULTS, Pair, ages, blocks, report, rows, unnoticed, wrong
from tests.docs.synthesis import Result, row_of

PAGE = (DOCS / "units.md").read_text(encoding="utf-8")
REPORTS = {report(path.stem)["command"]: report(path.stem) for path in sorted(RESULTS.glob("unit-*.json"))}
SOUND = {
    "`--scale`": "1", "`--inputs`": "8", "`--outputs`": "8", "`--size`": "16",
    "`--function`": "exp2", "`--input`": "s8e-4", "`--output`": "s8e-6", "`--error`": "2^-5",
    "`--channels`": "8", "`--eps`": "10", "`--sizes`": "8",
}  # fmt: skip
"""Values for options that must be given."""
COLUMNS = {"COMB": "comb", "FF": "ff", "DSP": "dsp", "BRAM": "bram"}


def measured(page: str, unit: str) -> Iterator[Pair]:
    block = blocks(page)[f"{unit}-measured"]
    commands = [line.strip() for line in block.splitlines() if line.startswith("    ")]
    yield Pair(unit, str(sorted(commands)), str(sorted(command for command in REPORTS if f" synth {unit} " in command)))
    shown = iter(rows(block))
    for command in commands:
        results = REPORTS[command]["results"]
        for number, one in enumerate(results):
            yield from row_of(next(shown), one)
            lanes = one["parameters"].get("lanes", 1)
            if "area_per_lane" in one:
                each = {kind: one["area"][kind] / lanes for kind in COLUMNS.values()}
                yield from below(next(shown), "per lane", each)
            if "ratio" in one:
                yield from below(next(shown), "ratio to the next row", ratio(one, results[number + 1]))
    yield Pair(unit, str(list(shown)), "[]")


def ratio(one: Result, base: Result) -> dict[str, float | None]:
    ratios = {kind: one["area"][kind] / base["area"][kind] if base["area"][kind] else None for kind in COLUMNS.values()}
    both = one["transistors"] is not None and base["transistors"] is not None
    ratios["kT"] = one["transistors"] / base["transistors"] if both else None
    return ratios | {"Fmax": median(one["fmax"]["mhz"]) / median(base["fmax"]["mhz"])}


def below(row: dict[str, str], words: str, values: dict[str, float | None]) -> Iterator[Pair]:
    yield Pair(f"{row}", row["unit"], words)
    for heading, shown in row.items():
        if heading != "unit":
            yield Pair(f"{heading} of {row}", shown, values.get(COLUMNS.get(heading, heading)))


def age(page: str) -> Iterator[Pair]:
    yield from ages(blocks(page)["age"], sorted(path.stem for path in RESULTS.glob("unit-*.json")))


def options(page: str, unit: str) -> Iterator[Pair]:
    """By the command's help, and by its message for the first value beyond a range."""
    said = StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        main(["gen", unit, "--help"])
    helps = {words.split()[0]: " ".join(words.split()) for words in re.split(r"\n  (?=--)", said.getvalue())}
    sound = {row["option"]: SOUND[row["option"]] for row in rows(blocks(page)[f"{unit}-options"])
             if row["default"] == "must be given"}  # fmt: skip
    for row in rows(blocks(page)[f"{unit}-options"]):
        flag = row["option"].strip("`")
        yield Pair(f"{unit} {row}", str(flag in helps), "True")
        if default := re.search(r"\(default (\w+)\)$", helps[flag]):
            yield Pair(f"{unit} {row}", row["default"], f"`{default[1]}`")
        if limits := re.fullmatch(r"(\d+)(?: \(no counter\))? to (\d+)", row["takes"]):
            given = sound | {row["option"]: str(int(limits[2]) + 1)}
            refused, words = StringIO(), [word for name, value in given.items() for word in (name.strip("`"), value)]
            with redirect_stderr(refused):
                main(["gen", unit, *words, "-o", "nowhere"])
            yield Pair(f"{unit} {row}", str(f"from {row['takes']}, not" in refused.getvalue()), "True")


def check(page: str) -> Iterator[Pair]:
    for unit in UNITS:
        yield from measured(page, unit)
    yield from age(page)


def test_figures():
    assert wrong(check(PAGE)) == []


def test_every_block_is_checked():
    interfaces = {f"{unit}-interface" for unit in UNITS}  # of the generator, whose own tests know them
    checked = {f"{unit}-{kind}" for unit in UNITS for kind in ("measured", "options")}
    assert set(blocks(PAGE)) == {"age"} | interfaces | checked


@pytest.mark.parametrize("unit", UNITS)
def test_options(unit):
    assert wrong(options(PAGE, unit)) == []


@pytest.mark.parametrize(("right", "wrong_one"), [("1 to 1024", "1 to 1025"), ("| `32` |", "| `16` |")])
def test_a_wrong_option_is_noticed(right, wrong_one):
    assert wrong(options(PAGE.replace(right, wrong_one, 1), "encoder"))


@pytest.mark.every(3)
@pytest.mark.parametrize("name", [f"{unit}-measured" for unit in UNITS])
def test_a_damaged_figure_is_noticed(name):
    assert unnoticed(PAGE, [name], check, 20) == []
