"""RMSNorm without its weight, in integers: a token's values over the root of their squares' sum, encoded.

For a token of integers x, all in one unit::

    (m, s) = root(sum(x[i]**2) + eps)                  m * 2**-s is the reciprocal square root, m of 16 bits
    M * 2**-k = m * 2**-s * scale, M cut to 16 bits
    code[i] = quantize(x[i] * M * 2**-k)               in units of the format's step, exactly as an encoder

``eps`` is in squares of the unit, times the number of values, and ``scale`` is the codes' reciprocal step times the
root of that number. ``root`` is any design of :class:`qse_hw.golden.functions.root.ReciprocalRoot`; with the usual one
this is :meth:`qse_hw.golden.models.integer.scalar_arithmetic.ScalarArithmetic.normalize`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import Quantized, quantize_dyadic
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.functions.root import ReciprocalRoot
from qse_hw.golden.reference.vectors import expected

M_BITS = 16
_GROWTH = 31  # of k, at most, by the root: its shift is from 16 to 46, the cut 15 or 16
MIN_SCALE_K, MAX_SCALE_K = M_BITS - MAX_LOG2_STEP, MAX_LOG2_STEP + M_BITS - 1 - _GROWTH
"""Of the scale: it and all tokens' scales are then legal ones."""


def token_scale_scalar(values: Sequence[int], root: ReciprocalRoot, eps: int, scale: Scale) -> tuple[int, int]:
    """(M, k) of a token's scale."""
    mantissa, shift = root.scalar(sum(value * value for value in values) + eps)
    M = mantissa * scale.M
    cut = M.bit_length() - M_BITS
    return M >> cut, shift + scale.k - cut


def normalize_scalar(
    values: Sequence[int], root: ReciprocalRoot, eps: int, scale: Scale, format: SegmentedFormat
) -> list[Quantized]:
    """One token."""
    M, k = token_scale_scalar(values, root, eps, scale)
    return [quantize_dyadic(value * M, format.fraction_bits + 1 - k, format) for value in values]


class Normalized(NamedTuple):
    """Codes (tokens, size) uint16, and whether each saturated."""

    codes: npt.NDArray[np.uint16]
    saturated: npt.NDArray[np.bool_]


def normalize(
    values: npt.NDArray[np.int64],
    root: ReciprocalRoot,
    eps: int,
    scales: Sequence[Scale],
    format: SegmentedFormat,
    width: int,
) -> Normalized:
    """Tokens (tokens, size) of ``width`` bits, with a scale for each; equal to :func:`normalize_scalar`."""
    codes, saturated = np.zeros(values.shape, np.uint16), np.zeros(values.shape, np.bool_)
    roots = root.array((values * values).sum(axis=1) + eps)
    for token, (mantissa, shift, scale) in enumerate(zip(*(part.tolist() for part in roots), scales, strict=True)):
        M = mantissa * scale.M
        cut = M.bit_length() - M_BITS
        patterns = (values[token] & ((1 << width) - 1)).astype(np.uint32)
        answer = expected(patterns, format, input_type(f"s{width}"), Scale(M=M >> cut, k=shift + scale.k - cut))
        codes[token], saturated[token] = answer.codes, answer.saturated
    return Normalized(codes, saturated)
