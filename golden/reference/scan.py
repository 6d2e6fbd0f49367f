"""The selective scan of a Mamba-1 in integers: one channel of one token after another, a state of 16 or 24 bits.

For channel c with the inputs x and delta, and its states h[n]::

    flow = clamp(round(delta * x * M[c] / 2**k[c]), -2**15, 2**15 - 1)
    a    = 2**-v with 15 fraction bits, v = round(delta * A[c, n] / 2**shift) with 16 fraction bits
    h[n] = clamp(round((a * h[n] + (flow * B[n] << inflow_shift[c])) / 2**15)) to the state's bits
    y    = clamp(round((D[c] * x + sum(C[n] * h[n] for n)) / 2**output_shift[c]), -2**15, 2**15 - 1)

All of it half up; a as :data:`qse_hw.golden.functions.exponential.EXP2` computes it. This is the arithmetic of
:meth:`qse_hw.golden.models.integer.scalar_arithmetic.ScalarArithmetic.scan` and of ``decay`` there, where a layer's
``to_exponent`` is the shift: :func:`scale_decays` moves what differs from it into A.
:func:`scan_scalar` is the readable truth; :func:`scan` equals it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.functions.exponential import EXP2
from qse_hw.golden.reference.linear import Words
from qse_hw.golden.reference.rounding import Integers, clamp, clamp_array, shift, shift_array
from qse_hw.golden.reference.words import as_signed, join_fields, split_fields

DELTA_BITS = 18
COEFFICIENT_BITS = 16
"""Of B and of C."""
FLOW_BITS = OUTPUT_BITS = 16
DECAY_FRACTION = EXP2.OUTPUT_FRACTION
M_BITS, K_BITS, SHIFT_BITS = 16, 6, 5


class Parameters(NamedTuple):
    """Of every channel: M, k, inflow_shift, output_shift, D (channels,) and A (channels, states); int64."""

    M: Integers
    k: Integers
    inflow_shift: Integers
    output_shift: Integers
    D: Integers
    A: Integers


class Widths(NamedTuple):
    """Bits of x, D, A and the state; ``decay_shift``: how far delta A is shifted right to have 16 fraction bits."""

    x: int = 16
    D: int = 32
    A: int = 16
    state: int = 16
    decay_shift: int = 5


class Scanned(NamedTuple):
    """y, and whether flow, a state and y were clamped; numbers, or arrays of one shape."""

    y: Any
    inflow_saturated: Any
    state_saturated: Any
    scan_saturated: Any


def scan_scalar(
    x: int, delta: int, h: list[int], B: Sequence[int], C: Sequence[int], parameters: Parameters, c: int, widths: Widths
) -> Scanned:
    """Channel c of one token; updates its states ``h``."""
    M, k, inflow_shift, output_shift, D, A = (part[c].tolist() for part in parameters)
    flow, inflow_saturated = clamp(shift(delta * x * M, k), FLOW_BITS)
    state_saturated, total = False, D * x
    for n in range(len(h)):
        a = EXP2.scalar(shift(delta * A[n], widths.decay_shift))
        now = a * h[n] + (flow * B[n] << inflow_shift)
        h[n], saturated = clamp(shift(now, DECAY_FRACTION), widths.state)
        state_saturated |= saturated
        total += C[n] * h[n]
    y, scan_saturated = clamp(shift(total, output_shift), OUTPUT_BITS)
    return Scanned(y, inflow_saturated, state_saturated, scan_saturated)


def scan(
    x: Integers, delta: Integers, h: Integers, B: Integers, C: Integers, parameters: Parameters, widths: Widths
) -> tuple[Scanned, Integers]:
    """Channels of one token: outputs (channels,) and new states (channels, states).

    Args:
        x, delta: (channels,).
        h: the states before (channels, states).
        B, C: (states,), or (channels, states).
        parameters: of these channels.
        widths: state and ``decay_shift`` matter.
    """
    M, k, inflow_shift, output_shift, D, A = parameters
    flow, inflow_saturated = clamp_array(shift_array(delta * x * M, k), FLOW_BITS)  # below 2**50 + 2**62
    decays = EXP2.array(shift_array(delta[:, None] * A, widths.decay_shift))
    # below 2**38 + 2**61
    now = decays * h + (flow[:, None] * B << inflow_shift[:, None])
    states, clamped = clamp_array(shift_array(now, DECAY_FRACTION), widths.state)
    total = D * x + (C * states).sum(axis=-1)
    y, scan_saturated = clamp_array(shift_array(total, output_shift), OUTPUT_BITS)
    return Scanned(y, inflow_saturated, clamped.any(axis=-1), scan_saturated), states


def total_bits(widths: Widths, states: int) -> int:
    """Bits of D x + sum C h that hold every sum."""
    reach = (1 << (widths.D - 1 + widths.x - 1)) + (states << (widths.state - 1 + COEFFICIENT_BITS - 1))
    return reach.bit_length() + 1


def scale_decays(A: Integers, to_exponent: int, widths: Widths) -> Integers:
    """A of a layer that shifts delta A by ``to_exponent``, for a unit that shifts by ``widths.decay_shift``: exact.

    Raises:
        InputError: if the unit shifts by less, or A then has more bits than the unit's.
    """
    places = widths.decay_shift - to_exponent
    if places < 0:
        raise InputError(
            f"Decay shift must be at least the layers' to_exponent, {to_exponent}, not {widths.decay_shift}"
        )
    scaled: Integers = A << places
    if scaled.max() >> widths.A:
        raise InputError(
            f"A must have at most {widths.A} bits, not {int(scaled.max()).bit_length()}, after {places} places to the "
            f"left, decay shift {widths.decay_shift} less to_exponent {to_exponent}"
        )
    return scaled


def channel_bits(widths: Widths) -> list[int]:
    """Bits of a channel's fields: M, k, inflow_shift, output_shift, D."""
    return [M_BITS, K_BITS, SHIFT_BITS, SHIFT_BITS, widths.D]


def pack_channels(parameters: Parameters, widths: Widths) -> Words:
    """A word for each channel: from the low bits on M, k, inflow_shift, output_shift, D; its address is the channel.

    Raises:
        InputError: for a shape or a value out of range.
    """
    _check(parameters, widths)
    fields = zip(parameters[:-1], channel_bits(widths), strict=True)
    return Words(np.arange(len(parameters.M)), join_fields(list(fields)))


def unpack_channels(words: npt.NDArray[np.uint8], widths: Widths) -> list[Integers]:
    """M, k, inflow_shift, output_shift and D of words (channels, bytes)."""
    *others, D = split_fields(words, channel_bits(widths))
    return [*others, as_signed(D, widths.D)]


def pack_decays(parameters: Parameters, widths: Widths, lanes: int) -> Words:
    """The words of A, ``lanes`` states each, the first in the low bits; address c * states / lanes + n / lanes.

    Raises:
        InputError: for a shape or a value out of range.
    """
    _check(parameters, widths)
    groups = parameters.A.reshape(-1, lanes)
    return Words(np.arange(len(groups)), join_fields([(A, widths.A) for A in groups.T]))


def unpack_decays(words: npt.NDArray[np.uint8], widths: Widths, lanes: int) -> Integers:
    """A (words, lanes) of words (words, bytes)."""
    return np.stack(split_fields(words, [widths.A] * lanes), axis=1)


def _check(parameters: Parameters, widths: Widths) -> None:
    channels = len(parameters.M)
    half = 1 << (widths.D - 1)
    ranges = {
        "M": (0, (1 << M_BITS) - 1), "k": (0, (1 << K_BITS) - 1), "inflow_shift": (0, (1 << SHIFT_BITS) - 1),
        "output_shift": (0, (1 << SHIFT_BITS) - 1), "D": (-half, half - 1), "A": (0, (1 << widths.A) - 1),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        values = getattr(parameters, name)
        if len(values) != channels:
            raise InputError(f"Scan's {name} must be of {channels} channels, not of {len(values)}")
        if values.min() < low or values.max() > high:
            raise InputError(f"Scan's {name} must be from {low} to {high}, not {values.min()} to {values.max()}")
