"""The quantizer on NumPy arrays, equal to :mod:`qse_hw.golden.formats.scalar` on every bit.

The product of any input of up to 32 bits and a scale of up to 20 bits is exact in float64 (from 2**-256 to 2**257, far
from its ends), so the position of a value is one multiplication; a table gives the code. Products of float64 inputs are
rounded, and corrected where rounding could change the code.
"""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.checks import instance, integer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.codes import code_dtype, from_bits, to_bits
from qse_hw.golden.formats.inputs import MAX_EXPONENT
from qse_hw.golden.formats.scale import Scale, as_scale
from qse_hw.golden.formats.segmented import SegmentedFormat, check_format
from qse_hw.golden.formats.tables import Tables, decode_table, tables, value_table

_BLOCK = 1 << 14  # values at a time: the intermediate float64 and int64 stay in the cache
FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32")


class QuantizedArray(NamedTuple):
    """Codes, and per value whether it saturated and whether it was NaN; all of the input's shape."""

    codes: npt.NDArray[np.integer]
    saturated: npt.NDArray[np.bool_]
    nan: npt.NDArray[np.bool_]


def quantize(
    x: npt.NDArray[Any], format: SegmentedFormat, scale: Scale, *, exponent: int = 0
) -> npt.NDArray[np.integer]:
    """Codes of ``x``, any shape.

    Args:
        x: float16, bfloat16 (ml_dtypes), float32 or float64; or int8, int16, int32 as fixed point ``x * 2**exponent``.
        format: the format.
        scale: the scale, or the step s as a number.
        exponent: the implied exponent of integer inputs.

    Returns:
        Codes of x's shape: int8 for two's complement, else uint8; 16 bits wide for formats of more than 8 bits.

    Raises:
        InputError: for another dtype.
    """
    flat, table = _checked(x, format, exponent)
    codes, factor = np.empty(flat.shape, code_dtype(format)), position_factor(format, as_scale(scale), exponent)
    for here, rows, _ in _blocks(flat, format, table, factor):
        table.codes.take(rows, out=codes[here], mode="clip")
    return codes.reshape(x.shape)


def quantize_flags(
    x: npt.NDArray[Any], format: SegmentedFormat, scale: Scale, *, exponent: int = 0
) -> QuantizedArray:
    """As :func:`quantize`, with flags per value: saturated, NaN."""
    flat, table = _checked(x, format, exponent)
    codes, factor = np.empty(flat.shape, code_dtype(format)), position_factor(format, as_scale(scale), exponent)
    saturated, nan = np.zeros((2, flat.size), np.bool_)
    for here, rows, nans in _blocks(flat, format, table, factor):
        table.codes.take(rows, out=codes[here], mode="clip")
        table.saturated.take(rows, out=saturated[here], mode="clip")
        if nans is not None:
            nan[here] = nans
    return QuantizedArray(codes.reshape(x.shape), saturated.reshape(x.shape), nan.reshape(x.shape))


def dequantize_integers(codes: npt.NDArray[np.integer], format: SegmentedFormat) -> npt.NDArray[np.int32]:
    """Decoded values in fine steps, int32, of the shape of ``codes`` (dtype as :func:`quantize` returns).

    Raises:
        InputError: for another dtype, or a code that the format does not assign.
    """
    rows = _rows(codes, format)
    return decode_table(format)[0].take(rows)


def dequantize(codes: npt.NDArray[np.integer], format: SegmentedFormat, scale: Scale) -> npt.NDArray[np.float32]:
    """Decoded values, float32: the exact value (integer times ``s * 2**-F``) rounded once, ties to even.

    Raises:
        InputError: as :func:`dequantize_integers`.
    """
    rows = _rows(codes, format)
    return value_table(format, as_scale(scale)).take(rows)


def fake_quantize(
    x: npt.NDArray[Any], format: SegmentedFormat, scale: Scale, *, nan_to_zero: bool = False
) -> npt.NDArray[Any]:
    """Every value replaced by the decoded value of its code: float32, converted to the dtype of ``x``.

    Args:
        x: float16, bfloat16, float32 or float64, any shape.
        format: the format.
        scale: the scale.
        nan_to_zero: whether NaN becomes 0. Hardware gives NaN the zero code and raises a flag; there is no flag here,
            so by default NaN stays NaN.

    Raises:
        InputError: for another dtype; decoded values may be no integers, or beyond an integer's range.
    """
    check_array(x, "Values")
    check_float_dtype(x.dtype.name)
    values = dequantize(quantize(x, format, scale), format, scale)
    if not nan_to_zero:
        values = np.where(np.isnan(x), np.float32(np.nan), values)
    with np.errstate(over="ignore"):  # a value beyond float16 becomes an infinity
        return values.astype(x.dtype, copy=False)


def position_factor(format: SegmentedFormat, scale: Scale, exponent: int = 0) -> float:
    """The factor from x to its position in half fine steps: ``r * 2**(F+1+exponent)``, exact in float64."""
    return float(np.ldexp(float(scale.M), format.fraction_bits + 1 + exponent - scale.k))


def undo_rounding(x: npt.NDArray[np.float64], v: npt.NDArray[np.float64], factor: float, table: Tables) -> None:
    """Undo the rounding of ``v = clip(fl(x * factor))`` where it could change the code, in place.

    Rounding is monotonic and integers are representable, so it may have moved v onto an integer, but not across one:
    where v is an integer, it is moved to the side of the exact product. Few distinct x are concerned. For 0 see
    :func:`undo_flush_to_zero`.
    """
    suspects = np.flatnonzero((v == np.rint(v)) & (v > table.low) & (v < table.high) & (v != 0))
    values, firsts, inverse = np.unique(x[suspects], return_index=True, return_inverse=True)
    integers = v[suspects[firsts]]
    sides = np.zeros(values.size)
    for number, (value, whole) in enumerate(zip(values.tolist(), integers.tolist(), strict=True)):
        exact = Fraction(value) * Fraction(factor)
        sides[number] = (exact > whole) - (exact < whole)
    v[suspects] = np.nextafter(integers, integers + sides)[inverse]


def check_array(x: Any, what: str) -> None:
    """InputTypeError unless ``x`` is a NumPy array or a NumPy scalar."""
    instance(x, (np.ndarray, np.generic), what, "a NumPy array")


def check_float_dtype(name: str) -> None:
    """InputError unless decoded values can be returned in the dtype called ``name``."""
    if name not in FLOATS:
        raise InputError(f"Values must have a dtype of {', '.join(FLOATS)}, not {name}")


def undo_flush_to_zero(x: npt.NDArray[Any], v: npt.NDArray[np.float64], format: SegmentedFormat, table: Tables) -> None:
    """Move v from 0 to the side of x where x is not 0, in place; only for formats in which that can change the code.

    Products of float64 inputs may underflow. Others do not, but the processor may treat subnormal inputs as 0
    (``torch.set_flush_denormal``); so x is compared by its bits. In signed formats, and in those without an exact end,
    both sides of 0 have the same code: 0 lies within a finest segment, or at its start.
    """
    if format.signed or not table.sticky:
        return
    bits = x.view(f"i{x.itemsize}")
    lost = np.flatnonzero((v == 0) & (bits << 1 != 0))
    v[lost] = np.where(bits[lost] < 0, -0.5, 0.5)


def check_dtype(name: str, exponent: int) -> None:
    """InputError unless inputs of the dtype called ``name`` can be quantized with that implied exponent."""
    exponent = integer(exponent, "Exponent")
    if name not in FLOATS + INTEGERS:
        remedy = "; give x.view(ml_dtypes.bfloat16) where it was saved as such" if name == "void16" else ""
        raise InputError(f"Array dtype must be one of {', '.join(FLOATS + INTEGERS)}, not {name}{remedy}")
    if exponent and name in FLOATS:
        raise InputError(f"Exponent must be 0 for floating-point inputs, not {exponent!r}")
    if not -MAX_EXPONENT <= exponent <= MAX_EXPONENT:
        raise InputError(f"Exponent must be from -{MAX_EXPONENT} to {MAX_EXPONENT}, not {exponent!r}")


def _checked(x: npt.NDArray[Any], format: SegmentedFormat, exponent: int) -> tuple[npt.NDArray[Any], Tables]:
    check_format(format)
    check_array(x, "Values")
    check_dtype(x.dtype.name, exponent)
    native = x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
    return np.ascontiguousarray(native).reshape(-1), tables(format)


def _blocks(flat: npt.NDArray[Any], format: SegmentedFormat, table: Tables, factor: float):  # type: ignore[no-untyped-def]
    """Yield (slice, table rows, NaN mask or None) over ``flat``; the arrays are reused."""
    size = min(_BLOCK, flat.size)
    all_v, all_addresses = np.empty(size), np.empty(size, np.intp)
    for begin in range(0, flat.size, _BLOCK):
        x = flat[begin : begin + _BLOCK]
        v, addresses = all_v[: x.size], all_addresses[: x.size]
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(x, factor, out=v, dtype=np.float64)
        np.clip(v, table.low, table.high, out=v)
        if x.dtype.name in FLOATS:
            undo_flush_to_zero(x, v, format, table)
        nans = None
        if np.isnan(v.sum()):  # clipped values are finite, so NaN arises from NaN alone
            nans = np.isnan(v)
            v[nans] = 0  # the row of the zero code
        if x.dtype == np.float64:
            undo_rounding(x, v, factor, table)
        t = v if format.signed and not table.sticky else np.trunc(v) if format.signed else np.floor(v)
        np.copyto(addresses, t, casting="unsafe")  # truncates
        if table.sticky:
            addresses *= 2
            addresses += v > t
            addresses -= v < t
        addresses -= table.first  # rows are never negative: no branch, which would be mispredicted half the time
        yield slice(begin, begin + x.size), addresses, nans


def _rows(codes: npt.NDArray[np.integer], format: SegmentedFormat) -> npt.NDArray[np.integer]:
    check_format(format)
    check_array(codes, "Codes")
    if codes.dtype != code_dtype(format):
        dtype = f"{codes.dtype.name}, bytes without a type" if codes.dtype.kind == "V" else codes.dtype
        raise InputError(f"Codes of format {format.name} must have dtype {code_dtype(format)}, not {dtype}")
    assigned = decode_table(format)[1]
    rows = to_bits(codes, format)
    if format.bits < 8 * codes.dtype.itemsize or not assigned.all():
        known = assigned.take(rows) & (from_bits(rows, format) == codes)
        if not known.all():
            raise InputError(f"Codes must be ones that format {format.name} assigns, not {int(codes[~known].flat[0])}")
    return rows
