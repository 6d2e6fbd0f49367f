"""The bound by segments beside what all patterns show."""

from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.functions.accuracy import accuracy, error_by_segment, errors
from tests.golden.functions.units import KINDS, error, make

SIXTEEN = [
    {"function": "softplus", "input": "s16e-11", "output": "s17e-12", "bits": 9},
    {"function": "exp2", "input": "s16e-11", "output": "s16e-12", "bits": 9, "high": Fraction(0)},
    {"function": "rsqrt", "input": "s16e-8", "output": "s16e-10", "bits": 8},
]


@pytest.mark.full
@pytest.mark.every(12)
@pytest.mark.parametrize("gap", [1, 4, 32])
@pytest.mark.parametrize("kind", SIXTEEN, ids=lambda kind: kind["function"])
def test_the_bound_holds_for_every_pattern_and_is_near(kind, gap):
    unit = make(kind)
    bounds = error_by_segment(unit, gap)
    x, away = errors(unit)
    argument, positive, _ = unit.reduction.reduce_array(np.array(x))
    starts = np.array(unit.polynomial.starts)
    key = unit.reduction.key_array(argument, positive)
    segment = starts[np.searchsorted(starts, key, side="right") - 1]
    for start in starts.tolist():
        mine = np.abs(np.array(away))[segment == start]
        if len(mine):
            assert mine.max() <= float(bounds[start]) * (1 + 1e-12), start
    assert max(bounds.values()) <= float(accuracy(unit).error) + 1  # half a step that is rounded, twice


@pytest.mark.parametrize("kind", KINDS[:4], ids=lambda kind: f"{kind['function']}-{kind['output']}")
def test_errors(kind):
    unit = make(kind)
    x, away = errors(unit)
    assert x == list(range(unit.low, unit.high + 1))
    for one, e in zip(x, away, strict=True):
        assert abs(e) == pytest.approx(float(error(unit, one, unit(one))), abs=1e-12)
    assert max(away) > 0 > min(away)
