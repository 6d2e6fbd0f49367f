"""Options that several units have."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import PRESETS
from qse_hw.golden.formats.scale import MAX_SCALE_BITS
from qse_hw.rtl_gen.units.option_kinds import Format, Input, Integer, Number, OneOf
from qse_hw.rtl_gen.units.options import Option

TARGETS = ("generic", "ecp5")

FORMAT = Option(
    kind=Format(),
    help=f"{', '.join(PRESETS)}, with parameters as in se8:L=12 (L from 1 to 15), or a .json file",
    metavar="F",
    text_default="se8",
)
INPUT = Option(kind=Input(), help="fp32, fp16, bf16, sW or sWeE", metavar="T", text_default="fp32")
SCALE_BITS = Option(
    kind=Integer(1, MAX_SCALE_BITS), help=f"width of M, 1 to {MAX_SCALE_BITS}", metavar="B", default=16, measure="bits"
)
LANES = Option(kind=Integer(1, 1024), help="values per cycle", metavar="N", default=1, measure="values")
SEQUENCES = Option(
    kind=Integer(1, 256), help="sequences whose states are kept, so that their tokens may be mixed", metavar="N",
    default=1, measure="sequences",
)  # fmt: skip
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


def sequence_bits(sequences: int) -> int:
    """Bits of a sequence's number; of the only one none."""
    return (sequences - 1).bit_length()


def first_meaning(sequences: int) -> str:
    """What the top bits of a unit's input are that keeps the states of so many sequences."""
    if sequences == 1:
        return "top bit: first token of a sequence"
    bits = sequence_bits(sequences)
    top = "top bit" if bits == 1 else f"top {bits} bits"
    return f"above, a bit: first token of its sequence; {top}: the sequence's number, below {sequences}"


def mix_sequences(
    rng: np.random.Generator, first: npt.NDArray[np.bool_], sequences: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Random numbers of sequences for the tokens of vectors, and which tokens are their sequences' first.

    Args:
        rng: draws the numbers; of the only sequence none.
        first: (tokens,): these are first tokens, too.
        sequences: how many there are.
    """
    if sequences == 1:
        return np.zeros(len(first), np.int64), first
    numbers = rng.integers(0, sequences, len(first))
    begins = np.zeros(len(first), np.bool_)
    begins[np.unique(numbers, return_index=True)[1]] = True
    return numbers, first | begins
