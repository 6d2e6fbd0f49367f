"""What bare preset names leave open: the best at a scale equals the best of all formats, each tried by itself."""

import numpy as np
import pytest

from qse_hw.golden.calibration import families
from qse_hw.golden.calibration.families import best_format, widest
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import FAMILIES, parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8_asym, load_format, se8, se8_silu
from qse_hw.golden.formats.scale import Scale

EVERY = {
    "se8": [se8(L) for L in range(1, 16)],
    "se8-silu": [se8_silu(K, Z) for K in range(1, 128) for Z in range(K)],
    "int8-asym": [int8_asym(Z) for Z in range(256)],
}


def few_of(spec, rng):
    """Members of a family: all, or some thousand's tenth with both ends."""
    every = EVERY[spec]
    if len(every) < 300:
        return every
    return [every[0], every[-1], *(every[n] for n in rng.choice(len(every), 400, replace=False))]


def values(rng, kind):
    z = rng.standard_normal(400)
    return {
        "silu": lambda: 2 * z / (1 + np.exp(-2 * z)),
        "normal": lambda: z,
        "outlier below": lambda: np.append(z, -60.0),
        "outlier above": lambda: np.append(np.abs(z), 90.0),
        "negative": lambda: -np.abs(z) - 0.3,
        "few": lambda: np.array([0.0, -1.0, 0.37, 5.0, 5.0, 2.5]),
        "one": lambda: np.array([3.3]),
    }[kind]().astype(np.float32)


def loss(histogram, format, scale):
    return histogram.squared_error(SegmentedQuantizer(format=format, scale=scale))


@pytest.mark.every(9)
@pytest.mark.parametrize("kind", ["silu", "normal", "outlier below", "outlier above", "negative", "few", "one"])
@pytest.mark.parametrize("spec", FAMILIES)
@pytest.mark.parametrize("step", [0.003, 0.02, 0.11, 0.9, 7.0])
def test_no_member_is_better(rng, spec, kind, step):
    histogram, scale = Histogram(values(rng, kind)), Scale.from_step(step)
    result = best_format(parse_format(spec), histogram, scale)
    assert result in EVERY[spec]
    got = loss(histogram, result, scale)
    assert got <= min(loss(histogram, format, scale) for format in few_of(spec, rng)) + 1e-12 * histogram.power


@pytest.mark.full
def test_all_of_se8_silu(rng):
    """All 8128 members, with weights."""
    x = values(rng, "silu")[:60]
    histogram, scale = Histogram(x, rng.exponential(size=60).astype(np.float32)), Scale.from_step(0.05)
    assert len(EVERY["se8-silu"]) == 8128
    want = min(loss(histogram, format, scale) for format in EVERY["se8-silu"])
    best = best_format(parse_format("se8-silu"), histogram, scale)
    assert loss(histogram, best, scale) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("spec", FAMILIES)
def test_sums_are_the_errors(rng, spec, monkeypatch):
    """The error by sums over gaps is that of the decoded values, for every member looked at."""
    histogram, scale = Histogram(values(rng, "silu")), Scale.from_step(0.04)
    seen = []
    monkeypatch.setattr(families, "_least", lambda errors, histogram: seen.append(errors) or np.arange(len(errors)))
    tried = []
    monkeypatch.setattr(Histogram, "squared_error", lambda self, one: tried.append(one) or len(tried))
    best_format(parse_format(spec), histogram, scale)
    monkeypatch.undo()
    (errors,) = seen
    assert len(errors) == len(tried) > 5
    for number in range(0, len(errors), 1 + len(errors) // 200):
        assert errors[number] == pytest.approx(histogram.squared_error(tried[number]), rel=1e-4)  # float32 decodes


@pytest.mark.parametrize("spec", FAMILIES)
def test_the_widest_member_bounds_the_family(spec):
    farthest = widest(parse_format(spec))
    assert farthest.reach == max(format.reach for format in EVERY[spec])
    assert {format.fraction_bits for format in EVERY[spec]} == {farthest.fraction_bits}


def test_a_format_that_leaves_nothing_open(rng):
    histogram, scale = Histogram(values(rng, "silu")), Scale.from_step(0.04)
    for spec in ("int8", "se8:L=3", "se8-silu:K=20,zero_point=3", "se9-paper"):
        assert best_format(parse_format(spec), histogram, scale) == widest(parse_format(spec)) == load_format(spec)
    with pytest.raises(InputError, match=r"^Format must be one of "):
        widest(parse_format("se7"))


def test_ties_are_settled_by_decoded_values():
    """Where nothing is lost by many members, one is taken that loses nothing."""
    histogram = Histogram(np.array([0.0, 0.5, 1.0, 40.0], np.float32))
    for spec in FAMILIES:
        scale = Scale.from_step(1.0 if spec != "int8-asym" else 0.5)
        assert loss(histogram, best_format(parse_format(spec), histogram, scale), scale) == 0
