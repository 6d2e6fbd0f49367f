"""The taps: the same values in the scalar and in the array model, all of them."""

import numpy as np

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.scalar import ScalarMamba
from qse_hw.golden.models.integer.taps import Taps
from tests.golden.models.integer import small

INNER, MODEL, STATES, RANK = 48, 24, 4, 3
SIZES = {
    "norm": MODEL, "conv_input": INNER, "gate": INNER, "conv_sum": INNER, "x": INNER, "dt_low": RANK, "B": STATES,
    "C": STATES, "dt": INNER, "dt_sum": INNER, "inflow": INNER, "state": INNER * STATES, "scan": INNER, "gated": INNER,
    "y": INNER, "out": MODEL, "residual": MODEL,
}  # fmt: skip


def test_scalar_equals_arrays():
    fast = IntegerMamba.of(small.model(), small.formats(local_bits=16))
    truth = ScalarMamba(fast.parameters)
    taps, states = (Taps(fast), Taps(truth)), fast.start(1)
    for token in small.text().tolist()[:4]:
        logits = fast.forward(np.array([[token]]), states)
        truth.step(token)
        arrays, scalars = (one.take() for one in taps)
        assert {tensor: len(values) for tensor, values in scalars.items()} == {
            **{(layer, name): size for layer in range(2) for name, size in SIZES.items()},
            (None, "residual"): MODEL, (None, "norm_f"): MODEL, (None, "logits"): 37,
        }  # fmt: skip
        assert arrays.keys() == scalars.keys()
        for tensor, values in scalars.items():
            np.testing.assert_array_equal(arrays[tensor], values, err_msg=str(tensor))
        np.testing.assert_array_equal(arrays[None, "logits"], logits.ravel())
