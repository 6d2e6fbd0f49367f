"""The integer Mamba-1 on arrays, bit-exact with :mod:`qse_hw.golden.models.integer.scalar`.

Integers are held in float64 wherever their products and sums stay below 2^53 (a 31-bit sum times a 16-bit multiplier,
say): that is exact, and faster than int64. Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``d_state`` n.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table, tables
from qse_hw.golden.models.integer import lfsr
from qse_hw.golden.models.integer.formats import LOCAL_BITS, ChannelFormat, FixedPoint, Local, ModelFormats
from qse_hw.golden.models.integer.functions import EXP2, RECIPROCAL_ROOT, bit_length
from qse_hw.golden.models.integer.parameters import Layer, Multiplier, Norm, Parameters, Product, model_parameters
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.reference.hadamard import transform

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_CHUNK_VALUES = 1 << 18  # of the scan, held at once: few enough to stay in the cache
_DECAYS = EXP2.array(np.arange((EXP2.LAST + 1) << EXP2.INPUT_FRACTION)).astype(np.float64)


@dataclass
class States:
    """What a sequence carries over to its next token, for every layer: the convolution's last inputs
    (b, d, width - 1), the SSM state (b, d, n), and the LFSR's word.
    """

    windows: list[Floats]
    states: list[Floats]
    words: list[int]


class IntegerMamba:
    """Computes with integers only: token ids in, integer logits out.

    Args:
        parameters: the model's integers.

    Attributes:
        saturated: how often each tensor's values saturated, by ``(layer, name)``; layer None: outside the layers.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.saturated: Counter[tuple[int | None, str]] = Counter()

    @classmethod
    def of(cls, model: Mamba, formats: ModelFormats) -> "IntegerMamba":
        """The integer model of a Mamba-1 as it was trained; raises InputError as :func:`model_parameters` does."""
        return cls(model_parameters(model, formats))

    def start(self, batch: int) -> States:
        """The empty state of ``batch`` sequences."""
        layers = self.parameters.layers
        return States(
            windows=[np.zeros((batch, len(layer.taps), layer.taps.shape[1] - 1)) for layer in layers],
            states=[np.zeros((batch, *layer.A.shape)) for layer in layers],
            words=[number + 1 for number in range(len(layers))],
        )

    def __call__(self, ids: Tensor) -> Tensor:
        """Logits (b, l, vocab_size), float32, of ids (b, l); every sequence starts from the empty state."""
        logits = self.forward(ids.cpu().numpy(), self.start(len(ids)))
        return torch.from_numpy(np.ldexp(logits, self.parameters.formats.logits.exponent).astype(np.float32))

    def forward(self, ids: npt.NDArray[np.integer[Any]], states: States) -> Integers:
        """Logits int64 (b, l, vocab_size), in units of their type, of further tokens (b, l); updates ``states``."""
        own, formats = self.parameters, self.parameters.formats
        factor = own.embedding.by.M * np.ldexp(1.0, -own.embedding.by.k)
        residual = self._fixed(own.embedding.weights[ids] * factor[ids][..., None], formats.residual, None, "residual")
        for number, layer in enumerate(own.layers):
            added = self._mix(number, layer, residual, states)
            residual = self._clip(residual + added, formats.residual.high, number, "residual")
        hidden = self._normalize(None, "norm_f", own.norm_f, residual)
        return self._product(None, "logits", own.head, hidden, formats.logits).astype(np.int64)

    def _mix(self, number: int, layer: Layer, residual: Floats, states: States) -> Floats:
        f = layer.formats
        hidden = self._normalize(number, "norm", layer.norm, residual)
        conv_input = self._product(number, "conv_input", layer.conv_input, hidden, f.conv_input)
        gate = self._product(number, "gate", layer.gate, hidden, f.gate)
        conv_sum = self._convolve(number, layer, conv_input, states)
        x = self._encode(number, "x", layer.silu.array(conv_sum).astype(np.float64), layer.x_scale, f.x.format)
        dt_low = self._product(number, "dt_low", layer.dt_low, x, f.dt_low)
        B = self._product(number, "B", layer.B, x, f.B)
        C = self._product(number, "C", layer.C, x, f.C)
        dt = self._product(number, "dt", layer.dt, dt_low, f.dt)
        total = self._clip(dt * np.ldexp(1.0, layer.dt_shift) + layer.dt_bias, f.dt_sum.high, number, "dt_sum")
        delta = layer.softplus.array(total.astype(np.int64)).astype(np.float64)
        y = self._scan(number, layer, x, delta, B, C, states)
        y *= layer.silu_gate.array(gate.astype(np.int64))
        gated = self._fixed(np.ldexp(y, -layer.gated_shift), f.gated, number, "gated")
        rotated = transform(gated.astype(np.int64)).astype(np.float64)
        codes = self._encode(number, "y", rotated, layer.y_scale, f.y.format)
        return self._product(number, "out", layer.out, codes, self.parameters.formats.residual)

    def _normalize(self, number: int | None, name: str, norm: Norm, residual: Floats) -> Floats:
        root = RECIPROCAL_ROOT.array((residual * residual).sum(-1).astype(np.int64) + norm.eps)
        M = root.mantissa * norm.scale.M
        cut = bit_length(M) - 16
        factor = np.ldexp((M >> cut).astype(np.float64), -(root.shift + norm.scale.k - cut))
        return self._position(number, name, residual * factor[..., None], norm.format)

    def _convolve(self, number: int, layer: Layer, values: Floats, states: States) -> Integers:
        """The sum (b, l, d), with its bias."""
        width = layer.taps.shape[1]
        seen = np.concatenate((states.windows[number].swapaxes(1, 2), values), axis=1)
        states.windows[number] = seen[:, seen.shape[1] - (width - 1) :].swapaxes(1, 2)
        length = values.shape[1]
        total = np.zeros_like(values) + layer.conv_bias
        for place in range(width):
            total += seen[:, place : place + length] * layer.taps[:, place]
        by = _factor(layer.conv_by)
        return self._fixed(total * by, layer.formats.conv_sum, number, "conv_sum").astype(np.int64)

    def _scan(
        self, number: int, layer: Layer, x: Floats, delta: Floats, B: Floats, C: Floats, states: States
    ) -> Floats:
        """C h + D x (b, l, d)."""
        flow = self._fixed(delta * x * _factor(layer.inflow), FixedPoint(bits=LOCAL_BITS, exponent=0), number, "inflow")
        flow *= np.ldexp(1.0, layer.inflow_shift - 15)  # in the state's units from here on
        A = np.ldexp(layer.A.astype(np.float64), -layer.to_exponent)
        h, batch, length = states.states[number], len(x), x.shape[1]
        y = x * layer.D
        steps = max(1, _CHUNK_VALUES // h.size)
        for start in range(0, length, steps):
            chunk = slice(start, min(start + steps, length))
            exponents = np.floor(_time_first(delta, chunk)[..., None] * A + 0.5).astype(np.int64)
            decays = _DECAYS.take(exponents, mode="clip") * 2.0**-15
            nows = _time_first(flow, chunk)[..., None] * _time_first(B, chunk)[:, :, None, :]
            random = self._random(number, layer, states, len(nows))
            for time, decay in enumerate(decays):
                nows[time] += decay * h
                h = nows[time] = self._store(number, layer, nows[time], random if random is None else random[time])
            read = nows @ _time_first(C, chunk)[..., None]
            y[:, chunk] += read[..., 0].swapaxes(0, 1)
        states.states[number] = h.reshape(batch, *layer.A.shape)
        y *= np.ldexp(1.0, -layer.scan_shift)
        return self._fixed(y, layer.formats.scan, number, "scan")

    def _random(self, number: int, layer: Layer, states: States, steps: int) -> Floats | None:
        """15-bit random fractions (steps, d, n), from 0 to below 1; None for rounding to nearest."""
        if layer.formats.state.rounding == "nearest":
            return None
        words = lfsr.words(states.words[number], steps * layer.A.size)
        states.words[number] = int(words[-1])
        drawn = (words[:-1] & ((1 << lfsr.BITS) - 1)).astype(np.float64)
        return drawn.reshape(steps, *layer.A.shape) * 2.0**-lfsr.BITS

    def _store(self, number: int, layer: Layer, now: Floats, random: Floats | None) -> Floats:
        """The stored state (b, d, n)."""
        format = layer.formats.state.format
        if not isinstance(format, SegmentedFormat):
            np.floor(now + (0.5 if random is None else random), out=now)
            return self._clip(now, (1 << (format - 1)) - 1, number, "state")
        if random is not None:
            now = _dithered(now, random, format)
        return self._position(number, "state", np.ldexp(now, -format.fraction_bits), format)

    def _product(
        self, number: int | None, name: str, product: Product, x: Floats, to: Local | ChannelFormat
    ) -> Floats:
        sums = x @ product.weights.T.astype(np.float64)
        sums *= _factor(product.by)
        if isinstance(to, FixedPoint):
            return self._fixed(sums, to, number, name)
        return self._position(number, name, sums, to.format)

    def _encode(self, number: int, name: str, value: Floats, scale: Scale, format: SegmentedFormat) -> Floats:
        return self._position(number, name, value * (scale.M * 2.0**-scale.k), format)

    def _position(self, number: int | None, name: str, u: Floats, format: SegmentedFormat) -> Floats:
        """Encodes ``u``, given in units of the step s; returns the codes' values in fine steps."""
        table = tables(format)
        positions = u * 2.0 ** (format.fraction_bits + 1)
        np.clip(positions, table.low, table.high, out=positions)
        if not format.signed:
            np.floor(positions, out=positions)
        rows = positions.astype(np.intp)  # truncates, which for signed formats floors the magnitude
        rows -= table.first
        self.saturated[number, name] += int(table.saturated.take(rows).sum())
        return _values(format).take(rows)

    def _fixed(self, value: Floats, to: FixedPoint, number: int | None, name: str) -> Floats:
        """Rounded half up; saturated."""
        return self._clip(np.floor(value + 0.5), to.high, number, name)

    def _clip(self, value: Floats, high: int, number: int | None, name: str) -> Floats:
        clipped = np.clip(value, -high - 1, high)
        self.saturated[number, name] += int(np.count_nonzero(clipped != value))
        return clipped


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


def _factor(by: Multiplier) -> Floats:
    factors: Floats = np.ldexp(by.M.astype(np.float64), -by.k)
    return factors


def _time_first(values: Floats, chunk: slice) -> Floats:
    return np.ascontiguousarray(values[:, chunk].swapaxes(0, 1))
