"""Arithmetic of the integer model on arrays, bit-exact with :mod:`qse_hw.golden.models.integer.scalar_arithmetic`.

Integers are held in float64 wherever their products and sums stay below 2^53 (a 31-bit sum times a 16-bit multiplier,
say): that is exact, and faster than int64.
Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``d_state`` n, groups of channels g.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table, tables
from qse_hw.golden.functions.exponential import EXP2
from qse_hw.golden.functions.root import bit_length
from qse_hw.golden.models.integer import lfsr
from qse_hw.golden.models.integer.formats import (
    LOCAL_BITS,
    ChannelFormat,
    FixedPoint,
    LayerFormats,
    Local,
    ScaledChannels,
    State,
    local_exponent,
)
from qse_hw.golden.models.integer.functions import RECIPROCAL_ROOT
from qse_hw.golden.models.integer.products import Convolution, Multiplier, Norm, Product
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated, Tap
from qse_hw.golden.models.integer.scan import Scan

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CHUNK_VALUES = 1 << 18  # of the scan, held at once: few enough to stay in the cache
_INFLOW = FixedPoint(bits=LOCAL_BITS, exponent=0)


@dataclass
class LayerState:
    """What a layer carries over to a sequence's next token.

    Attributes:
        window: the convolution's last inputs (b, channels, width - 1).
        h: the SSM state (b, d, n).
        word: the LFSR's.
    """

    window: Floats
    h: Floats
    word: int


class ArrayArithmetic:
    """The operations of one layer that round or saturate.

    Args:
        number: the layer's, None outside the layers.
        saturated: is counted up.

    Attributes:
        tap: sees the values of each tensor; None: nothing does.
    """

    def __init__(self, number: int | None, saturated: Saturated) -> None:
        self.number, self.saturated = number, saturated
        self.tap: Tap | None = None

    def normalize(self, name: str, norm: Norm, inputs: Floats, to: Local) -> Floats:
        """The values (..., n) of v / sqrt(sum v^2 + n eps), in units of ``to``; each token has its own scale."""
        scaled = inputs * self.root_scale(inputs, norm)
        return self.fixed(name, scaled, to) if isinstance(to, FixedPoint) else self.position(name, scaled, to.format)

    def root_scale(self, values: Floats, norm: Norm) -> Floats:
        """The norm's scale over sqrt(sum v^2 + n eps), (..., 1); its mantissa has 16 bits."""
        integers = values.astype(np.int64)  # squares of 24 bits may sum up to more than 2^53
        root = RECIPROCAL_ROOT.array((integers * integers).sum(-1, keepdims=True) + norm.eps)
        M = root.mantissa * norm.scale.M
        cut = bit_length(M) - 16
        factors: Floats = np.ldexp((M >> cut).astype(np.float64), -(root.shift + norm.scale.k - cut))
        return factors

    def product(self, name: str, product: Product, x: Floats, to: Local | ChannelFormat | ScaledChannels) -> Floats:
        """The values (b, l, outputs) of a matrix times x (b, l, inputs), in units of ``to``."""
        sums = x @ product.weights.T.astype(np.float64)
        sums *= factor(product.by)
        if isinstance(to, FixedPoint):
            return self.fixed(name, sums, to)
        return self.position(name, sums, to.format)

    def convolve(self, conv: Convolution, state: LayerState, values: Floats, to: FixedPoint) -> Integers:
        """The convolution's sums (b, l, channels) with their biases; the state's window moves on."""
        width, length = conv.taps.shape[1], values.shape[1]
        seen = np.concatenate((state.window.swapaxes(1, 2), values), axis=1)
        state.window = seen[:, seen.shape[1] - (width - 1) :].swapaxes(1, 2)
        total = np.zeros_like(values) + conv.bias
        for place in range(width):
            total += seen[:, place : place + length] * conv.taps[:, place]
        return self.fixed("conv_sum", total * factor(conv.by), to).astype(np.int64)

    def convert(self, name: str, values: Floats, exponent: int, to: Local) -> Floats:
        """Integers of unit ``2**exponent``, of any shape, in units of ``to``."""
        k = local_exponent(to) - exponent
        if isinstance(to, FixedPoint):
            return self.fixed(name, values * 2.0**-k, to)
        return self.position(name, values * 2.0 ** -(k + to.format.fraction_bits), to.format)

    def encode(self, name: str, value: Floats, scale: Scale, format: SegmentedFormat) -> Floats:
        """Encodes integers whose unit the scale converts to the step s; returns the codes' values in fine steps."""
        return self.position(name, value * (scale.M * 2.0**-scale.k), format)

    def position(self, name: str, u: Floats, format: SegmentedFormat) -> Floats:
        """Encodes ``u``, given in units of the step s; returns the codes' values in fine steps."""
        table = tables(format)
        positions = u * 2.0 ** (format.fraction_bits + 1)
        np.clip(positions, table.low, table.high, out=positions)
        if not format.signed:
            np.floor(positions, out=positions)
        rows = positions.astype(np.intp)  # truncates, which for signed formats floors the magnitude
        rows -= table.first
        self.saturated[self.number, name] += int(table.saturated.take(rows).sum())
        values: Floats = _values(format).take(rows)
        if self.tap:
            self.tap(self.number, name, values)
        return values

    def fixed(self, name: str, value: Floats, to: FixedPoint) -> Floats:
        """Rounded half up; saturated."""
        return self.saturate(name, np.floor(value + 0.5), to.high)

    def saturate(self, name: str, value: Floats, high: int) -> Floats:
        """The nearest values from ``-high - 1`` to ``high``."""
        clipped = np.clip(value, -high - 1, high)
        self.saturated[self.number, name] += int(np.count_nonzero(clipped != value))
        if self.tap:
            self.tap(self.number, name, clipped)
        return clipped

    def scan(
        self,
        scan: Scan,
        formats: LayerFormats,
        state: LayerState,
        x: Floats,
        delta: Floats,
        decays: Callable[[slice], Floats],
        B: Floats,
        C: Floats,
    ) -> Floats:
        """C h + D x (b, l, d); the state moves on.

        Args:
            scan: the layer's integers.
            formats: of the layer.
            state: of the layer.
            x: (b, l, d).
            delta: (b, l, d).
            decays: of a range of time steps, time first: (steps, b, g, d / g, n), or 1 for n if all are equal.
            B: (b, l, g, n).
            C: (b, l, g, n).
        """
        flow = self.fixed("inflow", delta * x * factor(scan.inflow), _INFLOW)
        flow *= np.ldexp(1.0, scan.inflow_shift - 15)  # in the state's units from here on
        batch, length, groups, states = B.shape
        h = state.h.reshape(batch, groups, -1, states)
        y = x * scan.D
        steps = max(1, CHUNK_VALUES // h.size)
        for start in range(0, length, steps):
            chunk = slice(start, min(start + steps, length))
            flows = time_first(flow, chunk)
            nows = flows.reshape(*flows.shape[:2], groups, -1, 1) * time_first(B, chunk)[:, :, :, None, :]
            random = self._random(state, formats.state, len(nows), h[0])
            for time, decay in enumerate(decays(chunk)):
                nows[time] += decay * h
                h = nows[time] = self._store(formats.state, nows[time], random if random is None else random[time])
            read = nows @ time_first(C, chunk)[..., None]
            y[:, chunk] += read.reshape(flows.shape).swapaxes(0, 1)
        state.h = h.reshape(state.h.shape)
        y *= np.ldexp(1.0, -scan.output_shift)
        return self.fixed("scan", y, formats.scan)

    def _random(self, state: LayerState, type: State, steps: int, like: Floats) -> Floats | None:
        """15-bit random fractions (steps, g, d / g, n), from 0 to below 1; None for rounding to nearest."""
        if type.rounding == "nearest":
            return None
        words = lfsr.words(state.word, steps * like.size)
        state.word = int(words[-1])
        drawn = (words[:-1] & ((1 << lfsr.BITS) - 1)).astype(np.float64)
        return drawn.reshape(steps, *like.shape) * 2.0**-lfsr.BITS

    def _store(self, type: State, now: Floats, random: Floats | None) -> Floats:
        """The stored state (b, g, d / g, n)."""
        format = type.format
        if not isinstance(format, SegmentedFormat):
            np.floor(now + (0.5 if random is None else random), out=now)
            return self.saturate("state", now, (1 << (format - 1)) - 1)
        if random is not None:
            now = _dithered(now, random, format)
        return self.position("state", np.ldexp(now, -format.fraction_bits), format)


def decays(exponents: Floats) -> Floats:
    """``2**-v``, rounded to 15 fraction bits; ``exponents`` is v with 16 fraction bits, not yet rounded."""
    return _decay_table().take(np.floor(exponents + 0.5).astype(np.int64), mode="clip")


@cache
def _decay_table() -> Floats:
    """Of a million values, so it is made when the first decay is computed."""
    table: Floats = np.ldexp(EXP2.table.astype(np.float64), -EXP2.OUTPUT_FRACTION)
    return table


def factor(by: Multiplier) -> Floats:
    """Multipliers as numbers."""
    factors: Floats = np.ldexp(by.M.astype(np.float64), -by.k)
    return factors


def time_first(values: Floats, chunk: slice) -> Floats:
    """(b, l, ...) -> (steps, b, ...), a range of time steps."""
    return np.ascontiguousarray(values[:, chunk].swapaxes(0, 1))


def _values(format: SegmentedFormat) -> Floats:
    """The value of each position's code, in fine steps; rows as in :func:`tables`."""
    table = tables(format)
    rows = table.codes.astype(np.int64) & ((1 << format.bits) - 1)
    return decode_table(format)[0].astype(np.float64).take(rows)


def _dithered(now: Floats, random: Floats, format: SegmentedFormat) -> Floats:
    """``now`` rounded to a value of the format, up with a probability equal to its fraction of the gap."""
    offset = float(format.zero_point) if format.kind == "offset" else 0.0
    position = np.maximum(now + offset, 0) if format.kind == "offset" else np.abs(now)
    numbers = np.searchsorted(np.array(format.starts), np.floor(position), side="right") - 1
    first, step = np.array(format.starts, np.float64)[numbers], np.ldexp(1.0, np.array(format.shifts))[numbers]
    rounded = first + np.floor((position - first) / step + random) * step
    signed: Floats = rounded - offset if format.kind == "offset" else np.copysign(rounded, now)
    return signed
