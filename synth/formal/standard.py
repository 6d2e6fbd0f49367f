"""The units of the recorded proofs: every kind of format, input and implementation at least once."""

from fractions import Fraction

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.rtl_gen.units.gate import GateConfig
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.rtl_gen.units.matvec import MatvecConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.rtl_gen.units.shared import TARGETS
from qse_hw.rtl_gen.units.time_step import TimeStepConfig

FIVE = SegmentedFormat(
    name="five",
    bits=8,
    kind="offset",
    segments=(
        Segment(codes=10, log2_step=-1, first_code=0),
        Segment(codes=40, log2_step=-2, first_code=10),
        Segment(codes=60, log2_step=-1, first_code=50),
        Segment(codes=100, log2_step=0, first_code=110),
        Segment(codes=46, log2_step=3, first_code=210),
    ),
    zero_point=36,
)
"""Five segments whose steps decrease and increase."""

SMALL = SegmentedFormat(
    name="small",
    bits=4,
    kind="offset",
    segments=(Segment(codes=9, log2_step=-1, first_code=0), Segment(codes=7, log2_step=1, first_code=9)),
    zero_point=3,
)
"""The smallest format whose quantizer has every kind of register."""

_FLOAT, _FIXED = 0.0147, 0.0018
"""Steps for floating-point inputs, and for fixed-point inputs relative to half their range."""


def standard() -> list[UnitConfig]:
    """The standard list."""
    return [
        _encoder("se8", "s16"),
        _encoder("se8", "s16", target="ecp5"),
        _encoder("se8", "s16", arch="parallel"),
        _encoder("se8", "s32"),
        _encoder("se8", "fp32"),
        _encoder("se8", "fp32", target="ecp5"),
        _encoder("se8", "fp16", pipeline=0),
        _encoder("se8", "bf16", scale=None, scale_bits=4),
        _encoder("se8", "bf16", scale=None),
        _encoder("se8", "s8", scale=None, scale_bits=4),
        _encoder("se8-silu", "bf16", lanes=2),
        _encoder("se8-silu", "bf16", target="ecp5"),
        _encoder("se8-silu", "s24"),
        _encoder("se9-paper", "bf16"),
        _encoder("int8", "s16"),
        _encoder("int8:narrow_range=1", "fp16"),
        _encoder("int8-asym", "bf16"),
        _encoder(FIVE, "bf16"),
        _encoder(FIVE, "s16", pipeline=0),
        *(DecoderConfig(format=_format(name)) for name in ("se8", "se8-silu", "se9-paper", "int8-asym", FIVE)),
        DecoderConfig(format=_format("int8:narrow_range=1"), lanes=2),
        QuantizerConfig(format=_format("se8"), input=input_type("bf16"), scale=Scale.from_step(_FLOAT)),
        QuantizerConfig(format=_format("se8-silu"), input=input_type("s16"), scale=_scale("s16")),
        _quantizer("se8"),
        _quantizer("int8-asym"),
        *(_engine(backlog=backlog) for backlog in (False, True)),
        LinearConfig(format=_format("se8"), inputs=8, outputs=4),
        ConvolutionConfig(channels=8),
        RmsnormConfig(format=_format("se8"), size=64, eps=100),
        *(ScanConfig(channels=8, states=4, lanes=2, target=target) for target in TARGETS),
        GateConfig(),
        ResidualConfig(size=64, lanes=2, target="ecp5"),
        TimeStepConfig(channels=8, input=input_type("s6e-3"), output=input_type("s7e-4"), error=Fraction(1, 16)),
        ActivationConfig(
            format=_format("se8-silu"),
            input=input_type("s6e-3"),
            output=input_type("s7e-4"),
            error=Fraction(1, 16),
            scale_bits=2,
        ),
        _function("softplus", "s10e-6", "s10e-7", 7),
        _function("silu", "s10e-6", "s11e-6", 6),
        _function("exp2", "s10e-6", "s10e-8", 8, target="ecp5"),
        _function("rsqrt", "s10e-4", "s11e-7", 7, degree=2),
    ]


def quick() -> list[UnitConfig]:
    """Units whose proofs take about a minute."""
    return [_encoder("se8", "bf16"), DecoderConfig(format=_format("se8"))]


def wrong() -> list[UnitConfig]:
    """Small units whose faults, together, cover every property."""
    return [
        _encoder("se8", "s12", scale=Scale.from_step(8.3, 6), counter_width=4),
        _encoder("se8-silu", "bf16", scale=Scale.from_step(_FLOAT, 6)),
        DecoderConfig(format=_format("se9-paper")),
        QuantizerConfig(format=SMALL, input=input_type("s8"), scale=Scale.from_step(4.0, 4), pipeline=0),
        _function("exp2", "s8e-4", "s8e-6", 5),
        _engine(backlog=True),
        ResidualConfig(size=10, width=4),
        LinearConfig(format=_format("se8"), inputs=8, outputs=4),
        ConvolutionConfig(channels=8),
        RmsnormConfig(format=_format("se8"), size=64, eps=100),
        ScanConfig(channels=8, states=4),
        TimeStepConfig(channels=8, input=input_type("s6e-3"), output=input_type("s7e-4"), error=Fraction(1, 16)),
    ]


def _format(named: str | SegmentedFormat) -> SegmentedFormat:
    return load_format(named) if isinstance(named, str) else named


def _scale(input: str) -> Scale:
    kind = input_type(input)
    return Scale.from_step(_FLOAT if kind.is_float else _FIXED * 2.0 ** (kind.width - 1))


def _encoder(format: str | SegmentedFormat, input: str, **others: object) -> EncoderConfig:
    options = {"scale": _scale(input), **others}
    return EncoderConfig(format=_format(format), input=input_type(input), **options)  # type: ignore[arg-type]


def _quantizer(format: str) -> QuantizerConfig:
    """A quantizer with a small lane: its properties do not depend on the lanes' arithmetic, which is cut out."""
    return QuantizerConfig(format=_format(format), input=input_type("s8"), scale=Scale.from_step(1.4, 8), pipeline=0)


def _engine(*, backlog: bool) -> MatvecConfig:
    """A small engine: the way out of sums depends on rows alone."""
    return MatvecConfig(sizes=(4, 9), rows=2, columns=1, width=4, tag_bits=1, backlog=backlog)


def _function(name: str, input: str, output: str, bits: int, **others: object) -> FunctionConfig:
    """Within ``2**-bits``."""
    types = {"input": input_type(input), "output": input_type(output)}
    return FunctionConfig(function=name, error=Fraction(1, 1 << bits), **types, **others)  # type: ignore[arg-type]
