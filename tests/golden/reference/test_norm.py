"""RMSNorm in integers: scalar, arrays, the integer model's; the normalized values themselves."""

from collections import Counter

import numpy as np
import pytest

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.functions.root import reciprocal_root
from qse_hw.golden.models.integer.products import Norm
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.golden.reference.norm import normalize, normalize_scalar

ROOT = reciprocal_root(input_bits=56)


def tokens(rng, size):
    """Every magnitude, zeros, extremes, a single value."""
    values = np.rint(rng.normal(0, 2.0 ** rng.uniform(-1, 22, (24, 1)), (24, size))).astype(np.int64)
    values[0], values[1], values[2], values[3] = 0, -1 << 23, (1 << 23) - 1, 0
    values[3, 0] = 1
    return values.clip(-1 << 23, (1 << 23) - 1)


@pytest.mark.parametrize("name", ["se8", "int8", "se8-silu"])
def test_arrays_equal_the_scalar_and_the_integer_model(name, rng):
    format, values = load_format(name), tokens(rng, 20)
    pairs = zip(rng.integers(1 << 15, 1 << 16, 24).tolist(), rng.integers(5, 12, 24).tolist(), strict=True)
    scales = [Scale(M=M, k=k) for M, k in pairs]
    got = normalize(values, ROOT, 77, scales, format, 24)
    assert 0 < got.saturated.sum() < got.saturated.size
    for token, codes, saturated, scale in zip(values.tolist(), *got, scales, strict=True):
        want = normalize_scalar(token, ROOT, 77, scale, format)
        assert codes.tolist() == [one.code for one in want]
        assert saturated.tolist() == [one.saturated for one in want]
        counted = Counter()
        arithmetic = ScalarArithmetic(0, counted)
        to = SegmentedQuantizer(format=format, scale=scale)
        model = arithmetic.normalize("norm", Norm(eps=77, scale=scale), token, to)
        assert model == [format.decoded[code] for code in codes.tolist()]
        assert counted[0, "norm"] == saturated.sum()


def test_the_normalized_values(rng):
    """With a fine step, codes are the values over the root of the mean square."""
    format, size = load_format("int8"), 64
    values = np.rint(rng.normal(0, 30000, (5, size))).astype(np.int64)
    step = 1 / 32
    codes, saturated = normalize(values, ROOT, 1, [Scale.from_step(step / size**0.5)] * 5, format, 24)
    want = values / np.sqrt((values**2).mean(axis=1, keepdims=True))
    got = codes.astype(np.uint8).view(np.int8).reshape(*codes.shape, -1)[..., 0] * step
    assert not saturated[np.abs(want) < 3.9].any()
    np.testing.assert_allclose(got[~saturated], want[~saturated], atol=step * 0.51)
