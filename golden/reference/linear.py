"""The linear unit in integers: decode, multiply by int8 weights, accumulate in int32, requantize to int8.

For a vector of codes c, weights W (outputs, inputs) and a bias b per output::

    a = sum(W[n, i] * (value(c[i]) + Z) for i) + b[n]        int32
    y = clamp(round(a * M / 2**k), -128, 127)                half to even

``value(c)`` is the code's integer in fine steps (0 for codes that the format does not assign) and Z the format's zero
point (0 unless it is an offset format). Hardware multiplies what lies on the format's axis, before the zero point is
taken away: ``b[n] = -Z * sum(W[n])`` takes it away (:func:`zero_point_bias`).

:func:`linear_scalar` is the readable truth; the array functions equal it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.checks import integer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table

LOW, HIGH = -128, 127
MAX_WEIGHT = 128
MAX_ACCUMULATOR = (1 << 31) - 1
SCALE_M_BITS, SCALE_K_BITS = 16, 6
MAX_SIZE = 1 << 16
MAX_PRODUCTS = 1024  # per cycle

Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """A matrix and the tile of it that is multiplied per cycle; also how weights and biases lie in memory.

    A vector comes in ``beats`` of ``columns`` codes. What lies in the last beat beyond ``inputs`` does not matter, for
    its weights are 0. The rows of the matrix are taken ``rows`` at a time, in ``tiles`` passes over the vector.
    Results leave ``lanes`` at a time: the fewest that divide ``rows`` and leave before the next tile is done.

    Args:
        inputs, outputs: columns and rows of the matrix, 1 to 65536.
        rows: rows at a time; divides ``outputs``.
        columns: inputs at a time; at most ``inputs``, need not divide them; rows x columns is at most 1024.

    Raises:
        InputError: naming the rule that is broken.
    """

    inputs: int
    outputs: int
    rows: int
    columns: int

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, integer(getattr(self, field.name), field.name.capitalize()))
        for name in ("inputs", "outputs"):
            if not 1 <= getattr(self, name) <= MAX_SIZE:
                raise InputError(f"{name.capitalize()} must be from 1 to {MAX_SIZE}, not {getattr(self, name)!r}")
        if not 1 <= self.columns <= self.inputs:
            raise InputError(f"Columns must be from 1 to the {self.inputs} inputs, not {self.columns!r}")
        if self.rows < 1 or self.outputs % self.rows:
            raise InputError(
                f"Rows must divide the {self.outputs} outputs, not {self.rows!r}; or pad the matrix with rows of zeros"
            )
        if self.rows * self.columns > MAX_PRODUCTS:
            raise InputError(
                f"Rows times columns must be at most {MAX_PRODUCTS}, not {self.rows} times {self.columns}"
            )

    @property
    def beats(self) -> int:
        """Input beats per vector."""
        return -(-self.inputs // self.columns)

    @property
    def tiles(self) -> int:
        """Passes over a vector."""
        return self.outputs // self.rows

    @property
    def cycles(self) -> int:
        """Cycles per vector, in steady state."""
        return self.beats * self.tiles

    @property
    def lanes(self) -> int:
        """Results per output beat."""
        return next(n for n in range(1, self.rows + 1) if self.rows % n == 0 and self.rows // n <= self.beats)

    def weight_address(self, row: int, beat: int) -> int:
        """Where the word lies that holds W[row, beat * columns:][:columns], the first weight in the low byte.

        The low bits, as many as ``rows - 1`` has, are the row within its tile; above them is tile * beats + beat.
        """
        tile, bank = divmod(row, self.rows)
        return (tile * self.beats + beat) << (self.rows - 1).bit_length() | bank

    def bias_address(self, row: int) -> int:
        """Where the bias of a row lies: the low bits, as many as ``lanes - 1`` has, are the row's lane."""
        step, bank = divmod(row, self.lanes)
        return step << (self.lanes - 1).bit_length() | bank


def axis_values(format: SegmentedFormat) -> npt.NDArray[np.int32]:
    """Row = code as a bit pattern: value + Z, what is multiplied."""
    return decode_table(format)[0] + np.int32(format.zero_point)


def max_bias(format: SegmentedFormat, tiling: Tiling) -> int:
    """The largest magnitude of a bias with which no sum can leave int32, whatever codes and weights are.

    2^31 - 1 less ``beats * columns * max|value + Z| * 128``.

    Raises:
        InputError: if it is less than the zero point's bias may need.
    """
    inputs, peak = tiling.beats * tiling.columns, int(np.abs(axis_values(format)).max())
    sums = inputs * peak * MAX_WEIGHT
    need = tiling.inputs * format.zero_point * MAX_WEIGHT
    if sums + need > MAX_ACCUMULATOR:
        raise InputError(
            f"Accumulators must fit into int32, but {inputs} inputs of format {format.name}, up to {peak} fine steps "
            f"each, reach {sums + need} with weights of 128; use a format with a smaller reach or split the inputs"
        )
    return MAX_ACCUMULATOR - sums


def check_scale(scale: Scale) -> tuple[int, int]:
    """(M, k) as hardware takes them: 0 <= M < 2^16 and 0 <= k < 2^6.

    A larger k than 63 becomes 63: an int32 times M is below 2^47, which 2^48 already makes 0.

    Raises:
        InputError: for more than 16 bits of M, or a negative k.
    """
    if scale.bits > SCALE_M_BITS:
        raise InputError(f"Requantizer's scale must have at most {SCALE_M_BITS} bits, not {scale.bits}")
    if scale.k < 0:
        raise InputError(f"Requantizer's scale must have a k of at least 0, not {scale.k}")
    return scale.M, min(scale.k, (1 << SCALE_K_BITS) - 1)


class Requantized(NamedTuple):
    """An int8 value and whether it was clamped."""

    value: int
    saturated: bool


def requantize_scalar(a: int, M: int, k: int) -> Requantized:
    """clamp(a * M / 2**k), half to even."""
    rounded = round(Fraction(a * M, 1 << k))  # Python rounds half to even
    value = min(max(rounded, LOW), HIGH)
    return Requantized(value, value != rounded)


def linear_scalar(
    codes: Sequence[int], weights: Sequence[Sequence[int]], biases: Sequence[int], format: SegmentedFormat, scale: Scale
) -> list[Requantized]:
    """One vector, as bit patterns, in Python integers."""
    M, k = check_scale(scale)
    outputs = []
    for row, bias in zip(weights, biases, strict=True):
        a = bias
        for code, weight in zip(codes, row, strict=True):
            a += weight * (format.decoded.get(code, 0) + format.zero_point)
        assert abs(a) <= MAX_ACCUMULATOR
        outputs.append(requantize_scalar(a, M, k))
    return outputs


def accumulate(codes: Integers, weights: Integers, biases: Integers, format: SegmentedFormat) -> npt.NDArray[np.int32]:
    """Codes (..., inputs), as bit patterns or signed, times weights (outputs, inputs) -> int32 (..., outputs)."""
    values = axis_values(format)[codes.astype(np.int64) & ((1 << format.bits) - 1)]
    sums = values.astype(np.float64) @ weights.astype(np.float64).T  # exact: integers below 2^31
    accumulators: npt.NDArray[np.int32] = (sums + biases).astype(np.int32)
    return accumulators


def requantize(accumulators: Integers, M: int, k: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """int32 of any shape -> int8 values, and which were clamped."""
    product = accumulators.astype(np.int64) * M
    if k:
        odd = product >> k & 1
        product = (product + odd + ((1 << (k - 1)) - 1)) >> k  # half to even; k is at most 63, the sum below 2^63
    values = np.clip(product, LOW, HIGH)
    return values.astype(np.int8), values != product


def linear(
    codes: Integers, weights: Integers, biases: Integers, format: SegmentedFormat, scale: Scale
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Codes (..., inputs) -> int8 (..., outputs), and which were clamped."""
    M, k = check_scale(scale)
    return requantize(accumulate(codes, weights, biases, format), M, k)


def zero_point_bias(weights: Integers, format: SegmentedFormat) -> npt.NDArray[np.int64]:
    """(outputs,): the bias that cancels the zero point, -Z * sum(W[n])."""
    bias: npt.NDArray[np.int64] = -format.zero_point * weights.astype(np.int64).sum(axis=1)
    return bias


class Words(NamedTuple):
    """The writes to a memory: addresses (n,) int64, and the words (n, bytes) uint8, little-endian."""

    addresses: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint8]

    def joined(self, address_bits: int) -> list[int]:
        """As a stream has them: the address in the low ``address_bits`` bits, the word above them."""
        pairs = zip(self.addresses.tolist(), self.words, strict=True)
        return [address | int.from_bytes(word.tobytes(), "little") << address_bits for address, word in pairs]


def pack_weights(weights: Integers, tiling: Tiling) -> Words:
    """The words of int8 weights (outputs, inputs), with zeros where the last beat has no input.

    Raises:
        InputError: for another shape, or a weight that is no int8.
    """
    if weights.shape != (tiling.outputs, tiling.inputs):
        raise InputError(f"Weights must have shape {(tiling.outputs, tiling.inputs)}, not {weights.shape}")
    if weights.min() < LOW or weights.max() > HIGH:
        raise InputError(f"Weights must be from {LOW} to {HIGH}, not {weights.min()} to {weights.max()}")
    padded = np.zeros((tiling.outputs, tiling.beats * tiling.columns), np.int8)
    padded[:, : tiling.inputs] = weights
    where = [tiling.weight_address(row, beat) for row in range(tiling.outputs) for beat in range(tiling.beats)]
    return Words(np.array(where), padded.view(np.uint8).reshape(-1, tiling.columns))


def pack_biases(biases: Integers, tiling: Tiling, format: SegmentedFormat) -> Words:
    """The words of biases (outputs,).

    Raises:
        InputError: for another shape, or a bias beyond :func:`max_bias`.
    """
    if biases.shape != (tiling.outputs,):
        raise InputError(f"Biases must have shape {(tiling.outputs,)}, not {biases.shape}")
    limit = max_bias(format, tiling)
    if biases.min() < -limit or biases.max() > limit:  # no magnitudes: int64's least has none
        raise InputError(f"Biases must be from -{limit} to {limit}, not {biases.min()} to {biases.max()}")
    where = np.array([tiling.bias_address(row) for row in range(tiling.outputs)])
    return Words(where, biases.astype("<i4").view(np.uint8).reshape(-1, 4))
