# amaranth: UnusedElaboratable=no
"""Configuration of an RMSNorm."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import spec_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.functions.root import ARGUMENT_BITS, ERROR, MAX_INPUT_BITS, ReciprocalRoot, reciprocal_root
from qse_hw.golden.reference.linear import MAX_SIZE
from qse_hw.golden.reference.norm import M_BITS, MAX_SCALE_K, MIN_SCALE_K, normalize
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig, format_facts
from qse_hw.rtl_gen.units.option_kinds import Integer, Number
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import FORMAT, LANES, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.norm.rmsnorm import Rmsnorm

SEED = 20261201  # of the vectors' random values
_RANDOM = 12


@dataclass(frozen=True, kw_only=True)
class RmsnormConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.norm.rmsnorm.Rmsnorm`."""

    unit: ClassVar[str] = "rmsnorm"
    summary: ClassVar[str] = "RMSNorm of fixed-point tokens, to codes"

    format: SegmentedFormat = option(FORMAT)
    size: int = option(kind=Integer(1, MAX_SIZE), help="values of a token", metavar="N", measure="values")
    width: int = option(kind=Integer(2, 24), help="bits of the inputs", metavar="B", default=24, measure="bits")
    eps: int = option(
        kind=Integer(1, (1 << 60) - 1), help="added to the sum of squares: eps in squares of the inputs' step, times N",
        metavar="E",
    )  # fmt: skip
    error: Fraction = option(
        kind=Number(), help="the most that the root's mantissa, from 1/2 to 1, may be off", metavar="E",
        default=ERROR, text_default="2^-15",
    )  # fmt: skip
    degree: int = option(kind=Integer(1, 2), help="of the root's polynomials", metavar="D", default=1)
    lanes: int = option(LANES)
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size % self.lanes:
            raise InputError(f"Size must be a multiple of the {self.lanes} lanes, not {self.size}")
        if self._sum_bits > MAX_INPUT_BITS:
            raise InputError(
                f"Sums of squares must have at most {MAX_INPUT_BITS} bits, but of {self.size} inputs of {self.width} "
                f"bits, with eps, they have {self._sum_bits}"
            )
        _ = self.root

    @property
    def _sum_bits(self) -> int:
        return ((self.size << (2 * self.width - 2)) + self.eps).bit_length()

    @property
    def root(self) -> ReciprocalRoot:
        """The reciprocal square root."""
        return reciprocal_root(input_bits=max(self._sum_bits, ARGUMENT_BITS), error=self.error, degree=self.degree)

    @property
    def encoder(self) -> EncoderConfig:
        """The encoder at the end."""
        return EncoderConfig(
            format=self.format, input=input_type(f"s{self.width}"), scale=None, scale_bits=M_BITS, lanes=self.lanes,
            counter_width=0, target=self.target,
        )  # fmt: skip

    @property
    def label(self) -> str:
        words = [self.unit, spec_of(self.format), str(self.size), f"s{self.width}"]
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Rmsnorm":
        from qse_hw.rtl_gen.norm.rmsnorm import Rmsnorm

        return Rmsnorm(self)

    def facts(self) -> dict[str, Any]:
        """How to read the codes; beats per token; bits of the sums; a bound of the root's relative error."""
        return {
            "format": format_facts(self.format),
            "beats_per_token": self.size // self.lanes,
            "sum_bits": self.root.input_bits,
            "root_error": self.root.error,
        }

    def meanings(self) -> Mapping[str, str]:
        beats = f"lane 0 in the low bits; beats per token: {self.size // self.lanes}"
        return {
            "i__payload": f"values, two's complement, {self.width} bits each, {beats}",
            "o__payload": f"codes, {self.format.bits} bits each, {beats}",
            "scale_m": "M of the scale, top bit set; sampled with a token's last beat",
            "scale_k": f"k of the scale, two's complement, {MIN_SCALE_K} to {MAX_SCALE_K}; sampled with a token's last "
            "beat",
            "clear": "clears saturated",
            "saturated": "sticky: a code that left had saturated",
        }

    def scale_for(self, reach: float) -> Scale:
        """A scale with which ``reach`` times the root of the mean square becomes the format's largest value."""
        largest = max(self.format.decoded.values()) * 2.0**-self.format.fraction_bits
        return Scale.from_step(reach / largest / self.size**0.5)

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Tokens (tokens, size) of every magnitude, zeros, extremes, single values; codes, and which saturated."""
        rng = np.random.default_rng(SEED)
        low, high = -1 << (self.width - 1), (1 << (self.width - 1)) - 1
        deviations = 2.0 ** np.linspace(-1, self.width - 2, _RANDOM)[:, None]
        drawn = np.rint(rng.normal(0, deviations, (_RANDOM, self.size)))
        values = np.zeros((_RANDOM + 5, self.size), np.int64)
        values[1], values[2], values[3, 0], values[4, -1] = low, high, low, 1
        values[5:] = np.clip(drawn, low, high)
        scale = self.scale_for(1.5)
        codes, saturated = normalize(values, self.root, self.eps, [scale] * len(values), self.format, self.width)
        return {
            "inputs": values, "scale_m": np.array(scale.M), "scale_k": np.array(scale.k), "codes": codes,
            "saturated": saturated,
        }  # fmt: skip

    def beats(self) -> Beats:
        arrays = self.vectors()
        return Beats(
            inputs=stream("i", join_lanes(arrays["inputs"], self.width, self.lanes)),
            outputs=stream("o", join_lanes(arrays["codes"], self.format.bits, self.lanes)),
            ports={name: int(arrays[name]) for name in ("scale_m", "scale_k")},
            status={"saturated": int(arrays["saturated"].any())},
        )


CONFIG = RmsnormConfig
