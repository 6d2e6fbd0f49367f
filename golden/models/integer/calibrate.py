"""Finds the format of every tensor of a Mamba-1, layer by layer, from the values it takes on a calibration text."""

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
from qse_hw.golden.checks import instance, integer, one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import (
    BY_CHANNEL,
    FIXED,
    GRANULARITIES,
    LOCAL_BITS,
    LOCALS,
    OPERANDS,
    ROUNDINGS,
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
_SEQUENCES = 8  # run at a time
_STATE_EVERY = 16  # one state in 16 is kept for the histograms; peaks are of all states
STATE_HEADROOM = 5.0  # of the state and of its inflow; wide, since the peak of a single channel is a poor estimate
_LEAST = 40  # peaks below 2**-40 are taken as 2**-40
_TWO_SIDED = 4  # a sign bit is used only if the negative peak is more than a quarter of the peak
HEADROOM = 1.25  # fixed point reaches this times the peak seen; larger values saturate


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the formats are chosen.

    Args:
        spec: the operands' format, or how it is tuned.
        local_bits: bits of conv_input, gate, B, C and dt: 8 (the operands' kind of format) or 16 (fixed point).
        state: 16 or 24 bits, or a tuned 8-bit format; each channel has its own exponent.
        rounding: how the state is rounded.
        weights: whether every row of a weight matrix has its own step, or the whole matrix one.
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
        one_of(self.rounding, ROUNDINGS, "State's rounding")
        one_of(self.weights, GRANULARITIES, "Weights")
        if not 0 <= integer(self.residual_fraction, "Residual fraction") < WIDE_BITS - 1:
            raise InputError(f"Residual fraction must be from 0 to {WIDE_BITS - 2} bits, not {self.residual_fraction}")


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
    """Choose the format of every tensor of every layer.

    Args:
        model: a Mamba-1 as it was trained.
        ids: (count,), cut into sequences of 512 tokens that each start from the empty state.
        tokens: number of ids to use, at least one sequence; rounded down to whole sequences.
        options: see :class:`Options`.
        transformations: applied to the checkpoint first; None: all of them.
        progress: called with each layer's number when it is done.

    Raises:
        InputError: for a Mamba-2, a width without a Hadamard matrix, too short a text, or a tensor (named with its
            layer) that is zero or not finite, or that no type can hold.
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
    """Records one layer's tensors; a hook of :func:`run_layer`."""

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
        """The recorded values: (..., channels), or (b, d, n) for the state."""
        return np.concatenate(self._kept[name])

    def histogram(self, name: str, octaves: npt.NDArray[np.int64] | None = None) -> Histogram:
        """The histogram of the recorded values, each channel divided by ``2**octaves``."""
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
    """The finest fixed-point type that reaches ``peak``."""
    return FixedPoint(bits=bits, exponent=int(_exponents(np.array([peak]), bits)[0]))


def _exponents(peaks: npt.NDArray[np.float64], bits: int) -> npt.NDArray[np.int64]:
    """The least exponents with which ``bits`` bits reach the peaks; smaller peaks count as the largest over 2^16."""
    least = max(float(peaks.max()) * 2.0**-16, 2.0**-_LEAST)
    exponents: npt.NDArray[np.int64] = np.frexp(np.maximum(peaks, least))[1].astype(np.int64) - (bits - 1)
    return exponents


def _operand(histogram: Histogram, options: Options) -> SegmentedQuantizer:
    return _fitted(histogram, options.spec, 16)


def _power_of_two(histogram: Histogram, spec: FormatSpec) -> SegmentedQuantizer:
    return _fitted(histogram, spec, 1)


def _fitted(histogram: Histogram, spec: FormatSpec, scale_bits: int) -> SegmentedQuantizer:
    """The format of least squared error; a tuned one has a sign bit only by the rule of ``_TWO_SIDED``."""
    if not isinstance(spec, TunedFormat):
        return Fitter(histogram, scale_bits=scale_bits).least_squares(spec)
    wanted = spec.budget
    sign = SIGNS[histogram.low * _TWO_SIDED < -histogram.peak]
    roomy = with_headroom(histogram, wanted.headroom)
    return Tuner(roomy, replace(wanted, signs=(sign,)), scale_bits).best(wanted.segments)


def _decays(A_log: Tensor) -> Decays:
    """The base is the median over the channels; the rest is fitted relative to that median."""
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
    """Each channel is scaled by the power of two nearest its root mean square; all share one format."""
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
    """One exponent per channel, small enough that C h is never coarser than the scan's output."""
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
