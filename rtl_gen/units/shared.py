"""Options that several units have."""

from qse_hw.golden.formats.presets import PRESETS
from qse_hw.golden.formats.scale import MAX_SCALE_BITS
from qse_hw.rtl_gen.units.kinds import Format, Input, Integer, OneOf
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
