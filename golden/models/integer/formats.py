"""The format of every tensor of a quantized model: the specification of the integer model and of hardware for it.

There are three kinds of type. Operands of products (the norm's output, say) have a segmented format with any scale; the
scale is folded into the product's multiplier. Local tensors (conv_input, say) have a segmented format whose step is a
power of two, so that the codes' values are fixed-point numbers, or are fixed point themselves; some have a step for
every channel, which costs nothing. The convolution's input may even have any: they are in the multipliers before and
after it. All other tensors are fixed point.

Here are the types and what a model's layers have in common; the layers are in
:mod:`qse_hw.golden.models.integer.mamba1.formats` and :mod:`qse_hw.golden.models.integer.mamba2.formats`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import ClassVar, Literal, TypeVar

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.checks import instance, integer, one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.transformations import Transformations

T = TypeVar("T")
Granularity = Literal["row", "tensor"]
GRANULARITIES: tuple[Granularity, ...] = ("row", "tensor")
Rounding = Literal["nearest", "stochastic"]
ROUNDINGS: tuple[Rounding, ...] = ("nearest", "stochastic")
Mode = Literal["free", "shared"]
MODES: tuple[Mode, ...] = ("free", "shared")
"""Of those in which x alone is calibrated (:data:`qse_hw.golden.calibration.sharing.MODES`)."""

LOCAL_BITS = 16
"""The most bits that the values of a local tensor's codes have: no segmented format reaches further."""
STATE_BITS = (16, 24)
MAX_EXPONENT = 64


@dataclass(frozen=True, kw_only=True)
class FixedPoint:
    """Two's complement integers of ``bits`` bits, 2 to 32, times ``2**exponent``."""

    bits: int
    exponent: int

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, integer(getattr(self, field.name), f"Fixed point's {field.name}"))
        if not 2 <= self.bits <= 32:
            raise InputError(f"Fixed point's bits must be from 2 to 32, not {self.bits}")
        if abs(self.exponent) > MAX_EXPONENT:
            raise InputError(
                f"Fixed point's exponent must be from -{MAX_EXPONENT} to {MAX_EXPONENT}, not {self.exponent}"
            )

    @property
    def high(self) -> int:
        """The greatest integer; the least is one less than its negative."""
        return (1 << (self.bits - 1)) - 1

    @property
    def step(self) -> Fraction:
        """The value of the integer 1."""
        return Fraction(2) ** self.exponent


@dataclass(frozen=True, kw_only=True)
class ChannelFormat:
    """A segmented format whose fine step is ``2**exponents[c]`` in channel c."""

    format: SegmentedFormat
    exponents: tuple[int, ...]

    def __post_init__(self) -> None:
        check_encoded(self.format, "Channels")
        object.__setattr__(self, "exponents", _exponents(self.exponents, "Channels'"))


@dataclass(frozen=True, kw_only=True)
class ScaledChannels:
    """A segmented format with a scale of its own, any, in every channel."""

    format: SegmentedFormat
    scales: tuple[Scale, ...]

    def __post_init__(self) -> None:
        check_encoded(self.format, "Channels")
        if not self.scales:
            raise InputError("Channels must have scales, at least one, not none")


Local = SegmentedQuantizer | FixedPoint
ChannelLocal = ChannelFormat | FixedPoint
ScaledLocal = ChannelLocal | ScaledChannels


@dataclass(frozen=True, kw_only=True)
class State:
    """How the SSM state is stored.

    Args:
        format: fixed point of 16 or 24 bits, or a segmented format whose fine step is one unit.
        exponents: log2 of the unit, one for every channel or one for all.
        rounding: "nearest", half up (a segmented format's: half away from zero); or "stochastic", by an LFSR.

    Raises:
        InputError: naming the rule that is broken.
    """

    format: Literal[16, 24] | SegmentedFormat
    exponents: tuple[int, ...]
    rounding: Rounding = "nearest"

    def __post_init__(self) -> None:
        if not isinstance(self.format, SegmentedFormat) and self.format not in STATE_BITS:
            raise InputError(f"State must have a segmented format, or 16 or 24 bits, not {self.format!r}")
        if isinstance(self.format, SegmentedFormat):
            check_encoded(self.format, "State")
        object.__setattr__(self, "exponents", _exponents(self.exponents, "State's"))
        one_of(self.rounding, ROUNDINGS, "State's rounding")

    @property
    def bits(self) -> int:
        """Bits of a stored value."""
        return self.format.bits if isinstance(self.format, SegmentedFormat) else self.format


class LayerFormats:
    """The formats of a layer: the base of a dataclass for each kind of mixer, in the order of its data flow.

    Attributes:
        ARCHITECTURE: of the models with such layers, as in their configuration.
        OPERANDS: names of the inputs of products, which have a segmented format with any scale.
        LOCALS: names of the local tensors.
        BY_CHANNEL: those of them that have a step for every channel, and what they are if they are not fixed point.
        FIXED: bits of the fixed-point tensors, by name.
        WEIGHTS: names of the weights.
        x: operand: the scan's input.
        B, C: local.
        delta: fixed point: the time steps.
        inflow: log2 of the unit of delta x (16 bits), one for every channel or one for all.
        state: the SSM state.
        scan: fixed point: C h + D x.
    """

    ARCHITECTURE: ClassVar[str]
    OPERANDS: ClassVar[tuple[str, ...]]
    LOCALS: ClassVar[tuple[str, ...]]
    BY_CHANNEL: ClassVar[Mapping[str, type[ChannelFormat | ScaledChannels]]]
    FIXED: ClassVar[Mapping[str, int]]
    WEIGHTS: ClassVar[tuple[str, ...]]

    x: SegmentedQuantizer
    B: Local
    C: Local
    delta: FixedPoint
    inflow: tuple[int, ...]
    state: State
    scan: FixedPoint

    def __post_init__(self) -> None:
        for name in self.OPERANDS:
            check_encoded(typed(getattr(self, name), SegmentedQuantizer, name).format, name)
        for name in self.LOCALS:
            coded = self.BY_CHANNEL.get(name, SegmentedQuantizer)
            local = typed(getattr(self, name), (coded, FixedPoint), name)
            if isinstance(local, FixedPoint):
                check_bits(local, LOCAL_BITS, name)
            elif isinstance(local, SegmentedQuantizer):
                _check_local(local, name)
        for name, bits in self.FIXED.items():
            check_bits(typed(getattr(self, name), FixedPoint, name), bits, name)
        object.__setattr__(self, "inflow", tuple(integer(one, "inflow") for one in self.inflow))
        if len(self.inflow) not in (1, len(self.state.exponents)) and len(self.state.exponents) != 1:
            raise InputError("inflow must have one exponent, or as many as the state has, but these differ")


WIDE_BITS = 24
"""Bits of the residual stream and of the logits."""


@dataclass(frozen=True, kw_only=True)
class ModelFormats:
    """The formats of a model. With the checkpoint of that fingerprint, they determine the integer model.

    Attributes:
        model: fingerprint of the checkpoint (SHA-256, hex).
        tokens: number of tokens of the calibration.
        transformations: applied to the checkpoint first.
        weights: whether every row of an int8 matrix has its own step, or the whole matrix one.
        residual: the residual stream: fixed point of 24 bits.
        layers: first to last, all of one kind of mixer.
        norm_f: operand of the head.
        logits: fixed point of 24 bits.
        mode: what the layers were asked to share.
    """

    model: str
    tokens: int
    transformations: Transformations
    weights: Granularity
    residual: FixedPoint
    layers: tuple[LayerFormats, ...]
    norm_f: SegmentedQuantizer
    logits: FixedPoint
    mode: Mode = "free"

    def __post_init__(self) -> None:
        instance(self.transformations, Transformations, "Transformations", "a Transformations")
        if not (self.transformations.fold_norms and self.transformations.rotate_y):
            raise InputError("Transformations must fold the norms and rotate y, as the integer model has no other way")
        one_of(self.weights, GRANULARITIES, "Weights")
        one_of(self.mode, MODES, "Mode of an integer model")
        if not self.layers:
            raise InputError("Formats must be of at least one layer, not none")
        if len({type(layer) for layer in self.layers}) > 1:
            raise InputError("Formats must be of layers of one kind of mixer, but these are of several")
        check_bits(self.residual, WIDE_BITS, "residual")
        check_bits(self.logits, WIDE_BITS, "logits")
        check_encoded(typed(self.norm_f, SegmentedQuantizer, "norm_f").format, "norm_f")

    @property
    def architecture(self) -> str:
        """As in the configuration of the model: "mamba1" or "mamba2"."""
        return self.layers[0].ARCHITECTURE

    def check(self, fingerprint: str, architecture: str, layers: int) -> None:
        """InputError unless these are the formats of the model with that fingerprint, kind and number of layers."""
        if self.model != fingerprint:
            raise InputError(
                f"Formats must be of this checkpoint, {fingerprint[:12]}, but are of {self.model[:12]}; calibrate again"
            )
        if self.architecture != architecture:
            raise InputError(f"Formats must be of a {architecture}, as the model is, not of a {self.architecture}")
        if len(self.layers) != layers:
            raise InputError(f"Formats must be of the model's {layers} layers, not of {len(self.layers)}")


def local_exponent(local: Local) -> int:
    """log2 of the value of the integer 1, which in a segmented format is a fine step."""
    if isinstance(local, FixedPoint):
        return local.exponent
    step = local.scale.step / Fraction(2) ** local.format.fraction_bits
    return step.numerator.bit_length() - step.denominator.bit_length()


def local_reach(local: Local | ScaledLocal) -> int:
    """The greatest magnitude of its integers."""
    if isinstance(local, FixedPoint):
        return local.high + 1
    return max(abs(value) for value in local.format.values.values())


def channel_exponents(local: ChannelLocal, channels: int) -> tuple[int, ...]:
    """log2 of the value of the integer 1 in every channel; InputError for another number of channels."""
    exponents = (local.exponent,) * channels if isinstance(local, FixedPoint) else local.exponents
    if len(exponents) != channels:
        raise InputError(f"Formats must have an exponent for each of {channels} channels, not {len(exponents)}")
    return exponents


def channel_steps(local: ScaledLocal, channels: int) -> list[Fraction]:
    """The value of the integer 1 in every channel; InputError for another number of channels."""
    if not isinstance(local, ScaledChannels):
        return [Fraction(2) ** exponent for exponent in channel_exponents(local, channels)]
    if len(local.scales) != channels:
        raise InputError(f"Formats must have a scale for each of {channels} channels, not {len(local.scales)}")
    return [scale.step / Fraction(2) ** local.format.fraction_bits for scale in local.scales]


def _exponents(given: tuple[int, ...], whose: str) -> tuple[int, ...]:
    exponents = tuple(integer(exponent, f"{whose} exponents") for exponent in given)
    if not exponents or any(abs(exponent) > MAX_EXPONENT for exponent in exponents):
        raise InputError(f"{whose} exponents must be from -{MAX_EXPONENT} to {MAX_EXPONENT}, not {exponents[:4]}")
    return exponents


def typed(value: T, kind: type | tuple[type, ...], name: str) -> T:
    """``value``; InputTypeError unless it is of a kind."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    instance(value, kinds, name, " or ".join(f"a {one.__name__}" for one in kinds))
    return value


def check_encoded(format: SegmentedFormat, name: str) -> None:
    """InputError for a format that the integer model cannot encode."""
    if any(segment.exact_end for segment in format.segments):
        raise InputError(f"{name}: format must have no segment with an exact end, not {format.name}")


def _check_local(local: SegmentedQuantizer, name: str) -> None:
    check_encoded(local.format, name)
    if local.scale.M & (local.scale.M - 1):
        raise InputError(f"{name}: scale's step must be a power of two, not {float(local.scale.step):.6g}")


def check_bits(fixed: FixedPoint, bits: int, name: str) -> None:
    """InputError for a type of other than so many bits."""
    if fixed.bits != bits:
        raise InputError(f"{name} must have {bits} bits, not {fixed.bits}; calibrate again")
