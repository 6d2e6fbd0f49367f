"""The recipe's percentile, re-implemented; what a choice is."""

import math

import numpy as np
import pytest

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.calibration.percentile import ALPHA, percentile_step
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import se8
from qse_hw.golden.formats.scale import Scale


def silu(rng, shape=(96, 40), size=2.0):
    """What Mamba's x looks like: one-sided, dense near its floor, with a tail."""
    z = size * rng.standard_normal(shape)
    return (z / (1 + np.exp(-z))).astype(np.float32)


def recipe(x, alpha):
    """arXiv 2410.13229's calibration of x: a moving average of each 512-token sample's quantile, over 127."""
    m = None
    for begin in range(0, len(x), 512):
        ordered = sorted(abs(float(v)) for v in x[begin : begin + 512].reshape(-1))
        place = alpha * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        cur = ordered[low] + (place - low) * (ordered[high] - ordered[low])
        m = cur if m is None else m + 0.01 * (cur - m)
    return m / 127


@pytest.mark.parametrize("tokens", [1, 511, 512, 513, 1024, 1300])
@pytest.mark.parametrize("alpha", [ALPHA, 0.99999, 1.0, 0.5, 0.01])
def test_percentile_is_the_recipe(rng, tokens, alpha):
    x = silu(rng, (tokens, 8)) * np.linspace(1, 3, tokens, dtype=np.float32)[:, None]  # samples that differ
    got, want = percentile_step(x, alpha), recipe(x, alpha)
    assert got == pytest.approx(want, rel=1e-14)
    assert Scale.from_step(got) == Scale.from_step(want)


def test_percentile_takes_the_samples_in_order(rng):
    x = silu(rng, (1024, 4))
    x[512:] = 4 * x[:512]
    alone = percentile_step(x[:512])
    assert percentile_step(x) == pytest.approx(1.03 * alone)  # the first sample weighs most
    assert percentile_step(np.concatenate([x[512:], x[:512]])) == pytest.approx(3.97 * alone)


def test_percentile_of_half_precision(rng):
    x = silu(rng).astype(np.float16)
    assert percentile_step(x) == percentile_step(x.astype(np.float32))


def test_percentile_of_integers():
    """-128 has no magnitude in int8."""
    x = np.array([[-128, 5, 127, 3]], np.int8).repeat(9, axis=0)
    assert percentile_step(x, 1.0) == 128 / 127
    assert percentile_step(x) == percentile_step(x.astype(np.float32))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_percentile_of_nothing(shape):
    with pytest.raises(InputError, match=r"^Activations must have at least one value, but have shape "):
        percentile_step(np.zeros(shape, np.float32))


@pytest.mark.parametrize("alpha", [0, -0.5, 1.0000001, math.nan, math.inf, -math.inf])
def test_bad_alpha(rng, alpha):
    with pytest.raises(InputError, match=r"^Alpha must be above 0 and at most 1, not "):
        percentile_step(silu(rng), alpha)


def test_sparse_activations_have_no_percentile():
    x = np.zeros((600, 4), np.float32)
    x[0, 0] = 1
    with pytest.raises(InputError, match=r"^Activations must not be zero up to their 0.9995 quantile"):
        percentile_step(x)
    assert percentile_step(x, 1.0) == pytest.approx(0.99 / 127)  # the second sample is all zero


def test_a_choice_at_work():
    scale = Scale.from_step(0.5)
    choice = LayerCalibration(format=se8(8), scale=scale, sqnr_db=30.0)
    assert choice.output_sqnr_db is None
    assert choice.quantizer == SegmentedQuantizer(format=se8(8), scale=scale)
    assert choice.quantizer.array(np.array([0.13, -9.9], np.float32)).tolist() == [0.125, -10]
