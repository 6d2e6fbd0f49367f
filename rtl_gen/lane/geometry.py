"""What a lane is built from: format, input, scale and target, and what follows from them, computed once."""

from dataclasses import dataclass
from functools import cached_property
from operator import index

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.lane.format_family import FormatFamily
from qse_hw.rtl_gen.lane.multiplier import DSP_WIDTH
from qse_hw.rtl_gen.lane.piecewise import guard_bits, regions
from qse_hw.rtl_gen.lane.window import Window
from qse_hw.rtl_gen.units.shared import TARGET


@dataclass(frozen=True, kw_only=True)
class Preshift:
    """A float's shift, done to the left in the operands of an ECP5 multiplier instead of to the right in its product.

    With the biased exponent ``first + n``, 0 <= n < count, ``product = (significand << radix * (n // radix)) *
    (M << n % radix)``, and T is ``product >> cut``. M is constant, so its shift costs a few LUTs.
    """

    first: int
    count: int
    radix: int
    cut: int


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A lane's numerics and implementation.

    Attributes:
        scale: None: M and k are ports.
        runtime_format: whether the regions' constants are ports.
        target: one of :data:`qse_hw.rtl_gen.units.shared.TARGETS`.
        pipeline: how many of :attr:`optional_steps` are registered; None: the target's default.
    """

    format: SegmentedFormat
    input: InputType
    scale: Scale | None
    scale_bits: int
    runtime_format: bool = False
    target: str = "generic"
    pipeline: int | None = None

    def __post_init__(self) -> None:
        TARGET.kind.check("target", self.target)
        if self.target == "ecp5" and self.scale_bits > DSP_WIDTH:
            raise InputError(
                f"Scale bits must be at most {DSP_WIDTH} for target ecp5, whose multipliers are that wide, "
                f"not {self.scale_bits}; use target generic"
            )
        if self.pipeline is not None and not 0 <= index(self.pipeline) <= len(self.optional_steps):
            raise InputError(
                f"Pipeline must be from 0 to {len(self.optional_steps)} for this encoder, not {self.pipeline!r}"
            )

    @cached_property
    def family(self) -> FormatFamily:
        """The formats that the regions' constants may describe; run-time formats only."""
        return FormatFamily.of(self.format)

    @cached_property
    def window(self) -> Window:
        """Which bits of the product matter."""
        largest = max(map(abs, self.family.thresholds)) if self.runtime_format else None
        return Window.of(self.format, self.input, self.scale, self.scale_bits, largest=largest)

    @property
    def sign_magnitude(self) -> bool:
        """Whether D is that of |x|, with the sign beside it."""
        return self.format.kind == "sign-magnitude"

    @property
    def field(self) -> int:
        """Bits of the adder's result: a code, without the sign bit of sign-magnitude formats."""
        return self.format.code_field_bits if self.sign_magnitude else self.format.bits

    @property
    def least_nonzero(self) -> int | None:
        """The least D whose code is not 0 (sign-magnitude formats only); None if every code is 0."""
        if not self.runtime_format and self.format.last_index() == 0:
            return None
        return 1 << (self.format.shifts[0] + guard_bits(self.format))

    @cached_property
    def only_zero_is_zero(self) -> bool:
        """Whether every value above 0, however small, gets a code above 0's: a segment ends at 0 with exact_end.

        The threshold is then D = 1, the sticky bit alone.
        """
        return guard_bits(self.format) == 1 and any(region.first == 1 for region in regions(self.format))

    @cached_property
    def decisive_bits(self) -> int | None:
        """How many of x's low bits tell whether the product's bits below the window are all 0; None if x cannot tell.

        With a constant ``M = odd * 2**z`` the low n bits of ``x * M`` are 0 if and only if the low n - z bits of x are.
        """
        if self.scale is None or self.input.is_float:
            return None
        return min(max(self.window.lowest - self._zeros, 0), self.input.width)

    @property
    def _zeros(self) -> int:
        assert self.scale is not None
        return (self.scale.M & -self.scale.M).bit_length() - 1

    @cached_property
    def preshift(self) -> Preshift | None:
        """The shift before the multiplication; None if the product is shifted, or no shift is needed."""
        window = self.window
        if self.target != "ecp5" or self.scale is None or not self.input.is_float or guard_bits(self.format):
            return None
        assert window.distance is not None
        constant, _ = window.distance
        # A shift by the width or more leaves T = 0. Biased exponents are 1 or more.
        count, first = window.width, constant - window.width + 1
        special = (1 << self.input.exponent_bits) - 1  # of infinities and NaN, which must count as too large
        if first < 1 or constant >= special:
            return None
        radix = DSP_WIDTH - self.scale_bits + 1
        if radix < 1 or self.input.significand_bits + radix * ((count - 1) // radix) > DSP_WIDTH:
            return None
        return Preshift(first=first, count=count, radix=radix, cut=window.lowest + window.width - 1)

    @cached_property
    def never_exact(self) -> bool:
        """Whether truncation always loses a set bit, except where the product is 0."""
        if self.preshift is not None:
            # the most trailing zeros that (significand << n) has: a power of 2, shifted the furthest
            return self.preshift.cut - self._zeros > self.input.significand_bits - 1 + self.preshift.count - 1
        return self.decisive_bits == self.input.width and not guard_bits(self.format)

    @cached_property
    def optional_steps(self) -> tuple[str, ...]:
        """Steps whose results may be registered, in order of the speed that a register gains."""
        shifts = self.window.distance is not None and self.preshift is None
        steps = ["align"] if shifts else []
        steps += ["place", "choose"]
        if shifts:
            steps.append("shift")
        if self.preshift is not None:
            steps += ["operands", "shifted", "fields", "range"]
        if self.preshift is not None or not (self.input.is_float and self.sign_magnitude):
            steps.append("fold")
        return (*steps, "compare", "number")

    @cached_property
    def registered_steps(self) -> tuple[str, ...]:
        """The steps whose results are registered."""
        number = self.pipeline
        if number is None:  # all for the highest speed, or few for a small area
            number = len(self.optional_steps) if self.target == "ecp5" else self.optional_steps.index("place") + 1
        return self.optional_steps[:number]
