"""The gate: the array function against the scalar one and against the integer model's layer."""

from collections import Counter

import numpy as np

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import silu_unit
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic, shift
from qse_hw.golden.reference.gate import gate_scalar, gated

UNIT = silu_unit(FixedPoint(bits=16, exponent=-10))


def test_every_gate_against_the_integer_model(rng):
    """As :meth:`Mamba1Scalar.step` computes it, with the model's own SiLU; shifts of 0 to 63."""
    gates = np.arange(-(1 << 15), 1 << 15)
    y = rng.integers(-(1 << 15), 1 << 15, len(gates))
    y[::5] = rng.choice([-(1 << 15), (1 << 15) - 1], len(y[::5]))
    shifts = rng.integers(0, 64, len(gates))
    shifts[: len(gates) // 2] = 14
    values, clamped = gated(y, gates, shifts, UNIT.core)
    flags = Counter()
    arithmetic = ScalarArithmetic(0, flags)
    outputs = UNIT.array(gates).tolist()
    want = [
        arithmetic.saturate("gated", shift(value * silu, k), (1 << 15) - 1)
        for value, silu, k in zip(y.tolist(), outputs, shifts.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(values, want)
    assert 0 < clamped.sum() == flags[0, "gated"] < clamped.size
    for n in rng.integers(0, len(gates), 200).tolist():
        one = gate_scalar(int(y[n]), int(gates[n]), int(shifts[n]), UNIT.core)
        assert one == (values[n], clamped[n])


def test_halves_and_ends():
    """SiLU of 10 is 40958.1 steps of 2**-12, and the unit gives one more."""
    gate, silu = 10240, UNIT.scalar(10240)
    assert silu == 40959
    assert gate_scalar(1, gate, 1, UNIT.core) == (20480, False)  # 20479.5 is rounded up
    assert gate_scalar(-1, gate, 1, UNIT.core) == (-20479, False)
    assert gate_scalar(1, gate, 0, UNIT.core) == (32767, True)
    assert gate_scalar(-1, gate, 0, UNIT.core) == (-32768, True)
    assert gate_scalar(-1, gate, 63, UNIT.core) == (0, False)
