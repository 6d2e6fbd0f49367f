"""Options that several units have."""

from fractions import Fraction

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import PRESETS
from qse_hw.golden.formats.scale import MAX_SCALE_BITS
from qse_hw.rtl_gen.units.option_kinds import Format, Input, Integer, Number, OneOf
from qse_hw.rtl_gen.units.options import Option

TARGETS = ("generic", "ecp5")

FORMAT = Option(
    kind=Format(),
    help=f"{', '.join(PRESETS)}, with parameters as in se8:L=12, or a .json file",
    metavar="F",
    text_default="se8",
)
INPUT = Option(kind=Input(), help="fp32, fp16, bf16, sW or sWeE", metavar="T", text_default="fp32")
SCALE_BITS = Option(
    kind=Integer(1, MAX_SCALE_BITS), help=f"width of M, 1 to {MAX_SCALE_BITS}", metavar="B", default=16, measure="bits"
)
LANES = Option(kind=Integer(1, 1024), help="values per cycle", metavar="N", default=1, measure="values")
TARGET = Option(kind=OneOf(TARGETS), help=" or ".join(TARGETS), metavar="T", default=TARGETS[0])
PIPELINE = Option(
    kind=Integer(optional=True),
    help="optional registers, 0 for the fewest (default: see docs/units.md)",
    metavar="N",
    default=None,
)
COUNTER_WIDTH = Option(
    kind=Integer(0, 64, zero="no counter"),
    help="saturation counter, 0 for none",
    metavar="W",
    default=32,
    measure="bits",
)
SILU_INPUT = Option(
    kind=Input(), help="of SiLU's inputs, sWeE", metavar="T", default=input_type("s16e-10"), text_default="s16e-10"
)
SILU_OUTPUT = Option(
    kind=Input(), help="of SiLU's outputs, sWeE", metavar="T", default=input_type("s18e-12"), text_default="s18e-12"
)
SILU_ERROR = Option(
    kind=Number(), help="the most that an output may be away from SiLU", metavar="E", default=Fraction(1, 4096),
    text_default="2^-12",
)  # fmt: skip
