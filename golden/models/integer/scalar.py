"""The integer Mamba-1 in Python integers, one token at a time: the readable reference.

:mod:`qse_hw.golden.models.integer.model` is bit-exact with it. Fixed-point values are rounded half up, codes as their
format says. Values beyond their type's range saturate and are counted.
Sizes: ``d_model`` m, ``d_inner`` d, ``d_state`` n, ``dt_rank`` r.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from qse_hw.golden.formats.scalar import dequantize, quantize_dyadic
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer import lfsr
from qse_hw.golden.models.integer.formats import LOCAL_BITS, ChannelFormat, FixedPoint, Local
from qse_hw.golden.models.integer.functions import EXP2, RECIPROCAL_ROOT
from qse_hw.golden.models.integer.parameters import Layer, Norm, Parameters, Product
from qse_hw.golden.reference.hadamard import core, factorize, sylvester

Numbers = list[int]


class ScalarMamba:
    """The state of one sequence, updated token by token.

    Args:
        model: the model's integers.

    Attributes:
        saturated: how often each tensor's values saturated, by ``(layer, name)``; layer None: outside the layers.
    """

    def __init__(self, model: Parameters) -> None:
        self.model = model
        self.saturated: Counter[tuple[int | None, str]] = Counter()
        self.windows = [[[0] * (layer.taps.shape[1] - 1) for _ in layer.taps] for layer in model.layers]
        self.states = [[[0] * layer.A.shape[1] for _ in layer.A] for layer in model.layers]
        self.words = [number + 1 for number in range(len(model.layers))]

    def step(self, token: int) -> Numbers:
        """Logits (vocab_size) after one more token."""
        model, high = self.model, self.model.formats.residual.high
        row = model.embedding
        residual = [
            self._saturate(_shift(int(code) * int(row.by.M[token]), int(row.by.k[token])), high, None, "residual")
            for code in row.weights[token]
        ]
        for number, layer in enumerate(model.layers):
            added = self._mix(number, layer, residual)
            residual = [
                self._saturate(old + new, high, number, "residual") for old, new in zip(residual, added, strict=True)
            ]
        normalized = self._normalize(None, "norm_f", model.norm_f, residual)
        return self._fixed(None, "logits", model.head, normalized, model.formats.logits)

    def _mix(self, number: int, layer: Layer, residual: Numbers) -> Numbers:
        """What the mixer adds to the residual stream (m)."""
        f = layer.formats
        hidden = self._normalize(number, "norm", layer.norm, residual)
        conv_input = self._local(number, "conv_input", layer.conv_input, hidden, f.conv_input)
        gate = self._local(number, "gate", layer.gate, hidden, f.gate)
        x = self._convolve(number, layer, conv_input)
        dt_low = self._encoded_product(number, "dt_low", layer.dt_low, x, f.dt_low.format)
        B = self._local(number, "B", layer.B, x, f.B)
        C = self._local(number, "C", layer.C, x, f.C)
        dt = self._local(number, "dt", layer.dt, dt_low, f.dt)
        totals = [
            self._saturate((value << shift) + bias, f.dt_sum.high, number, "dt_sum")
            for value, shift, bias in zip(dt, layer.dt_shift.tolist(), layer.dt_bias.tolist(), strict=True)
        ]
        delta = [layer.softplus.scalar(total) for total in totals]
        y = self._scan(number, layer, x, delta, B, C)
        gated = [
            self._saturate(_shift(value * layer.silu_gate.scalar(g), layer.gated_shift), f.gated.high, number, "gated")
            for value, g in zip(y, gate, strict=True)
        ]
        codes = [self._encode(number, "y", value, layer.y_scale, f.y.format) for value in hadamard(gated)]
        return self._fixed(number, "out", layer.out, codes, self.model.formats.residual)

    def _normalize(self, number: int | None, name: str, norm: Norm, residual: Numbers) -> Numbers:
        """The codes' values (m) of r / sqrt(sum r^2 + m eps): the codes' scale is computed for each token."""
        root = RECIPROCAL_ROOT.scalar(sum(value * value for value in residual) + norm.eps)
        M = root.mantissa * norm.scale.M
        cut = M.bit_length() - 16
        k = root.shift + norm.scale.k - cut
        return [self._position(number, name, value * (M >> cut), k, norm.format) for value in residual]

    def _convolve(self, number: int, layer: Layer, values: Numbers) -> Numbers:
        """The values of x's codes (d): convolution, bias, SiLU."""
        f, x = layer.formats, []
        for channel, value in enumerate(values):
            window = self.windows[number][channel]
            window.append(value)
            total = sum(int(tap) * old for tap, old in zip(layer.taps[channel], window, strict=True))
            total += int(layer.conv_bias[channel])
            window.pop(0)
            by = layer.conv_by
            total = self._requantize(number, "conv_sum", total, int(by.M[channel]), int(by.k[channel]), f.conv_sum)
            x.append(self._encode(number, "x", layer.silu.scalar(total), layer.x_scale, f.x.format))
        return x

    def _scan(self, number: int, layer: Layer, x: Numbers, delta: Numbers, B: Numbers, C: Numbers) -> Numbers:
        """C h + D x (d)."""
        f, y = layer.formats, []
        exponent = FixedPoint(bits=LOCAL_BITS, exponent=0)
        for channel, (value, time) in enumerate(zip(x, delta, strict=True)):
            by = layer.inflow
            flow = self._requantize(
                number, "inflow", time * value, int(by.M[channel]), int(by.k[channel]), exponent
            )
            state, total = self.states[number][channel], int(layer.D[channel]) * value
            for n, (a, b, c) in enumerate(zip(layer.A[channel], B, C, strict=True)):
                decay = EXP2.scalar(_shift(time * int(a), layer.to_exponent))
                now = decay * state[n] + (flow * b << int(layer.inflow_shift[channel]))
                state[n] = self._store(number, layer, now)
                total += c * state[n]
            total = _shift(total, int(layer.scan_shift[channel]))
            y.append(self._saturate(total, f.scan.high, number, "scan"))
        return y

    def _store(self, number: int, layer: Layer, now: int) -> int:
        """The state as it is stored; ``now`` has 15 more fraction bits."""
        state, random = layer.formats.state, 1 << 14
        if state.rounding == "stochastic":
            random = self.words[number] & ((1 << lfsr.BITS) - 1)
            self.words[number] = lfsr.leap(self.words[number])
        if not isinstance(state.format, SegmentedFormat):
            return self._saturate((now + random) >> 15, (1 << (state.format - 1)) - 1, number, "state")
        if state.rounding == "stochastic":
            now = _dithered(now, random, state.format) << 15
        quantized = quantize_dyadic(now, -14, state.format)
        self.saturated[number, "state"] += quantized.saturated
        return dequantize(quantized.code, state.format)

    def _encoded_product(
        self, number: int | None, name: str, product: Product, x: Numbers, format: SegmentedFormat
    ) -> Numbers:
        return [self._position(number, name, a * M, k, format) for a, M, k in _sums(product, x)]

    def _fixed(self, number: int | None, name: str, product: Product, x: Numbers, to: FixedPoint) -> Numbers:
        return [self._requantize(number, name, a, M, k, to) for a, M, k in _sums(product, x)]

    def _local(self, number: int, name: str, product: Product, x: Numbers, local: Local | ChannelFormat) -> Numbers:
        if isinstance(local, FixedPoint):
            return self._fixed(number, name, product, x, local)
        return self._encoded_product(number, name, product, x, local.format)

    def _encode(self, number: int, name: str, value: int, scale: Scale, format: SegmentedFormat) -> int:
        return self._position(number, name, value * scale.M, scale.k, format)

    def _position(self, number: int | None, name: str, value: int, k: int, format: SegmentedFormat) -> int:
        """Encodes ``value * 2**-k``, given in units of the step s; returns the code's value in fine steps."""
        quantized = quantize_dyadic(value, format.fraction_bits + 1 - k, format)
        self.saturated[number, name] += quantized.saturated
        return dequantize(quantized.code, format)

    def _requantize(self, number: int | None, name: str, value: int, M: int, k: int, to: FixedPoint) -> int:
        return self._saturate(_shift(value * M, k), to.high, number, name)

    def _saturate(self, value: int, high: int, number: int | None, name: str) -> int:
        clipped = min(max(value, -high - 1), high)
        self.saturated[number, name] += clipped != value
        return clipped


def hadamard(values: Sequence[int]) -> Numbers:
    """H times integers (n), unnormalized: entry (c, j), (e, i) is core[c, e] times sylvester[j, i]."""
    m, chunk = factorize(len(values))
    across, within = core(m).tolist(), sylvester(chunk).tolist()
    chunks = [values[start : start + chunk] for start in range(0, len(values), chunk)]
    parts = [[sum(sign * value for sign, value in zip(row, part, strict=True)) for row in within] for part in chunks]
    return [sum(sign * part[j] for sign, part in zip(row, parts, strict=True)) for row in across for j in range(chunk)]


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


def _shift(value: int, k: int) -> int:
    """``value * 2**-k``, rounded half up."""
    return (value + (1 << k >> 1)) >> k if k > 0 else value << -k
