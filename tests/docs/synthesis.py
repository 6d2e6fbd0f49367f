"""A result of ``synth`` as rows of the pages show it, column by column."""

import re
from collections.abc import Iterator
from typing import Any

from tests.docs.pages import Pair

Result = dict[str, Any]


def row_of(row: dict[str, str], one: Result) -> Iterator[Pair]:
    """A row against its result."""
    for heading, shown in row.items():
        for text, value in zip(*_shown(heading, shown, one), strict=True):
            yield Pair(f"{heading} of {row}", text, value)


def _shown(heading: str, shown: str, one: Result) -> tuple[list[str], list[Any]]:
    area, about = one["area"], one["parameters"]
    lanes = about.get("lanes", 1)
    single = {
        "target": one["target"], "unit": one["label"], "format": about.get("format", {}).get("name"),
        "latency": one["latency"], "COMB": area["comb"], "FF": area["ff"], "DSP": area["dsp"], "BRAM": area["bram"],
        "area": area["silicon"], "lanes": lanes, "pipeline": about.get("pipeline"),
        "bits of M": about.get("scale_bits"),
        "kT": None if one["transistors"] is None else one["transistors"] / 1000,
        "scale": "run time" if about.get("scale") == "runtime" else "constant",
        "COMB/lane": area["comb"] / lanes, "FF/lane": area["ff"] / lanes, "DSP/lane": area["dsp"] / lanes,
        "area/lane": None if area["silicon"] is None else area["silicon"] / lanes,
    }  # fmt: skip
    if heading in single:
        return [shown], [single[heading]]
    if heading == "Fmax":
        return speed(shown, one["fmax"])
    kind = {"pJ/value": "energy", "toggles/value": "toggles"}[heading]
    return pair(shown, real(one, kind))


def speed(shown: str, fmax: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """The median of the seeds, their range, and perhaps their number."""
    speeds = sorted(fmax["mhz"])
    middle = len(speeds) // 2
    median = speeds[middle] if len(speeds) % 2 else (speeds[middle - 1] + speeds[middle]) / 2
    if len(speeds) == 1:
        return [shown], [median]
    parts = re.fullmatch(r"(\d+) \((\d+)-(\d+)(?:, (\d+))?\)", shown)
    values = [median, speeds[0], speeds[-1], len(fmax["seeds"])]
    return [text for text in parts.groups() if text], values[: 4 if parts[4] else 3]


def real(one: Result, kind: str, stimulus: str = "real") -> list[float] | None:
    """A figure of a stimulus, without and with glitches."""
    return next((energy.get(kind) for energy in one.get("energy", ()) if energy["stimulus"] == stimulus), None)


def pair(shown: str, values: list[float] | None) -> tuple[list[str], list[Any]]:
    """Low and high."""
    if values is None:
        return [shown], [None]
    return re.split(r" ?- ?", shown), list(values)
