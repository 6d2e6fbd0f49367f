"""What points are compared by, and which of them no other one beats."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from qse_hw.golden.errors import InputError

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A figure of a point.

    Attributes:
        heading: its name and unit, for tables and axes.
        sign: 1 if more is better, -1 if less is.
        value: of a point as the report has it; None where the target has no such figure.
        accuracy: whether it needs a unit that quantizes.
    """

    heading: str
    sign: int
    value: Callable[[Json], float | None]
    accuracy: bool = False


def _layers(name: str, reduce: Callable[[list[float]], float]) -> Callable[[Json], float]:
    # null: nothing was lost (SQNR), or all that could be kept (distance)
    return lambda point: reduce([math.inf if value is None else value for value in point["accuracy"][name]])


def _area(name: str) -> Callable[[Json], float | None]:
    return lambda point: point["area"][name]


OBJECTIVES: Mapping[str, Objective] = {
    "sqnr_db": Objective(heading="SQNR/dB, mean", sign=1, value=_layers("sqnr_db", fmean), accuracy=True),
    "worst_sqnr_db": Objective(heading="SQNR/dB, worst layer", sign=1, value=_layers("sqnr_db", min), accuracy=True),
    "distance_db": Objective(heading="to limit/dB, mean", sign=-1, value=_layers("distance_db", fmean), accuracy=True),
    "fmax": Objective(heading="Fmax/MHz", sign=1, value=lambda point: point["fmax"]["median"]),
    "latency": Objective(heading="latency/cycles", sign=-1, value=lambda point: point["latency"]),
    "comb": Objective(heading="COMB", sign=-1, value=_area("comb")),
    "ff": Objective(heading="FF", sign=-1, value=_area("ff")),
    "dsp": Objective(heading="DSP", sign=-1, value=_area("dsp")),
    "bram": Objective(heading="BRAM", sign=-1, value=_area("bram")),
    "silicon": Objective(heading="cell area", sign=-1, value=_area("silicon")),
    "nand2": Objective(heading="NAND2", sign=-1, value=_area("nand2")),
    "transistors": Objective(heading="transistors", sign=-1, value=lambda point: point["transistors"]),
}
"""By the name that SPEC files use. Accuracy is over the layers; Fmax the median of the placements."""


def front(rows: Sequence[Sequence[float]]) -> list[int]:
    """The numbers of the rows that no other row dominates, in order.

    Row a dominates row b if a is nowhere less than b and somewhere greater. Equal rows do not dominate each other, so
    all of them stay, or none.

    Args:
        rows: per point its figures, as many in each, so signed that more is better; no NaN.
    """

    def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
        return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))

    distinct = set(map(tuple, rows))
    kept = {row for row in distinct if not any(dominates(other, row) for other in distinct)}
    return [number for number, row in enumerate(rows) if tuple(row) in kept]


def compared(points: Sequence[Json], names: Sequence[str]) -> tuple[list[str], list[int]]:
    """The objectives that all points of one target have, and the numbers of the points on their front.

    Raises:
        InputError: if there is no such objective.
    """
    have = [name for name in names if all(OBJECTIVES[name].value(point) is not None for point in points)]
    if not have:
        target = points[0]["target"]
        raise InputError(f"Objectives must include one that target {target} has, not only {', '.join(names)}")
    return have, front([signed(point, have) for point in points])


def signed(point: Json, names: Sequence[str]) -> tuple[float, ...]:
    """The figures of a point, so signed that more is better."""
    return tuple(OBJECTIVES[name].sign * float(OBJECTIVES[name].value(point)) for name in names)  # type: ignore[arg-type]
