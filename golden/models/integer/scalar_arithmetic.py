"""Arithmetic of the integer model in Python integers: the readable reference.

:mod:`qse_hw.golden.models.integer.array_arithmetic` is bit-exact with it. Fixed-point values are rounded half up, codes
as their format says. Values beyond their type's range saturate and are counted.
Sizes: ``d_model`` m, ``d_inner`` d, ``d_state`` n.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from qse_hw.golden.formats.scalar import dequantize, quantize_dyadic
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.functions.exponential import EXP2
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
from qse_hw.golden.models.integer.products import Convolution, Norm, Product
from qse_hw.golden.models.integer.scan import Scan
from qse_hw.golden.reference.hadamard import core, factorize, sylvester

Numbers = list[int]
Saturated = Counter[tuple[int | None, str]]
"""How often each tensor's values saturated, by ``(layer, name)``; layer None: outside the layers."""
Tap = Callable[[int | None, str, Any], None]
"""Is called with ``(layer, name, values)`` when values of a tensor were rounded or saturated: one value in the scalar
model, an array with one step of time or all of them in the array model."""


_INFLOW = FixedPoint(bits=LOCAL_BITS, exponent=0)


class Recurrence(NamedTuple):
    """Of one time step and channel (n): decays with 15 fraction bits, B, C."""

    decays: Numbers
    B: Numbers
    C: Numbers


class ScalarArithmetic:
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
        self.word = 1 if number is None else number + 1  # of the LFSR

    def normalize(self, name: str, norm: Norm, inputs: Numbers, to: Local) -> Numbers:
        """The values (n) of v / sqrt(sum v^2 + n eps), in units of ``to``; each token has its own scale."""
        M, k = self.root_scale(inputs, norm)
        if isinstance(to, FixedPoint):
            return [self.requantize(name, value, M, k, to) for value in inputs]
        return [self.position(name, value * M, k, to.format) for value in inputs]

    def root_scale(self, values: Numbers, norm: Norm) -> tuple[int, int]:
        """``M * 2**-k``, the norm's scale over sqrt(sum v^2 + n eps); M has 16 bits."""
        root = RECIPROCAL_ROOT.scalar(sum(value * value for value in values) + norm.eps)
        M = root.mantissa * norm.scale.M
        cut = M.bit_length() - 16
        return M >> cut, root.shift + norm.scale.k - cut

    def product(self, name: str, product: Product, x: Numbers, to: Local | ChannelFormat | ScaledChannels) -> Numbers:
        """The values (outputs) of a matrix times x (inputs), in units of ``to``."""
        if isinstance(to, FixedPoint):
            return [self.requantize(name, a, M, k, to) for a, M, k in _sums(product, x)]
        return [self.position(name, a * M, k, to.format) for a, M, k in _sums(product, x)]

    def convolve(self, conv: Convolution, window: list[Numbers], values: Numbers, to: FixedPoint) -> Numbers:
        """The convolution's sums (channels) with their biases; ``window`` (channels, width - 1) moves on."""
        totals = []
        for channel, value in enumerate(values):
            inputs = window[channel]
            inputs.append(value)
            total = sum(int(tap) * old for tap, old in zip(conv.taps[channel], inputs, strict=True))
            inputs.pop(0)
            M, k = int(conv.by.M[channel]), int(conv.by.k[channel])
            totals.append(self.requantize("conv_sum", total + int(conv.bias[channel]), M, k, to))
        return totals

    def convert(self, name: str, values: Numbers, exponent: int, to: Local) -> Numbers:
        """Integers of unit ``2**exponent`` in units of ``to``."""
        k = local_exponent(to) - exponent
        if isinstance(to, FixedPoint):
            return [self.requantize(name, value, 1, k, to) for value in values]
        return [self.position(name, value, k + to.format.fraction_bits, to.format) for value in values]

    def encode(self, name: str, value: int, scale: Scale, format: SegmentedFormat) -> int:
        """Encodes an integer whose unit the scale converts to the step s; returns the code's value in fine steps."""
        return self.position(name, value * scale.M, scale.k, format)

    def position(self, name: str, value: int, k: int, format: SegmentedFormat) -> int:
        """Encodes ``value * 2**-k``, given in units of the step s; returns the code's value in fine steps."""
        quantized = quantize_dyadic(value, format.fraction_bits + 1 - k, format)
        self.saturated[self.number, name] += quantized.saturated
        result = dequantize(quantized.code, format)
        if self.tap:
            self.tap(self.number, name, result)
        return result

    def requantize(self, name: str, value: int, M: int, k: int, to: FixedPoint) -> int:
        """``value * M * 2**-k``, rounded and saturated."""
        return self.saturate(name, shift(value * M, k), to.high)

    def saturate(self, name: str, value: int, high: int) -> int:
        """The nearest value from ``-high - 1`` to ``high``."""
        clipped = min(max(value, -high - 1), high)
        self.saturated[self.number, name] += clipped != value
        if self.tap:
            self.tap(self.number, name, clipped)
        return clipped

    def scan(
        self, scan: Scan, channel: int, formats: LayerFormats, h: Numbers, x: int, delta: int, recurrence: Recurrence
    ) -> int:
        """C h + D x of a channel after one time step; updates its state h (n)."""
        M, k, places = (int(part[channel]) for part in (scan.inflow.M, scan.inflow.k, scan.inflow_shift))
        flow = self.requantize("inflow", delta * x, M, k, _INFLOW)
        total = int(scan.D[channel]) * x
        for n, (decay, b, c) in enumerate(zip(*recurrence, strict=True)):
            h[n] = self._store(formats.state, decay * h[n] + (flow * b << places))
            total += c * h[n]
        return self.saturate("scan", shift(total, int(scan.output_shift[channel])), formats.scan.high)

    def _store(self, state: State, now: int) -> int:
        """The state as it is stored; ``now`` has 15 more fraction bits."""
        random = 1 << 14
        if state.rounding == "stochastic":
            random = self.word & ((1 << lfsr.BITS) - 1)
            self.word = lfsr.leap(self.word)
        if not isinstance(state.format, SegmentedFormat):
            return self.saturate("state", (now + random) >> 15, (1 << (state.format - 1)) - 1)
        if state.rounding == "stochastic":
            now = _dithered(now, random, state.format) << 15
        quantized = quantize_dyadic(now, -14, state.format)
        self.saturated[self.number, "state"] += quantized.saturated
        return dequantize(quantized.code, state.format)


def decay(time: int, A: int, to_exponent: int) -> int:
    """``2**-(time * A)`` with 15 fraction bits; ``to_exponent`` places to the right, the product has 16."""
    return EXP2.scalar(shift(time * A, to_exponent))


def hadamard(values: Sequence[int]) -> Numbers:
    """H times integers (n), unnormalized: entry (c, j), (e, i) is core[c, e] times sylvester[j, i]."""
    m, chunk = factorize(len(values))
    across, within = core(m).tolist(), sylvester(chunk).tolist()
    chunks = [values[start : start + chunk] for start in range(0, len(values), chunk)]
    parts = [[sum(sign * value for sign, value in zip(row, part, strict=True)) for row in within] for part in chunks]
    return [sum(sign * part[j] for sign, part in zip(row, parts, strict=True)) for row in across for j in range(chunk)]


def shift(value: int, k: int) -> int:
    """``value * 2**-k``, rounded half up."""
    return (value + (1 << k >> 1)) >> k if k > 0 else value << -k


def _dithered(now: int, random: int, format: SegmentedFormat) -> int:
    """``now * 2**-15`` rounded to a value of the format, up with a probability equal to its fraction of the gap."""
    start = format.zero_point << 15
    position = max(now + start, 0) if format.kind == "offset" else abs(now)
    number = max(n for n, first in enumerate(format.starts) if first <= position >> 15)
    first, e = format.starts[number], format.shifts[number]
    rounded = first + ((position - (first << 15) + (random << e)) >> (15 + e) << e)
    if format.kind == "offset":
        return rounded - format.zero_point
    return -rounded if now < 0 else rounded


def _sums(product: Product, x: Numbers) -> list[Any]:
    """Every sum with its multiplier."""
    rows = zip(product.weights.tolist(), product.by.M.tolist(), product.by.k.tolist(), strict=True)
    return [(sum(w * value for w, value in zip(row, x, strict=True)), M, k) for row, M, k in rows]
