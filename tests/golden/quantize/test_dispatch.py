"""The public functions, on arrays and on tensors."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qse_hw.golden.errors import InputError  # noqa: E402
from qse_hw.golden.formats.presets import int8, se8_silu  # noqa: E402
from qse_hw.golden.formats.scale import Scale  # noqa: E402
from qse_hw.golden.quantize import array, dispatch, tensor  # noqa: E402

SCALE = Scale.from_step(0.0203)


@pytest.mark.parametrize("scale", [SCALE, 0.0203, np.float64(0.0203), torch.tensor(0.0203, dtype=torch.float64)])
def test_arrays_and_tensors_alike(scale, rng):
    format = se8_silu()
    x = rng.standard_normal((30, 40), np.float32)
    codes = dispatch.quantize(x, format, scale)
    np.testing.assert_array_equal(codes, array.quantize(x, format, SCALE))
    np.testing.assert_array_equal(dispatch.dequantize(codes, format, scale), array.dequantize(codes, format, SCALE))
    for dtype in (np.float32, np.float16, np.float64):
        fake = dispatch.fake_quantize(x.astype(dtype), format, scale)
        assert fake.dtype == dtype
        on_torch = dispatch.fake_quantize(torch.from_numpy(x.astype(dtype)), format, scale)
        np.testing.assert_array_equal(fake, on_torch.numpy())
    on_torch = torch.from_numpy(x)
    assert torch.equal(dispatch.quantize(on_torch, format, scale), tensor.quantize(on_torch, format, SCALE))
    decoded = dispatch.dequantize(torch.from_numpy(codes), format, scale)
    np.testing.assert_array_equal(decoded.numpy(), array.dequantize(codes, format, SCALE))


def test_numbers_of_numpy():
    assert dispatch.quantize(np.float32(0.5), int8(), 0.25) == 2


@pytest.mark.parametrize("verb", ["quantize", "dequantize", "fake_quantize"])
def test_other_things(verb):
    with pytest.raises(InputError, match=r"^Values must be a NumPy array or a PyTorch tensor, not list$"):
        getattr(dispatch, verb)([1.0], int8(), 0.25)


@pytest.mark.parametrize("scale", [np.array([0.1, 0.2]), torch.tensor([[0.1, 0.2]])])
def test_a_scale_for_each_channel(scale):
    with pytest.raises(InputError, match=r"^Scale must be one number, as formats are per tensor, not of shape \("):
        dispatch.quantize(np.zeros(2, np.float32), int8(), scale)
