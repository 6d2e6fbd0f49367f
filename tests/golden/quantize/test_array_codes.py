"""NumPy's decoding against the scalar truth: every code of every format; which codes are refused."""

from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.codes import code_dtype, from_bits
from qse_hw.golden.formats.presets import se8
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.golden.quantize import array
from tests.golden.formats import oracles


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_dequantize_is_exact(name):
    format = oracles.make(name)
    for scale in (oracles.scale_for("fp32", 1), oracles.scale_for("fp32", 20), Scale.from_step(2.0**-100, 7)):
        patterns = np.array(sorted(format.decoded), np.uint16)
        codes = from_bits(patterns, format)
        assert codes.dtype == code_dtype(format)
        integers, values = array.dequantize_integers(codes, format), array.dequantize(codes, format, scale)
        assert integers.dtype == np.int32
        assert values.dtype == np.float32
        fine = Fraction(2) ** scale.k / scale.M / Fraction(2) ** format.fraction_bits
        for code, integer, value in zip(patterns.tolist(), integers.tolist(), values, strict=True):
            assert integer == scalar.dequantize(code, format)
            error = abs(Fraction(float(value)) - integer * fine)
            for neighbour in (np.nextafter(value, np.float32(np.inf)), np.nextafter(value, np.float32(-np.inf))):
                distance = abs(Fraction(float(neighbour)) - integer * fine)
                assert error < distance or (error == distance and value.view(np.uint32) % 2 == 0)
            assert not (value == 0 and np.signbit(value))


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_idempotent(name):
    format = oracles.make(name)
    canonical = from_bits(np.array(sorted(format.values), np.uint16), format)
    for scale in (Scale.from_step(0.0625), Scale.from_step(2.0**40, 1)):
        values = array.dequantize(canonical, format, scale)
        np.testing.assert_array_equal(array.quantize(values, format, scale), canonical)
        assert not array.quantize_flags(values, format, scale).saturated.any()


@pytest.mark.parametrize("name", ["int8", "se8", "se9-paper", "int5"])
def test_dequantize_layouts(name):
    format, scale = oracles.make(name), Scale.from_step(0.1)
    codes = from_bits(np.array(sorted(format.values)[:28], np.uint16), format).reshape(4, 7)
    expected = array.dequantize(codes, format, scale)
    np.testing.assert_array_equal(array.dequantize(codes[::2, ::-3], format, scale), expected[::2, ::-3])
    np.testing.assert_array_equal(array.dequantize(codes.T, format, scale), expected.T)
    assert array.dequantize(codes[:0], format, scale).shape == (0, 7)
    for codes_0d in (codes[1, 2, ...], codes[1, 2]):
        assert array.dequantize(codes_0d, format, scale).shape == ()
        assert array.dequantize(codes_0d, format, scale) == expected[1, 2]
        assert array.dequantize_integers(codes_0d, format) == scalar.dequantize(int(codes[1, 2]) & 511, format) or (
            format.kind == "twos-complement"
        )


@pytest.mark.parametrize(
    ("name", "codes", "shown"),
    [
        ("se9-paper", np.array([511, 512], np.uint16), "512"),
        ("sticky-offset", np.array([0, 125], np.uint8), "125"),
        ("sticky-offset", np.array([0, 255], np.uint8), "255"),
        ("sticky-signed", np.array([1], np.uint8), "1"),
        ("int5", np.array([15, 16], np.int8), "16"),
        ("int5", np.array([-16, -17], np.int8), "-17"),
        ("int5", np.array(100, np.int8), "100"),
        ("int12", np.array([[2047], [5000]], np.int16), "5000"),
    ],
)
def test_unassigned_codes_are_refused(name, codes, shown):
    for function in (array.dequantize_integers, lambda c, f: array.dequantize(c, f, Scale.from_step(1.0))):
        with pytest.raises(InputError, match=f"Codes must be ones that format {name} assigns, not {shown}$"):
            function(codes, oracles.make(name))


def test_unassigned_codes_of_eight_bits_are_refused():
    holes = SegmentedFormat(
        name="holes", bits=8, kind="offset", segments=(Segment(codes=200, log2_step=0, first_code=0),)
    )
    assert array.dequantize_integers(np.array([199], np.uint8), holes).tolist() == [199]
    with pytest.raises(InputError, match=r"^Codes must be ones that format holes assigns, not 200$"):
        array.dequantize_integers(np.array([199, 200], np.uint8), holes)


@pytest.mark.parametrize(("name", "dtype"), [("int8", np.uint8), ("se8", np.int8), ("se9-paper", np.uint8)])
def test_codes_of_another_dtype_are_refused(name, dtype):
    with pytest.raises(InputError, match=f"Codes of format {name} must have dtype u?int.*, not {np.dtype(dtype)}"):
        array.dequantize(np.zeros(3, dtype), oracles.make(name), Scale.from_step(1.0))


def test_bytes_without_a_type_are_no_codes():
    format, scale = se8(), Scale.from_step(0.5)
    with pytest.raises(InputError, match=r"^Codes of format se8 must have dtype uint8, not void8, "):
        array.dequantize(np.zeros(3, "V1"), format, scale)
