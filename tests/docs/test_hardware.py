"""docs/hardware.md against the reports of synth and replay: areas, speeds, energies, and the ratios of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.pages import DOCS, RESULTS, Pair, ages, blocks, numbers, report, rows, same, unnoticed, wrong
from tests.docs.synthesis import Result, pair, real, row_of, speed

PAGE = (DOCS / "hardware.md").read_text(encoding="utf-8")
INPUTS = ("s16", "bf16", "fp32")
STRAIGHT = {
    "formats": [f"hardware-formats-{name}" for name in INPUTS],
    "cast": ["hardware-cast-bf16"],
    "instantiated": ["hardware-instantiated-s16", "hardware-instantiated-bf16"],
    "scale": ["hardware-scale"],
    "lanes": ["hardware-lanes"],
    "pipeline": ["hardware-pipeline"],
    "decoder": ["hardware-decoder"],
}
"""Blocks with a row for each result of these reports."""


def results(name: str) -> list[Result]:
    """By target, in the report's order."""
    document = report(name)
    return [one for target in document["targets"] for one in document["results"] if one["target"] == target]


def straight(page: str, name: str) -> Iterator[Pair]:
    wanted = [one for file in STRAIGHT[name] for one in results(file)]
    for row, one in zip(rows(blocks(page)[name]), wanted, strict=True):
        yield from row_of(row, one)
    commands = {line.strip() for line in blocks(page)[name].splitlines() if line.startswith("    ")}
    yield Pair(name, str(sorted(commands)), str(sorted({report(file)["command"] for file in STRAIGHT[name]})))


def the(name: str, device: str, **wanted: Any) -> Result:
    def of(one: Result, key: str) -> Any:
        return one["parameters"]["format"]["name"] if key == "format" else one["parameters"][key]

    (matching,) = [
        one for one in report(name)["results"]
        if one["target"] == device and all(of(one, key) == value for key, value in wanted.items())
    ]  # fmt: skip
    return matching


def ratios(row: dict[str, str], one: Result, base: Result, energy: str) -> Iterator[Pair]:
    for heading, kind in {"COMB": "comb", "FF": "ff", "DSP": "dsp", "area": "silicon"}.items():
        has = base["area"][kind]
        yield Pair(f"{row}", row[heading], one["area"][kind] / has if has else None)
    yield Pair(f"{row}", row["Fmax"], one["fmax"]["median"] / base["fmax"]["median"])
    mine, theirs = real(one, "energy"), real(base, "energy")
    quotients = None if mine is None else [a / b for a, b in zip(mine, theirs, strict=True)]
    for shown, value in zip(*pair(row[energy], quotients), strict=True):
        yield Pair(f"{row}", shown, value)


def overhead(page: str) -> Iterator[Pair]:
    shown = rows(blocks(page)["overhead"])
    yield Pair("rows", str(len(shown)), sum(len(report(f"hardware-formats-{name}")["targets"]) for name in INPUTS))
    for row in shown:
        name = f"hardware-formats-{row['input']}"
        one, base = (the(name, row["target"], format=format) for format in ("se8", "int8"))
        yield from ratios(row, one, base, "energy, without - with glitches")


def fused(page: str) -> Iterator[Pair]:
    for row in rows(blocks(page)["fused"]):
        name = f"hardware-fused-{row['input']}"
        one, base = (the(name, row["target"], format=row["format"], arch=arch) for arch in ("parallel", "fused"))
        yield from ratios(row, one, base, "energy")


def data(page: str) -> Iterator[Pair]:
    wanted = [
        one for name in INPUTS for one in report(f"hardware-formats-{name}")["results"]
        if one["area"]["silicon"] is not None and one["parameters"]["format"]["name"] in ("int8", "se8")
    ]  # fmt: skip
    for row, one in zip(rows(blocks(page)["data"]), wanted, strict=True):
        yield Pair("data", row["unit"], one["label"])
        base = real(one, "energy")
        for stimulus in ("real", "shuffled", "uniform"):
            values = real(one, "energy", stimulus)
            for shown, value in zip(*pair(row[f"{stimulus}, pJ"], values), strict=True):
                yield Pair(f"{row}", shown, value)
            if stimulus != "real":
                over = [a / b for a, b in zip(values, base, strict=True)]
                for shown, value in zip(*pair(row[f"{stimulus} / real"], over), strict=True):
                    yield Pair(f"{row}", shown, value)


def critical(page: str) -> Iterator[Pair]:
    for row in rows(blocks(page)["critical"]):
        input, _, instantiated = row["input"].partition(", ")
        kind, target = ("instantiated", "ecp5") if instantiated else ("formats", "generic")
        one = the(f"hardware-{kind}-{input}", row["target"], format="se8", target=target)["critical_path"]
        yield Pair(f"{row}", row["from ... to"], " > ".join(f"`{hop['signal']}`" for hop in one["hops"]))
        yield Pair(f"{row}", row["cells"], one["cells"])
        yield Pair(f"{row}", row["in cells, ns"], sum(hop["logic"] for hop in one["hops"]))
        yield Pair(f"{row}", row["in wires, ns"], sum(hop["routing"] for hop in one["hops"]))


def netlists(page: str) -> Iterator[Pair]:
    shown = iter(rows(blocks(page)["netlists"]))
    for name in ("ecp5", "ice40-hx8k", "ice40-up5k", "gowin", "cells"):
        document = report(f"netlist-{name}")
        for run in document["runs"]:
            row = next(shown)
            yield Pair(name, row["netlist of"], document["netlist"])
            yield Pair(f"{row}", row["run"], run["run"])
            yield Pair(f"{row}", row["values"], run["values"])
            yield Pair(f"{row}", row["mismatches"], run["mismatches"])
            yield Pair(f"{row}", row["time"].removesuffix(" s"), run["seconds"])


def age(page: str) -> Iterator[Pair]:
    paths = [path for kind in ("hardware", "netlist") for path in RESULTS.glob(f"{kind}-*.json")]
    yield from ages(blocks(page)["age"], sorted(path.stem for path in paths))


CHECKS = {
    "overhead": overhead, "fused": fused, "data": data, "critical": critical, "netlists": netlists, "age": age
}  # fmt: skip


def check(page: str) -> Iterator[Pair]:
    for one in CHECKS.values():
        yield from one(page)
    for name in STRAIGHT:
        yield from straight(page, name)


def test_figures():
    assert wrong(check(PAGE)) == []


def test_every_block_is_checked():
    unchecked = set(blocks(PAGE)) - {*CHECKS, *STRAIGHT}
    assert not [name for name in unchecked if numbers(blocks(PAGE)[name])], "add a check of its figures here"


@pytest.mark.every(8)
@pytest.mark.parametrize("name", [name for name in (*CHECKS, *STRAIGHT) if name != "age"])
def test_a_damaged_figure_is_noticed(name):
    assert unnoticed(PAGE, [name], check, 12) == []


def test_how_figures_are_compared():
    assert same("0.95", 0.9549)
    assert not same("0.95", 0.9551)
    assert same("21,535", 21535.4)
    assert same("-", None)
    assert not same("-", 0.0)
    assert not same("0", None)
    assert speed("146 (145-147, 3)", {"mhz": [147.0, 145.0, 146.0], "seeds": [1, 2, 3]}) == (
        ["146", "145", "147", "3"], [146.0, 145.0, 147.0, 3]
    )  # fmt: skip
