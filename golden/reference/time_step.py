"""Time steps of a selective scan in integers: softplus of dt and a bias.

For channel c of a token, dt of ``width`` bits::

    sum = clamp((dt << places[c]) + bias[c], -2**(width-1), 2**(width-1) - 1)
    delta = softplus(sum)

as in :meth:`qse_hw.golden.models.integer.mamba1.scalar.Mamba1Scalar.step`. Softplus is a function unit's.
:func:`sum_scalar` is the readable truth; the array function equals it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.functions.unit import FunctionUnit
from qse_hw.golden.reference.linear import Requantized, Words
from qse_hw.golden.reference.rounding import Flags, Integers, clamp, clamp_array
from qse_hw.golden.reference.words import as_signed, join_fields, split_fields

PLACES_BITS = 5
MORE_BITS = 2
"""Of a bias than of dt and the sum: larger ones would saturate nearly every sum."""


class Parameters(NamedTuple):
    """Of every channel: places, biases (channels,); int64."""

    places: Integers
    bias: Integers


def sum_scalar(dt: int, places: int, bias: int, width: int) -> Requantized:
    """Softplus's input for one value, and whether it was clamped."""
    return Requantized(*clamp((dt << places) + bias, width))


def time_steps(dt: Integers, parameters: Parameters, softplus: FunctionUnit) -> tuple[Integers, Flags]:
    """Time steps for dt (..., channels), in steps of softplus's output; and whether each sum was clamped."""
    sums, clamped = clamp_array((dt << parameters.places) + parameters.bias, softplus.reduction.input.width)
    return softplus.array(sums), clamped


def word_bits(width: int) -> int:
    """Bits of a word of the parameter memory."""
    return PLACES_BITS + width + MORE_BITS


def pack_parameters(parameters: Parameters, *, width: int, lanes: int) -> Words:
    """The words of the parameter memory, one for each channel, channel c for lane c modulo ``lanes``.

    A word has places in its low bits, above them the bias. An address has the lane in its low bits, as many as
    ``lanes - 1`` has, above them c / ``lanes``.

    Raises:
        InputError: for a value out of range, or another number of biases than of places.
    """
    limit = 1 << (width + MORE_BITS - 1)
    ranges = {"places": (0, (1 << PLACES_BITS) - 1), "bias": (-limit, limit - 1)}
    for name, (low, high) in ranges.items():
        values = getattr(parameters, name)
        if len(values) != len(parameters.places):
            raise InputError(f"Time steps' {name} must be of {len(parameters.places)} channels, not of {len(values)}")
        if values.min() < low or values.max() > high:
            raise InputError(f"Time steps' {name} must be from {low} to {high}, not {values.min()} to {values.max()}")
    place, lane = np.divmod(np.arange(len(parameters.places)), lanes)
    words = join_fields([(parameters.places, PLACES_BITS), (parameters.bias, width + MORE_BITS)])
    return Words(place << (lanes - 1).bit_length() | lane, words)


def unpack_parameters(words: npt.NDArray[np.uint8], width: int) -> Parameters:
    """The inverse of :func:`pack_parameters` for words (channels, bytes) in the channels' order."""
    places, bias = split_fields(words, [PLACES_BITS, width + MORE_BITS])
    return Parameters(places, as_signed(bias, width + MORE_BITS))
