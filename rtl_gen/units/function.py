# amaranth: UnusedElaboratable=no
"""What a function unit is to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.functions.accuracy import accuracy
from qse_hw.golden.functions.constraints import EXHAUSTIVE_BITS, exhaustive
from qse_hw.golden.functions.design import BORDERS, MAX_SEGMENTS, design
from qse_hw.golden.functions.library import function_unit
from qse_hw.golden.functions.targets import FUNCTIONS
from qse_hw.golden.functions.unit import FunctionUnit
from qse_hw.golden.reference.vectors import from_patterns
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import Input, Integer, Number, OneOf, Switch
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import LANES, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.functions.function import Function

MULTIPLIERS = ("dsp", "gates", "logic")
SEED = 20261129  # of the vectors of inputs of more than 16 bits
_RANDOM = 1 << 14
_NEAR = 2  # inputs on either side of a border
_USUAL = {"degree": 1, "borders": "auto", "segments": MAX_SEGMENTS, "direct": False}
"""With these, units of the library need no search."""


@dataclass(frozen=True, kw_only=True)
class FunctionConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.functions.function.Function`."""

    unit: ClassVar[str] = "function"
    summary: ClassVar[str] = "exp2, softplus, SiLU or reciprocal square root within an error bound"

    function: str = option(
        kind=OneOf(tuple(FUNCTIONS)), help=f"{', '.join(list(FUNCTIONS)[:-1])} or {list(FUNCTIONS)[-1]}", metavar="F"
    )
    input: InputType = option(kind=Input(), help="fixed point, sWeE: W bits, steps of 2^E", metavar="T")
    output: InputType = option(kind=Input(), help="fixed point, sWeE", metavar="T")
    error: Fraction = option(kind=Number(), help="the most that an output may be away from the function", metavar="E")
    low: Fraction | None = option(
        kind=Number(optional=True),
        help="least input of the domain (default: the least that the function and the output can have)",
        metavar="X",
        default=None,
    )
    high: Fraction | None = option(
        kind=Number(optional=True), help="largest input of the domain (default: likewise)", metavar="X", default=None
    )
    degree: int = option(kind=Integer(1, 2), help="of the polynomials", metavar="D", default=1)
    borders: str = option(
        kind=OneOf(BORDERS),
        help="segments: of any length, of an aligned power of two, all of the same length, or what is cheapest",
        metavar="B",
        default="auto",
    )
    segments: int = option(
        kind=Integer(1, MAX_SEGMENTS), help="the most there may be", metavar="N", default=MAX_SEGMENTS
    )
    direct: bool = option(
        kind=Switch(), help="without symmetry and range reduction, as most published units are", default=False
    )
    multiplier: str = option(
        kind=OneOf(MULTIPLIERS),
        help="dsp: the target's; gates: for standard cells; logic: adders with registers, for look-up tables",
        metavar="M",
        default="dsp",
    )
    lanes: int = option(LANES)
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.arithmetic

    @property
    def arithmetic(self) -> FunctionUnit:
        """What every lane computes."""
        asked = {name: getattr(self, name) for name in ("function", "input", "output", "error", "low", "high")}
        others = {name: getattr(self, name) for name in ("degree", "borders", "segments", "direct")}
        if others == _USUAL and self.multiplier == "dsp":
            return function_unit(**asked)
        return design(**asked, **others, multiplier=self.multiplier)

    @property
    def label(self) -> str:
        words = [self.function, self.input.name, self.output.name, f"error={_power(self.error)}"]
        words += [f"{name}={_power(end)}" for name in ("low", "high") if (end := getattr(self, name)) is not None]
        if self.direct:
            words.append("direct")
        if self.degree != 1:
            words.append(f"degree={self.degree}")
        words += [word for word, usual in ((self.borders, "auto"), (self.multiplier, "dsp"), (self.target, "generic"))
                  if word != usual]  # fmt: skip
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Function":
        from qse_hw.rtl_gen.functions.function import Function

        return Function(self)

    def facts(self) -> dict[str, Any]:
        """The domain, the bound, the error that there is and where, the segments."""
        unit, measured = self.arithmetic, accuracy(self.arithmetic)
        into, out = (2.0**type.exponent for type in (self.input, self.output))
        return {
            "domain": {"low": unit.low * into, "high": unit.high * into},
            "accuracy": {
                "bound": float(self.error),
                "error": float(measured.error) * out,
                "error_in_steps": float(measured.error),
                "at": measured.at * into,
                "every_input": exhaustive(unit.low, unit.high),
                "correctly_rounded": measured.correct,
                "monotone": measured.monotone,
                "segments": unit.polynomial.segments,
            },
            "segments": {
                "starts": [start * 2.0**-unit.reduction.fraction_bits for start in unit.polynomial.starts],
                "sum_bits": unit.polynomial.sum_bits,
                "coefficients": [list(row) for row in zip(*_columns(unit), strict=True)],
            },
        }

    def meanings(self) -> Mapping[str, str]:
        return {
            "i__payload": f"inputs, {self.input.name}, {self.input.width} bits each, lane 0 in the low bits",
            "o__payload": f"outputs, {self.output.name}, {self.output.width} bits each, lane 0 in the low bits",
            "clear": "clears saturated",
            "saturated": "sticky: an input that left was outside the domain, and was taken as its nearest end",
        }

    def expected(self, patterns: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Outputs, int64, for bit patterns of inputs of any shape; whether each input was outside the domain."""
        x, unit = from_patterns(patterns, self.input).astype(np.int64), self.arithmetic
        return unit.array(x), (x < unit.low) | (x > unit.high)

    def patterns(self) -> np.ndarray[Any, Any]:
        """Bit patterns, uint32: every one of up to 16 bits; of more those around borders and ends, and random ones."""
        width = self.input.width
        if width <= EXHAUSTIVE_BITS:
            return np.arange(1 << width, dtype=np.uint32)
        unit = self.arithmetic
        starts = np.array(unit.polynomial.starts, np.int64)
        bits = np.arange(width)
        ends = np.array([unit.low, unit.high, 0, -1 << (width - 1)], np.int64)
        at = np.concatenate([starts, -starts, ends, *(starts >> bit for bit in bits), 1 << bits, -1 << bits])
        near = (at[:, None] + np.arange(-_NEAR, _NEAR + 1)).reshape(-1)
        drawn = np.random.default_rng(SEED).integers(0, 1 << width, _RANDOM)
        inputs: np.ndarray[Any, Any] = np.concatenate([np.unique(near & ((1 << width) - 1)), drawn]).astype(np.uint32)
        return inputs

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Bit patterns, padded with zeros to whole beats; outputs in steps; whether inputs were outside the domain."""
        patterns = self.patterns()
        patterns = np.concatenate([patterns, np.zeros(-len(patterns) % self.lanes, np.uint32)])
        outputs, outside = self.expected(patterns)
        return {"input_bits": patterns, "outputs": outputs.astype(np.int32), "saturated": outside}

    def beats(self) -> Beats:
        arrays = self.vectors()
        return Beats(
            inputs=stream("i", join_lanes(arrays["input_bits"], self.input.width, self.lanes)),
            outputs=stream("o", join_lanes(arrays["outputs"], self.output.width, self.lanes)),
            status={"saturated": int(arrays["saturated"].any())},
        )


class SiluUnitConfig(UnitConfig):
    """A unit with lanes of SiLU; its options ``input``, ``output``, ``error`` and ``target`` are theirs."""

    input: InputType
    output: InputType
    error: Fraction
    target: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.silu.arithmetic

    @property
    def silu(self) -> FunctionConfig:
        """The function unit whose lanes it has."""
        return FunctionConfig(
            function="silu", input=self.input, output=self.output, error=self.error, target=self.target
        )


CONFIG = FunctionConfig


def one_of_each() -> list[FunctionConfig]:
    """A unit of each function, for lists of checks: 12-bit inputs, within 2^-8."""
    domains: dict[str, dict[str, Any]] = {
        "softplus": {}, "silu": {}, "exp2": {"high": Fraction(0)}, "rsqrt": {"low": Fraction(1, 16)},
    }  # fmt: skip
    return [
        FunctionConfig(
            function=name, input=input_type("s12e-8"), output=input_type("s14e-9"), error=Fraction(1, 256), **domain
        )
        for name, domain in domains.items()
    ]


def _columns(unit: FunctionUnit) -> list[tuple[int, ...]]:
    return [column for column in (unit.polynomial.c0, unit.polynomial.c1, unit.polynomial.c2) if column]


def _power(value: Fraction) -> str:
    """A number in a label: as a power of two if it is one beside 0 and whole ones."""
    one, other = value.numerator, value.denominator
    return f"2^-{other.bit_length() - 1}" if one == 1 and other > 1 and other & (other - 1) == 0 else str(value)
