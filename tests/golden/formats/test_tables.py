"""The helpers beside the tables; the tables themselves are tested through the arrays."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qse_hw.golden.formats.codes import code_dtype, from_bits, to_bits
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.tables import tables, value_table
from tests.golden.formats import oracles


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_bits_and_codes(name):
    format = oracles.make(name)
    patterns = np.arange(1 << format.bits, dtype=np.uint16)
    codes = from_bits(patterns, format)
    assert codes.dtype == code_dtype(format)
    np.testing.assert_array_equal(to_bits(codes, format), patterns)
    if format.kind == "twos-complement":
        step = 1 << format.shifts[0]
        assert all(format.decoded[pattern] == code * step for pattern, code in enumerate(codes.tolist()))
    else:
        np.testing.assert_array_equal(codes, patterns)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("int8", "int8"), ("int5", "int8"), ("int12", "int16"), ("se8", "uint8"), ("se9-paper", "uint16")],
)
def test_dtypes(name, dtype):
    assert code_dtype(oracles.make(name)) == np.dtype(dtype)


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_both_ends_saturate_and_the_middle_is_zero(name):
    format = oracles.make(name)
    table = tables(format)
    factor = 2 if table.sticky else 1
    assert table.saturated[factor * table.low - table.first]
    assert table.saturated[factor * table.high - table.first]
    assert not table.saturated[-table.first]
    assert to_bits(table.codes[-table.first :][:1], format) == format.zero_code
    addresses = np.arange(factor * table.low - (factor - 1), factor * table.high + factor)
    assert table.codes.size == table.saturated.size == addresses.size


@given(M=st.integers(1, (1 << 20) - 1), k=st.integers(-79, 99), name=st.sampled_from(["int12", "se9-paper", "se8"]))
def test_values_are_rounded_once(M, k, name):
    format, scale = oracles.make(name), Scale(M=M, k=k, bits=M.bit_length())
    values = value_table(format, scale)
    assert values.dtype == np.float32
    for code in range(0, 1 << format.bits, 37):
        exact = format.decoded[code] / scale.reciprocal / Fraction(2) ** format.fraction_bits
        got = values[code]
        error = abs(Fraction(float(got)) - exact)
        for side in (np.float32(np.inf), np.float32(-np.inf)):
            distance = abs(Fraction(float(np.nextafter(got, side))) - exact)
            assert error < distance or (error == distance and int(got.view(np.uint32)) % 2 == 0)


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_only_offset_formats_with_an_exact_end_tell_the_sides_of_zero_apart(name):
    """So qse_hw.golden.quantize.array.undo_flush_to_zero and the kernels look at products of 0 in those alone."""
    format = oracles.make(name)
    table = tables(format)
    below, above = -1 if table.sticky or not format.signed else 0, 1 if table.sticky else 0  # of the least numbers
    beside = [int(table.codes[address - table.first]) for address in (below, 0, above)]
    if "sticky-zero" in name:
        assert beside[0] == beside[1] != beside[2]
    else:
        assert len(set(beside)) == 1
