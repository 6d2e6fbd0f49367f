"""The residual stream: the array function against the scalar one and against the integer model's sum."""

from collections import Counter

import numpy as np

from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.golden.reference.residual import accumulate, add_scalar


def test_the_ends():
    assert add_scalar(2**23 - 2, 1, 24) == (2**23 - 1, False)
    assert add_scalar(2**23 - 1, 1, 24) == (2**23 - 1, True)
    assert add_scalar(-(2**23) + 1, -1, 24) == (-(2**23), False)
    assert add_scalar(-(2**23), -1, 24) == (-(2**23), True)


def test_tokens_of_a_model(rng):
    """Loaded, then added to, as :class:`ScalarMamba` does; saturated values stay so in later layers."""
    bits, size = 10, 6
    values = rng.integers(-400, 400, (12, size))
    load = np.repeat((np.arange(12) % 4 == 0)[:, None], size, axis=1)
    new, clamped = accumulate(values, load, bits)
    assert 0 < clamped.sum() < clamped.size
    flags = Counter()
    arithmetic, high, residual = ScalarArithmetic(0, flags), (1 << (bits - 1)) - 1, []
    for number, added in enumerate(values.tolist()):
        if number % 4 == 0:
            residual = [0] * size
        want = [add_scalar(old, x, bits) for old, x in zip(residual, added, strict=True)]
        residual = [arithmetic.saturate("residual", old + x, high) for old, x in zip(residual, added, strict=True)]
        assert new[number].tolist() == residual == [one.value for one in want]
        assert clamped[number].tolist() == [one.saturated for one in want]
    assert flags[0, "residual"] == clamped.sum()
