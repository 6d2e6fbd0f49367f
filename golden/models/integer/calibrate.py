"""Finds the formats of every tensor of a Mamba-1 from what a calibration text makes of them, layer by layer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.headroom import with_headroom
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import FormatSpec, TunedFormat, parse_format
from qse_hw.golden.calibration.tune import SIGNS, Tuner
from qse_hw.golden.checks import instance, one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import (
    BY_CHANNEL,
    FIXED,
    LOCAL_BITS,
    LOCALS,
    OPERANDS,
    WIDE_BITS,
    ChannelFormat,
    ChannelLocal,
    Decays,
    FixedPoint,
    Granularity,
    LayerFormats,
    Local,
    ModelFormats,
    Rounding,
    State,
    local_exponent,
)
from qse_hw.golden.models.integer.parameters import LOG2_E
from qse_hw.golden.models.integer.simulation import run_layer
from qse_hw.golden.models.integer.transformations import Transformations
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.model import Block, Mamba, MambaConfig
from qse_hw.golden.models.mamba.text import check_ids

LocalBits = Literal[8, 16]
StateKind = Literal["s16", "s24", "se8"]
STATES: tuple[StateKind, ...] = ("s16", "s24", "se8")
TUNED = parse_format("tuned")
SEQUENCE = 512
_SEQUENCES = 8  # at a time
_STATE_EVERY = 16  # every so many of a sequence's states are kept, and the greatest magnitude of all
STATE_HEADROOM = 5.0  # of the state and what flows in, by channel: a channel's peak says less than a tensor's
_LEAST = 40  # magnitudes below 2**-40 are taken for 0
_TWO_SIDED = 4  # times as far may the greatest magnitude be as the least value, for a sign bit to be worth its codes
HEADROOM = 1.25  # of fixed point: how far values may go, in units of the peak seen; beyond they saturate


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the formats may cost, and how they are found.

    Args:
        spec: of operands: a format, or how one is tuned.
        local_bits: of conv_input, gate, B, C and dt: 8, in formats tuned like the operands', or 16, fixed point.
        state: 16 or 24 bits with an exponent for every channel, or a tuned 8-bit format of all channels.
        rounding: of the state.
        weights: one step for every row of a matrix, or one for the matrix.
        residual_fraction: fraction bits of the residual stream.
    """

    spec: FormatSpec = TUNED
    local_bits: LocalBits = 8
    state: StateKind = "s16"
    rounding: Rounding = "nearest"
    weights: Granularity = "row"
    residual_fraction: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", parse_format(self.spec))
        if self.local_bits not in (8, LOCAL_BITS):
            raise InputError(f"Local bits must be 8 or {LOCAL_BITS}, not {self.local_bits!r}")
        one_of(self.state, STATES, "State")


@torch.no_grad()
def calibrate_integer(
    model: Mamba,
    ids: Tensor,
    *,
    tokens: int,
    options: Options | None = None,
    transformations: Transformations | None = None,
    progress: Callable[[int], None] | None = None,
) -> ModelFormats:
    """The formats of every tensor of every layer.

    Args:
        model: a Mamba-1 as it was trained.
        ids: (count,), cut into sequences of 512 tokens that each start from the empty state.
        tokens: how many of the ids to use, at least one sequence; rounded down to whole sequences.
        options: see :class:`Options`.
        transformations: made of the checkpoint first; None: all of them.
        progress: called with each layer's number when it is done.

    Raises:
        InputError: for a Mamba-2, a width without a Hadamard matrix, too short a text, or a tensor (named with its
            layer) that is zero or not finite, or for which there is no type.
    """
    instance(model, Mamba, "Model", "a Mamba of this package, as load_model gives it")
    if not isinstance(model.config, MambaConfig):
        raise InputError("Model must be a Mamba-1, not a Mamba-2; the integer model has no other mixer yet")
    check_ids(ids, model.config.vocab_size)
    options, wanted = options or Options(), transformations or Transformations()
    if not SEQUENCE <= tokens <= len(ids):
        raise InputError(f"Tokens must be from one sequence of {SEQUENCE} to the text's {len(ids)}, not {tokens}")
    changed = wanted.model(model)
    text = ids[: tokens // SEQUENCE * SEQUENCE].long().view(-1, SEQUENCE)
    residual = changed.backbone.embedding(text)
    layers = []
    for number, block in enumerate(changed.blocks):
        seen = _Seen(number)
        residual = torch.cat([run_layer(block, part, seen) for part in residual.split(_SEQUENCES)])
        layers.append(_layer_formats(block, seen, options))
        if progress is not None:
            progress(number)
    last = _Seen(None)
    hidden = last("norm_f", F.rms_norm(residual, residual.shape[-1:], eps=model.config.eps))
    logits = last("logits", F.linear(hidden, changed.lm_head.weight))
    return ModelFormats(
        model=fingerprint(model),
        tokens=text.numel(),
        transformations=wanted,
        weights=options.weights,
        residual=FixedPoint(bits=WIDE_BITS, exponent=-options.residual_fraction),
        layers=tuple(layers),
        norm_f=_operand(last.histogram("norm_f"), options),
        logits=fixed_point(4 * float(logits.abs().max()), WIDE_BITS),
    )


class _Seen:
    """What one layer's tensors were; a hook of :func:`run_layer`."""

    def __init__(self, layer: int | None) -> None:
        self._where = "" if layer is None else f"Layer {layer}, "
        self._kept: dict[str, list[npt.NDArray[np.float32]]] = {}
        self.peaks: dict[str, npt.NDArray[np.float64]] = {}  # by channel
        self._steps = 0

    def __call__(self, name: str, value: Tensor) -> Tensor:
        channels = (0, 2) if name == "state" else (0, 1)
        peaks = value.abs().amax(channels).double().numpy()
        if not np.isfinite(peaks).all():
            raise InputError(f"{self._where}{name} must be finite, but has NaN or infinity; check the checkpoint")
        self.peaks[name] = np.maximum(self.peaks.get(name, 0.0), peaks)
        if name == "state":
            self._steps += 1
            if self._steps % _STATE_EVERY:
                return value
        if name in (*OPERANDS, *LOCALS, "state", "norm_f"):
            self._kept.setdefault(name, []).append(value.float().numpy().copy())
        return value

    def values(self, name: str) -> npt.NDArray[np.float32]:
        """All that was kept, (..., channels) or for the state (b, d, n)."""
        return np.concatenate(self._kept[name])

    def histogram(self, name: str, octaves: npt.NDArray[np.int64] | None = None) -> Histogram:
        """Of what was kept, each channel divided by two to the power of its ``octaves``."""
        values = self.values(name)
        try:
            return Histogram(values if octaves is None else np.ldexp(values, -octaves))
        except InputError as error:
            raise InputError(f"{self._where}{name}: {error}") from error


def _layer_formats(block: Block, seen: _Seen, options: Options) -> LayerFormats:
    peaks = {name: HEADROOM * float(seen.peaks[name].max()) for name in FIXED}
    fixed: dict[str, Any] = {name: fixed_point(peaks[name], bits) for name, bits in FIXED.items()}
    operands: dict[str, Any] = {name: _operand(seen.histogram(name), options) for name in OPERANDS}
    locals_: dict[str, Any] = {name: _local(seen, name, options) for name in LOCALS if name not in BY_CHANNEL}
    locals_["conv_input"] = _by_channel(seen, "conv_input", options)
    locals_["dt"] = _by_channel(seen, "dt", options, least=fixed["dt_sum"].exponent)
    state = _state(seen, options, fixed["scan"], locals_["C"])
    exponents = _exponents(STATE_HEADROOM * seen.peaks["inflow"], LOCAL_BITS)
    least = np.array(state.exponents) - 15 - local_exponent(locals_["B"])
    return LayerFormats(
        **operands,
        **locals_,
        **fixed,
        A=_decays(cast(Any, block.mixer).A_log),
        state=state,
        inflow=tuple(np.maximum(exponents, least).tolist()),
    )


def fixed_point(peak: float, bits: int = LOCAL_BITS) -> FixedPoint:
    """The finest fixed point that reaches ``peak``."""
    return FixedPoint(bits=bits, exponent=int(_exponents(np.array([peak]), bits)[0]))


def _exponents(peaks: npt.NDArray[np.float64], bits: int) -> npt.NDArray[np.int64]:
    """The least exponents with which ``bits`` bits reach the peaks; of a peak of 0 as of the greatest over 2^16."""
    least = max(float(peaks.max()) * 2.0**-16, 2.0**-_LEAST)
    exponents: npt.NDArray[np.int64] = np.frexp(np.maximum(peaks, least))[1].astype(np.int64) - (bits - 1)
    return exponents


def _operand(histogram: Histogram, options: Options) -> SegmentedQuantizer:
    return _fitted(histogram, options.spec, 16)


def _power_of_two(histogram: Histogram, spec: FormatSpec) -> SegmentedQuantizer:
    return _fitted(histogram, spec, 1)


def _fitted(histogram: Histogram, spec: FormatSpec, scale_bits: int) -> SegmentedQuantizer:
    """The format of least squared error, of tuned ones that with a sign bit only if negative values go as far."""
    if not isinstance(spec, TunedFormat):
        return Fitter(histogram, scale_bits=scale_bits).least_squares(spec)
    wanted = spec.budget
    sign = SIGNS[histogram.low * _TWO_SIDED < -histogram.peak]
    roomy = with_headroom(histogram, wanted.headroom)
    return Tuner(roomy, replace(wanted, signs=(sign,)), scale_bits).best(wanted.segments)


def _decays(A_log: Tensor) -> Decays:
    """What the channels have in common is their median; what counts of the rest is its share of that."""
    A = A_log.double().exp().numpy() * LOG2_E
    medians = np.median(A, axis=0)
    octaves = np.frexp(medians)[1].astype(np.int64)
    rest = Histogram(np.ldexp(A - medians, -octaves).astype(np.float32))
    quantizer = _power_of_two(rest, parse_format("tuned:headroom=1"))
    exponent = int(octaves.min()) + local_exponent(quantizer)
    return Decays(
        format=quantizer.format,
        exponent=exponent,
        base=tuple(np.rint(np.ldexp(medians, -exponent)).astype(int).tolist()),
        shifts=tuple((octaves - octaves.min()).tolist()),
    )


def _local(seen: _Seen, name: str, options: Options) -> Local:
    if options.local_bits == LOCAL_BITS:
        return fixed_point(HEADROOM * float(seen.peaks[name].max()))
    return _power_of_two(seen.histogram(name), options.spec)


def _by_channel(seen: _Seen, name: str, options: Options, least: int = -_LEAST) -> ChannelLocal:
    """Channels have the power of two next to their root mean square, and a format in units of that in common."""
    if options.local_bits == LOCAL_BITS:
        fixed = fixed_point(HEADROOM * float(seen.peaks[name].max()))
        return replace(fixed, exponent=max(fixed.exponent, least))
    values = seen.values(name)
    rms = np.sqrt(np.square(values, dtype=np.float64).mean(axis=(0, 1)))
    octaves = np.rint(np.log2(np.maximum(rms, rms.max() * 2.0**-16 + 2.0**-_LEAST))).astype(np.int64)
    quantizer = _power_of_two(seen.histogram(name, octaves), options.spec)
    exponents = np.maximum(octaves + local_exponent(quantizer), least)
    return ChannelFormat(format=quantizer.format, exponents=tuple(exponents.tolist()))


def _state(seen: _Seen, options: Options, scan: FixedPoint, C: Local) -> State:
    """An exponent for every channel, no coarser than what is left of C h to be rounded."""
    peaks = STATE_HEADROOM * seen.peaks["state"]
    coarsest = scan.exponent - local_exponent(C)
    format: SegmentedFormat | Literal[16, 24]
    if options.state == "se8":
        exponents = _exponents(peaks, 2)
        quantizer = _power_of_two(seen.histogram("state", exponents[:, None]), TUNED)
        format = quantizer.format
        exponents = exponents + local_exponent(quantizer)
    else:
        format = 16 if options.state == "s16" else 24
        exponents = _exponents(peaks, format)
    exponents = np.minimum(exponents, coarsest)
    return State(format=format, exponents=tuple(exponents.tolist()), rounding=options.rounding)
