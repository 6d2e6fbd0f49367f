"""From a function, its types and an error bound to the unit with the smallest tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.checks import instance, one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.functions.constraints import (
    EXHAUSTIVE_BITS,
    Constraints,
    Targets,
    exact,
    exhaustive,
    sampled,
    samples,
    targets,
)
from qse_hw.golden.functions.cost import Made, cost
from qse_hw.golden.functions.domain import check_range, domain, shown
from qse_hw.golden.functions.fit import fit
from qse_hw.golden.functions.polynomial import PiecewisePolynomial
from qse_hw.golden.functions.reduction import Reduction
from qse_hw.golden.functions.shape import Borders, Shape
from qse_hw.golden.functions.targets import function_called
from qse_hw.golden.functions.unit import FunctionUnit

BORDERS: tuple[Borders, ...] = ("auto", "free", "power-of-two", "equal")
MAX_INPUT_BITS = 24
MAX_SEGMENTS = 1024
_GUARD_BITS = {1: 1, 2: 2}  # of c0 beyond the output's last place, by degree
_WIDE = 2  # steps of error that leave room for one of these bits less, and for rounding down after a shift
_SLOPE_BITS = {1: (-2, -1), 2: (4,)}  # of the slope's fraction, beyond the error's, by degree
_CURVATURE_BITS = {1: (0,), 2: (0,)}  # likewise c2's
_OFFSET_BITS = (7, 8, 9)  # of segments with power-of-two borders
_ADDRESS_BITS = {1: 12, 2: 8}  # of the argument that borders may depend on


@lru_cache(maxsize=64)
def design(
    *,
    function: str,
    input: InputType,
    output: InputType,
    error: Fraction,
    low: Fraction | None = None,
    high: Fraction | None = None,
    degree: int = 1,
    borders: Borders = "auto",
    segments: int = MAX_SEGMENTS,
    direct: bool = False,
    multiplier: Made = "dsp",
) -> FunctionUnit:
    """The unit with the least estimated logic among those with different roundings of coefficients.

    Args:
        function: ``exp2``, ``softplus``, ``silu`` or ``rsqrt``.
        input: a fixed-point type of up to 24 bits.
        output: a fixed-point type.
        error: bound of the absolute error.
        low, high: the domain; default: all inputs at which the function is defined and the output can hold its value.
        degree: of the polynomials, 1 or 2.
        borders: where segments may begin (:class:`qse_hw.golden.functions.shape.Shape`); ``auto``: what is cheapest.
        segments: the most there may be.
        direct: without symmetry and range reduction; if not ``direct``, ``auto`` takes what is cheaper for a
            multiplier of ``gates`` or ``logic``.
        multiplier: what it is made of; unless it is the target's own (``dsp``), its size counts, too.

    Raises:
        InputError: for arguments out of range, for types that cannot hold the domain, and for an error that no unit,
            or none with at most ``segments`` segments, can keep.
    """
    reduction = _reduction(function, input, output, direct)
    one_of(borders, BORDERS, "Borders")
    if degree not in (1, 2):
        raise InputError(f"Degree must be 1 or 2, not {degree!r}")
    if direct and input.width > EXHAUSTIVE_BITS:
        raise InputError(f"Input of a direct function must have at most {EXHAUSTIVE_BITS} bits, not {input.name}")
    if not 1 <= segments <= MAX_SEGMENTS:
        raise InputError(f"Segments must be from 1 to {MAX_SEGMENTS}, not {segments!r}")
    if not error > 0:
        raise InputError(f"Error must be above 0, not {shown(error)}")
    step = Fraction(2) ** output.exponent
    first, last = domain(reduction, output, low, high, error)
    if degree == 2 and not exhaustive(first, last):
        raise InputError(
            f"Degree must be 1 for domains of more than {1 << EXHAUSTIVE_BITS:,} inputs, not 2 for {last - first + 1:,}"
        )
    asked = _Asked(reduction, output, first, last, error / step, multiplier)
    check_range(reduction, output, first, last)
    least = asked.least * step
    if error < least:
        raise InputError(
            f"Error must be at least {shown(least)} for output {output.name}, which can come no nearer, not "
            f"{shown(error)}; give a finer output or a larger error"
        )
    bases = [asked]
    if borders == "auto" and multiplier != "dsp" and degree == 1 and input.width <= EXHAUSTIVE_BITS:
        bases.append(replace(asked, reduction=replace(reduction, direct=True)))
    candidates = [
        one
        for base in bases
        for kind in (BORDERS[1:] if borders == "auto" else [borders])
        for shapes in _shapes(base, degree, kind)
        # of grids, coarse ones first, only the first that will do
        for one in next(filter(None, (base.of(shape).fit(shape, segments) for shape in shapes)), [])
    ]
    if not candidates and degree == 2 and asked.least_is_apart:
        least, next_to_it = (-x * Fraction(2) ** input.exponent for x in (1 << (input.width - 1), reduction.largest))
        raise InputError(
            f"Low must be above {shown(least)} to keep the error {shown(error)} with degree 2, which takes the least "
            f"input for {shown(next_to_it)}; give low, take degree 1, or allow a larger error"
        )
    if not candidates and segments == MAX_SEGMENTS:
        raise InputError(
            f"Error must be above {shown(error)}, which no unit of up to {segments} segments keeps with degree "
            f"{degree} and {borders} borders"
        )
    if not candidates:
        raise InputError(
            f"Segments must be more than {segments} to keep the error {shown(error)} with degree {degree} and "
            f"{borders} borders; allow more, up to {MAX_SEGMENTS}, or a larger error"
        )
    best = min(candidates, key=lambda one: one.cost)
    return _monotone(best, segments) if asked.exhaustive else best.unit


class _Candidate(NamedTuple):
    cost: float
    asked: "_Asked"
    shape: Shape
    polynomial: PiecewisePolynomial

    @property
    def unit(self) -> FunctionUnit:
        asked = self.asked
        return FunctionUnit(
            asked.reduction, asked.output, asked.low, asked.high, asked.error, self.polynomial, self.shape.rounds
        )


@dataclass(frozen=True)
class _Asked:
    """The specification of a unit; ``error`` in steps of the output."""

    reduction: Reduction
    output: InputType
    low: int
    high: int
    error: Fraction
    multiplier: Made

    @property
    def exhaustive(self) -> bool:
        return exhaustive(self.low, self.high)

    @property
    def power(self) -> int:
        """The largest factor of the core, as log2."""
        return int(self._powers.max())

    @property
    def _powers(self) -> npt.NDArray[np.int64]:
        """Those of both ends."""
        last = self.reduction.last_computed(self.high, self.output)
        return self.reduction.reduce_array(np.array([self.low, last], np.int64))[2]

    @property
    def least(self) -> Fraction:
        """The least error, in steps of the output, that the output allows."""
        if self.exhaustive:
            return self.targets.least_error
        return Fraction(1, 2)

    @property
    def targets(self) -> Targets:
        return targets(self.reduction, self.output, self.low, self.high)

    @property
    def least_is_apart(self) -> bool:
        """Whether no polynomial can have the least input in common with the next one, whose argument it has."""
        if self.reduction.kind != "even" or self.low > -self.reduction.largest - 1:
            return False
        sum_bits = max(self.reduction.fraction_bits, -self.output.exponent) + 1
        limits = self.constraints(sum_bits, True)
        return bool(limits.low[-1] > limits.high[-1])

    def of(self, shape: Shape) -> "_Asked":
        """The same with the shape's reduction."""
        return replace(self, reduction=replace(self.reduction, mirrored=shape.mirrored))

    @property
    def reducing(self) -> int:
        """The estimated logic of the reduction; only the direct unit has none, which ``auto`` may choose."""
        if self.reduction.direct or self.multiplier == "dsp":
            return 0
        cells = self.multiplier == "gates"  # in which registers are large and multiplexers small
        if not self.reduction.shift_varies:
            return self.reduction.argument_bits * (2 if cells else 1)  # registers of |x|
        low, high = self._powers
        shifter = self.output.width * int(abs(high - low)).bit_length()
        return shifter * (1 if cells else 2)

    def fit(self, shape: Shape, segments: int, limits: Constraints | None = None) -> list[_Candidate]:
        """The polynomials of a shape, within the error or ``limits``."""
        if limits is None:
            limits = self.constraints(shape.sum_bits, shape.rounds)
        reduction = self.reduction
        bits, kind = reduction.argument_bits, reduction.kind
        kinds = {"mirrored": kind == "mirrored", "even": kind == "even"}
        return [
            _Candidate(self.reducing + cost(one, bits, **kinds, multiplier=self.multiplier), self, shape, one)
            for one in fit(limits, shape, bits, segments)
        ]

    @lru_cache(maxsize=8)  # noqa: B019 - as long-lived as what it is of
    def constraints(self, sum_bits: int, rounds: bool) -> Constraints:
        if self.exhaustive:
            return exact(self.targets, self.targets.allowed(self.error), sum_bits, rounds)
        points = samples(self.reduction, self.low, self.high)
        return sampled(points, self.reduction, self.low, self.high, self.output, self.error, sum_bits, rounds)


def _monotone(one: _Candidate, segments: int) -> FunctionUnit:
    """The unit, monotone wherever the function is: wrong turns, mostly at borders, are forbidden until none is left.

    Raises:
        InputError: if that takes too many segments.
    """
    asked, reference, shape = one.asked, one.asked.targets, one.shape
    allowed = reference.allowed(asked.error)
    while True:
        unit = one.unit
        outputs = unit.array(reference.x)
        if not len(reference.wrong_turns(outputs)):
            return unit
        allowed = allowed.monotone(reference, outputs)
        limits = exact(reference, allowed, shape.sum_bits, shape.rounds)
        while not (better := asked.fit(shape, segments, limits)):
            if not shape.grid:
                raise InputError(
                    f"Segments must be more than {segments} for outputs that are monotone where the function is; "
                    f"allow more, up to {MAX_SEGMENTS}, or a larger error"
                )
            shape = shape.on_grid(shape.grid - 1)
        one = min(better, key=lambda one: one.cost)


def _shapes(asked: _Asked, degree: int, borders: Borders) -> Iterator[list[Shape]]:
    """Roundings of the coefficients, and grids of the borders, coarse ones first."""
    reduction, output = asked.reduction, asked.output
    error = asked.error
    needed = error.denominator.bit_length() - error.numerator.bit_length() + asked.power - output.exponent
    finest = max(0, reduction.argument_bits - _ADDRESS_BITS[degree])
    aligned = borders == "power-of-two" and degree == 1
    offsets: Sequence[int | None] = (None, *_OFFSET_BITS) if aligned and asked.multiplier != "dsp" else (None,)
    guard = _GUARD_BITS[degree] - (error >= _WIDE)
    mirrors = (True, False) if borders == "equal" or aligned else (True,)
    if reduction.kind != "even" or degree == 2:
        mirrors = (False,)
    for more, curvature, offset, mirrored in product(_SLOPE_BITS[degree], _CURVATURE_BITS[degree], offsets, mirrors):
        if mirrored and offset is not None:
            continue
        slope = max(needed + more + mirrored, 1)  # of an odd slope the last bit is known
        sum_bits = reduction.fraction_bits + slope
        below = sum_bits + output.exponent - asked.power  # bits of a sum below the output's last place
        truncated = needed + curvature - slope + reduction.fraction_bits if degree == 2 else 0
        if below < 1 or truncated < 0:
            continue
        shape = Shape(
            borders=borders, grid=finest, degree=degree, slope_bits=slope, local=degree == 2,
            sum_bits=sum_bits, dropped=max(0, below - guard), truncated=truncated, offset_bits=offset,
            mirrored=mirrored, rounds=not reduction.shift_varies or error < _WIDE,
        )  # fmt: skip
        grids = range(reduction.argument_bits, finest - 1, -1) if borders == "equal" else [finest]
        yield [shape.on_grid(grid) for grid in grids]


def _reduction(name: str, input: InputType, output: InputType, direct: bool) -> Reduction:
    function = function_called(name)
    for what, type in (("Input", input), ("Output", output)):
        instance(type, InputType, what, "an InputType")
        if type.is_float:
            raise InputError(f"{what} of a function must be fixed point, as in s16e-11, not {type.name}")
    if not 4 <= input.width <= MAX_INPUT_BITS:
        raise InputError(f"Input of a function must have from 4 to {MAX_INPUT_BITS} bits, not {input.name}")
    return Reduction(function, input, direct)
