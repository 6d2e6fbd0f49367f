"""Roundings against plain arithmetic, value by value."""

import ml_dtypes
import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate.roundings import ABSMAX, MXFP8, BlockFloat8, Smoothed, Values, round_weight

X = np.random.default_rng(6).standard_normal((64, 40)).astype(np.float32)


def mxfp8(row):
    """By the specification: the scale is 2 to the power of floor(log2(peak)) - 8; elements saturate at 448."""
    decoded = []
    for start in range(0, len(row), 32):
        block = row[start : start + 32].astype(np.float64)
        scale = 2.0 ** (np.floor(np.log2(np.abs(block).max())) - 8)
        codes = np.clip(block / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn)
        decoded.extend(codes.astype(np.float64) * scale)
    return decoded


def test_mxfp8():
    x = X * np.float32(3.7)
    x[3, 5] = 511  # beyond 448 once it is scaled
    x[4, :32] = 2.0**-30
    decoded = BlockFloat8().tensor(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(decoded, [mxfp8(row) for row in x])
    assert decoded[3, 5] == 448
    zeros = torch.zeros(2, 40)
    assert torch.equal(BlockFloat8().tensor(zeros), zeros)


def test_absmax():
    step = np.abs(X).max() / 127
    rounded = Values(X, "x").fit(ABSMAX).tensor(torch.from_numpy(X)).numpy()
    assert np.abs(rounded - X).max() <= step * 0.503  # the step is one of 16 bits
    np.testing.assert_allclose(rounded / step, np.rint(rounded / step), atol=0.01)
    assert np.abs(np.rint(rounded / step)).max() == 127


def test_least_squares_errs_no_more_than_the_peak():
    x = torch.from_numpy(X * np.float32(1.5) ** 8)
    errors = {
        kind: float((Values(x.numpy(), "x").fit(kind).tensor(x) - x).square().sum())
        for kind in (ABSMAX, "int8", "fp8-e3m4")
    }
    assert errors["int8"] <= errors[ABSMAX]
    assert errors["fp8-e3m4"] > 0


def test_weights():
    weight = torch.from_numpy(X) * torch.linspace(0.1, 3, 64)[:, None]
    for kind, peaks in (("row", weight.abs().amax(1, keepdim=True)), ("tensor", weight.abs().max())):
        step = peaks.double() / 127
        expected = ((weight / step).round() * step).float()
        torch.testing.assert_close(round_weight(weight, kind, "W"), expected, rtol=1e-6, atol=0)
    by_row, whole = ((round_weight(weight, kind, "W") - weight).square().sum() for kind in ("row", "tensor"))
    assert by_row < whole
    taps = weight[:, None, :4]
    assert round_weight(taps, "row", "W").shape == taps.shape
    assert round_weight(weight[0], "tensor", "b").shape == (40,)
    np.testing.assert_array_equal(round_weight(weight, MXFP8, "W")[0], mxfp8(weight[0].numpy()))


def test_smoothed_channels_share_a_step_after_scaling():
    scales = torch.tensor([1.0, 100.0])
    x = torch.tensor([[1.0, 100.0], [-0.5, 50.0]])
    rounding = Smoothed(Values((x / scales).numpy(), "x").fit(ABSMAX), scales)
    torch.testing.assert_close(rounding.tensor(x), x, rtol=1e-2, atol=0)
    plain = Values(x.numpy(), "x").fit(ABSMAX).tensor(x)
    assert float((plain - x).abs().max()) > 0.2


def test_refusals_name_the_tensor():
    with pytest.raises(InputError, match=r"^Layer 1, dt: .*zero"):
        Values(np.zeros((4, 4), np.float32), "Layer 1, dt").fit("int8")
    with pytest.raises(InputError, match=r"^Layer 1, dt: "):
        Values(np.zeros((4, 4), np.float32), "Layer 1, dt").fit(ABSMAX)
