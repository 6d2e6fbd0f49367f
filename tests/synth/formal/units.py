"""Small units to prove: seconds each, and of every kind."""

from fractions import Fraction

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import FunctionConfig

TINY = SegmentedFormat(
    name="tiny",
    bits=5,
    kind="sign-magnitude",
    segments=(
        Segment(codes=5, log2_step=-1, first_code=8),
        Segment(codes=7, log2_step=0, first_code=0),
        Segment(codes=2, log2_step=2, first_code=13),
    ),
    aliases=((7, 6),),
)
OFFSET = SegmentedFormat(
    name="offset",
    bits=4,
    kind="offset",
    segments=(Segment(codes=9, log2_step=-1, first_code=0), Segment(codes=7, log2_step=1, first_code=9)),
    zero_point=3,
)
EXACT = SegmentedFormat(
    name="exact",
    bits=4,
    kind="sign-magnitude",
    segments=(
        Segment(codes=4, log2_step=-1, first_code=0, exact_end=True),
        Segment(codes=4, log2_step=0, first_code=4),
    ),
)


def encoder(format=TINY, input="s8", step=4.0, bits=4, **others):
    scale = None if step is None else Scale.from_step(step, bits)
    options = {"counter_width": 3, **others}
    return EncoderConfig(format=format, input=input_type(input), scale=scale, scale_bits=bits, **options)


def decoder(format=TINY, **others):
    return DecoderConfig(format=format, **others)


def function(**others):
    options = {
        "function": "exp2", "input": input_type("s8e-4"), "output": input_type("s8e-6"), "error": Fraction(1, 32),
        **others,
    }  # fmt: skip
    return FunctionConfig(**options)
