"""The ends of what the API admits, where products underflow or overflow: every implementation against exact integers.

Scales have their largest and smallest steps at several widths of M; inputs, their dtype's whole range of exponents.
"""

from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qse_hw.golden.formats.codes import to_bits  # noqa: E402
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale  # noqa: E402
from qse_hw.golden.formats.tables import decode_table, value_table  # noqa: E402
from qse_hw.golden.quantize import array, cpu_kernels, tensor  # noqa: E402
from qse_hw.golden.quantize.saturation import limits  # noqa: E402
from tests.golden.formats import oracles  # noqa: E402
from tests.golden.quantize import backends  # noqa: E402

STICKY = ("sticky-zero", "sticky-zero-within", "sticky-offset", "sticky-signed")
NAMES = (*STICKY, "int8", "int12", "se8-silu", "se9-paper", "eight")
WIDTHS = (1, 8, 16, 20)
CPU = [tensor, *([cpu_kernels] if cpu_kernels.available() else [])]


def test_the_scales_are_the_last_ones():
    for scale in backends.extreme_scales(16):
        assert 2.0**-MAX_LOG2_STEP <= scale.step <= 2.0**MAX_LOG2_STEP
    for scale, beyond in zip(backends.extreme_scales(16), (-1, -1, 1, 1), strict=True):
        with pytest.raises(ValueError, match=r"^Scale (step|k) must be "):
            Scale(M=scale.M, k=scale.k + beyond)


@pytest.mark.every(9)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bits", WIDTHS)
def test_codes_and_flags(name, bits):
    format = oracles.make(name)
    for scale in backends.extreme_scales(bits):
        for dtype in backends.FLOATS:
            x = backends.all_magnitudes(dtype, scale)
            expected = backends.scalar_codes(x, format, scale)
            flags = array.quantize_flags(backends.as_numpy(x), format, scale)
            assert to_bits(flags.codes, format).tolist() == [one.code for one in expected]
            assert flags.saturated.tolist() == [one.saturated for one in expected]
            assert flags.nan.tolist() == [one.nan for one in expected]
            for backend in CPU:
                backends.check_equal_to_array(backend, x, format, scale, device="cpu")


@pytest.mark.parametrize("name", ["sticky-zero", "sticky-signed", "int12"])
@pytest.mark.parametrize("exponent", [-64, 0, 64])
def test_codes_of_integers(name, exponent):
    format = oracles.make(name)
    for scale in (*backends.extreme_scales(1), *backends.extreme_scales(20)):
        for dtype in (torch.int8, torch.int16, torch.int32):
            info = torch.iinfo(dtype)
            x = torch.tensor([info.min, info.min + 1, -1, 0, 1, info.max - 1, info.max], dtype=dtype)
            expected = [one.code for one in backends.scalar_codes(x, format, scale, exponent)]
            codes = array.quantize(x.numpy(), format, scale, exponent=exponent)
            assert to_bits(codes, format).tolist() == expected
            for backend in CPU:
                result = backend.quantize(x, format, scale, exponent=exponent)
                assert backends.equal(result, torch.from_numpy(codes).to(tensor.torch_code_dtype(format)))


@pytest.mark.every(3)
@pytest.mark.parametrize("name", NAMES)
def test_values_are_normal_and_rounded_once(name):
    format = oracles.make(name)
    integers = decode_table(format)[0]
    for scale in (scale for bits in WIDTHS for scale in backends.extreme_scales(bits)):
        values = value_table(format, scale)
        assert np.isfinite(values).all()
        assert np.abs(values[integers != 0]).min() >= np.finfo(np.float32).tiny
        fine = scale.step / Fraction(2) ** format.fraction_bits
        for n, value in zip(integers.tolist(), values, strict=True):
            error = abs(Fraction(float(value)) - n * fine)
            ulp = Fraction(float(np.spacing(np.abs(value))))
            assert error < ulp / 2 or (error == ulp / 2 and int(value.view(np.uint32)) % 2 == 0)
        for backend in CPU:
            backends.check_decoding(backend, name, scale, device="cpu")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_limits(name, dtype):
    format = oracles.make(name)
    for scale in (scale for bits in WIDTHS for scale in backends.extreme_scales(bits)):
        low, high = limits(format, scale, dtype)
        number = np.dtype(dtype).type
        outside = [np.nextafter(number(low), number(-np.inf)), np.nextafter(number(high), number(np.inf))]
        x = np.array([low, high, *outside], dtype)
        assert np.isfinite(x).all()
        assert array.quantize_flags(x, format, scale).saturated.tolist() == [False, False, True, True]


@pytest.fixture
def _flushing():
    """The processor takes subnormal numbers for 0, and makes none."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor has no such mode")
    yield
    torch.set_flush_denormal(False)


@pytest.mark.every(3)
@pytest.mark.usefixtures("_flushing")
@pytest.mark.parametrize("name", STICKY)
@pytest.mark.parametrize("step", [2.0**-100, 0.0177, 2.0**60, 2.0**100])
def test_a_processor_that_flushes_subnormals_to_zero(name, step):
    assert np.float32(1e-30) * np.float32(1e-15) == 0
    format, scale = oracles.make(name), Scale.from_step(step)
    for dtype in backends.FLOATS:
        x = backends.all_magnitudes(dtype, scale)
        expected = [one.code for one in backends.scalar_codes(x, format, scale)]
        native_order = backends.as_numpy(x)
        assert to_bits(array.quantize(native_order, format, scale), format).tolist() == expected
        if dtype != torch.bfloat16:  # which has no other order
            swapped = native_order.astype(native_order.dtype.newbyteorder(">"))
            assert to_bits(array.quantize(swapped, format, scale), format).tolist() == expected
        for backend in CPU:
            backends.check_equal_to_array(backend, x, format, scale, device="cpu")


@pytest.mark.usefixtures("_flushing")
def test_other_threads_do_not_flush_either(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    format, scale = oracles.make("sticky-zero"), Scale.from_step(0.0177)
    x = torch.full((1 << 19,), 1, dtype=torch.int32).view(torch.float32)  # the smallest subnormal
    for backend in CPU:
        assert backend.quantize(x, format, scale).unique().tolist() == [format.zero_code + 1]
    assert np.float32(1e-30) * np.float32(1e-15) == 0  # the caller's mode is as it was
