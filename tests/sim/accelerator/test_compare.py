"""The first difference in the order of the data flow; too many or too few values differ, too."""

import numpy as np

from qse_hw.sim.accelerator.compare import compare


def tensors(**changes):
    """Two layers, with the ends."""
    values = {
        (None, "residual"): [1, 2], (0, "norm"): [3, 4], (0, "x"): [5, 6, 7], (0, "residual"): [8, 9],
        (1, "norm"): [1, 1], (1, "x"): [2, 2, 2], (1, "residual"): [3, 3], (None, "norm_f"): [4, 4],
        (None, "logits"): [5],
    }  # fmt: skip
    for name, value in changes.items():
        layer, tensor = name.split("_", 1)
        values[None if layer == "end" else int(layer[1:]), tensor] = value
    return {tensor: np.array(value) for tensor, value in values.items()}


def test_equal():
    comparison = compare(3, tensors(l0_hidden=[1]), tensors())
    assert (comparison.values, comparison.mismatches, comparison.first) == (19, 0, None)


def test_the_first_in_the_order_of_the_data_flow():
    comparison = compare(3, tensors(), tensors(l1_norm=[1, 2], l0_residual=[8, 0], l0_x=[5, 6, 8], end_logits=[4]))
    assert comparison.mismatches == 4
    assert str(comparison.first) == "token 3, layer 0, x[2]: 8, not 7, which the integer model has"


def test_ends():
    assert "token 0, residual[0]: 2, not 1," in str(compare(0, tensors(), tensors(end_residual=[2, 2])).first)
    assert "token 0, logits[0]: 6, not 5," in str(compare(0, tensors(), tensors(end_logits=[6])).first)


def test_lengths():
    more = compare(1, tensors(), tensors(l0_x=[5, 6, 7, 9]))
    assert (more.values, more.mismatches, more.first.actual, more.first.expected) == (20, 1, 9, None)
    fewer = compare(1, tensors(), tensors(l0_x=[5]))
    assert (fewer.values, fewer.mismatches, fewer.first.index, fewer.first.actual) == (19, 2, 1, None)
