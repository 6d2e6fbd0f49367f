"""The causal depthwise convolution in integers: int8 taps, an int32 bias, requantized to 16 bits.

For channel c of a token, with the channel's inputs x of this token and of the tokens before it, oldest first::

    a = sum(taps[c, n] * x[n] for n) + bias[c]                int32
    y = clamp(round(a * M[c] / 2**k[c]), -2**15, 2**15 - 1)   half up

Inputs from before the sequence's first token are 0. This is the arithmetic of
:meth:`qse_hw.golden.models.integer.scalar_arithmetic.ScalarArithmetic.convolve`.
:func:`convolve_scalar` is the readable truth; the array functions equal it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.linear import HIGH, LOW, MAX_ACCUMULATOR, MAX_WEIGHT, Requantized, Words
from qse_hw.golden.reference.rounding import clamp, clamp_array, shift, shift_array
from qse_hw.golden.reference.words import as_signed, join_fields, split_fields

OUTPUT_BITS = 16
TAP_BITS, BIAS_BITS, M_BITS, K_BITS = 8, 32, 16, 6

Integers = npt.NDArray[np.int64]


class Parameters(NamedTuple):
    """Of every channel: taps (channels, width), the oldest input's first; biases, M and k (channels,); int64."""

    taps: Integers
    bias: Integers
    M: Integers
    k: Integers


def requantize_scalar(a: int, M: int, k: int, bits: int = OUTPUT_BITS) -> Requantized:
    """clamp(a * M / 2**k) to ``bits`` bits, half up."""
    return Requantized(*clamp(shift(a * M, k), bits))


def convolve_scalar(inputs: Sequence[int], taps: Sequence[int], bias: int, M: int, k: int) -> Requantized:
    """One channel of one token; ``inputs`` (width), the oldest first."""
    a = bias + sum(tap * x for tap, x in zip(taps, inputs, strict=True))
    assert abs(a) <= MAX_ACCUMULATOR
    return requantize_scalar(a, M, k)


def windows(
    values: Integers, first: npt.NDArray[np.bool_], width: int, sequences: Integers | None = None
) -> Integers:
    """The inputs (tokens, channels, width) that each sum takes, the oldest first.

    Args:
        values: (tokens, channels).
        first: (tokens, channels), whether the token is its sequence's first. Before the first row, all inputs are 0.
        width: number of taps.
        sequences: (tokens,), the number of each token's sequence, whose past inputs it has; None: there is only one.
    """
    seen = np.zeros((*values.shape, width), np.int64)
    numbers = np.zeros(len(values), np.int64) if sequences is None else sequences
    last = np.zeros((int(numbers.max(initial=0)) + 1, values.shape[1], width), np.int64)
    for token, (number, now) in enumerate(zip(numbers.tolist(), values, strict=True)):
        old = np.where(first[token, :, None], 0, last[number, :, 1:])
        seen[token] = last[number] = np.concatenate((old, now[:, None]), axis=1)
    return seen


def convolve(seen: Integers, parameters: Parameters) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """Outputs (..., channels) of inputs (..., channels, width), and which were clamped."""
    totals = (seen * parameters.taps).sum(-1) + parameters.bias
    rounded = shift_array(totals * parameters.M, parameters.k)  # below 2**47 + 2**62
    values, clamped = clamp_array(rounded, OUTPUT_BITS)
    return values.astype(np.int16), clamped


def max_bias(input_bits: int, width: int) -> int:
    """The largest magnitude of a bias with which no sum of ``width`` products can leave int32."""
    return MAX_ACCUMULATOR - (width * MAX_WEIGHT << (input_bits - 1))


def pack_parameters(parameters: Parameters, *, input_bits: int, lanes: int) -> Words:
    """The words of the parameter memory, one for each channel, channel c for lane c modulo ``lanes``.

    A word has, from its low bits on, the taps (8 bits each, the oldest input's first), the bias (32), M (16), k (6).
    An address has the lane in its low bits, as many as ``lanes - 1`` has, above them c / ``lanes``.

    Raises:
        InputError: for shapes that differ, or a value out of range.
    """
    _check(parameters, input_bits)
    fields = [(tap, TAP_BITS) for tap in parameters.taps.T]
    fields += [(parameters.bias, BIAS_BITS), (parameters.M, M_BITS), (parameters.k, K_BITS)]
    place, lane = np.divmod(np.arange(len(parameters.taps)), lanes)
    return Words(place << (lanes - 1).bit_length() | lane, join_fields(fields))


def word_bits(width: int) -> int:
    """Bits of a word of the parameter memory."""
    return TAP_BITS * width + BIAS_BITS + M_BITS + K_BITS


def unpack_parameters(words: npt.NDArray[np.uint8], width: int) -> Parameters:
    """The inverse of :func:`pack_parameters` for words (channels, bytes) in the channels' order."""
    *taps, bias, M, k = split_fields(words, [*[TAP_BITS] * width, BIAS_BITS, M_BITS, K_BITS])
    signed = np.stack([as_signed(tap, TAP_BITS) for tap in taps], axis=1)
    return Parameters(signed, as_signed(bias, BIAS_BITS), M, k)


def _check(parameters: Parameters, input_bits: int) -> None:
    channels, width = parameters.taps.shape
    limit = max_bias(input_bits, width)
    ranges = {"taps": (LOW, HIGH), "bias": (-limit, limit), "M": (0, (1 << M_BITS) - 1), "k": (0, (1 << K_BITS) - 1)}
    for name, (low, high) in ranges.items():
        values = getattr(parameters, name)
        if len(values) != channels:
            raise InputError(f"Convolution's {name} must be of {channels} channels, not of {len(values)}")
        if values.min() < low or values.max() > high:
            raise InputError(f"Convolution's {name} must be from {low} to {high}, not {values.min()} to {values.max()}")
