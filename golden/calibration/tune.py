"""Finding the best segmented format and scale of a layer under a budget: bits, segments, bits of the scale."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qse_hw.golden.calibration.headroom import DEFAULT, check_headroom
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.segmentation import Costs, Path, costs, search, zero_position
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale, check_scale_bits
from qse_hw.golden.formats.segmented import MAX_BITS, MAX_REACH, Segment, SegmentedFormat

MAX_SEGMENTS = 8
MAX_POSITIONS = MAX_REACH // 4  # along the axis: bounds time and memory, and keeps within what a format may reach
PHASE = 0.2  # of a fine step, by which the least value is below the first code: about the best for a SiLU's floor
GAIN = 1.25  # in squared error: more than moving on from the scan's fine step to the best nearby brings on many values
FEW = 4  # times as many values as codes: fewer, and a step may fit them all by chance
Sign = Literal["offset", "sign-magnitude"]
SIGNS: tuple[Sign, ...] = ("offset", "sign-magnitude")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a format may cost.

    Args:
        segments: at most so many, 1 to 8.
        bits: of a code, 2 to 10, the sign's included.
        scale_bits: of the scale's M.
        signs: with or without a sign bit: the kinds of format tried.
        headroom: how far values are expected to go, in units of the peak seen, 1 to 8; a few coarse codes pay for it
            (:mod:`qse_hw.golden.calibration.headroom`).
    """

    segments: int = 6
    bits: int = 8
    scale_bits: int = 16
    signs: tuple[Sign, ...] = SIGNS
    headroom: float = DEFAULT

    def __post_init__(self) -> None:
        if not 1 <= self.segments <= MAX_SEGMENTS:
            raise InputError(f"Segments must be from 1 to {MAX_SEGMENTS}, not {self.segments!r}")
        if not 2 <= self.bits <= MAX_BITS - 2:
            raise InputError(f"Bits of a tuned format must be from 2 to {MAX_BITS - 2}, not {self.bits!r}")
        check_scale_bits(self.scale_bits)
        if not self.signs or not set(self.signs) <= set(SIGNS):
            raise InputError(f"Signs must be among {', '.join(SIGNS)}, not {self.signs!r}")
        check_headroom(self.headroom)


class Axis:
    """A layer's values as one kind of format sees them, and the best paths by fine step, each searched once."""

    def __init__(self, histogram: Histogram, sign: Sign, bits: int, segments: int) -> None:
        values = histogram.values.astype(np.float64)
        self.sign, self.bits, self.segments = sign, bits, segments
        self.values = np.abs(values) if sign == "sign-magnitude" else values
        self.counts = histogram.counts
        self.codes = 1 << (bits - 1 if sign == "sign-magnitude" else bits)
        self.range = max(0.0, float(self.values.max())) - min(0.0, float(self.values.min()))
        self._paths: dict[float, list[Path]] = {}

    def costs(self, fine_step: float, zero: int | None = None) -> Costs:
        """With the zero at ``zero``, or where it makes just enough room below it."""
        if self.sign == "sign-magnitude":
            return costs(self.values, self.counts, fine_step, None)
        room = zero_position(float(self.values.min()), fine_step)
        return costs(self.values, self.counts, fine_step, room if zero is None else zero)

    def paths(self, fine_step: float) -> list[Path]:
        """The best for each number of segments."""
        if fine_step not in self._paths:
            self._paths[fine_step] = search(self.costs(fine_step), self.codes, self.segments)
        return self._paths[fine_step]

    def format(self, path: Path, fine_step: Scale, standard: int | None = None) -> SegmentedQuantizer:
        """The format that a path at this fine step describes; ``standard`` as in :func:`make_format`."""
        zero = zero_position(float(self.values.min()), float(fine_step.step))
        zero_point = 0 if self.sign == "sign-magnitude" else zero - path.start
        return make_format(path, self.sign, self.bits, zero_point, fine_step, standard)

    def shortest(self) -> float:
        """The least fine step whose axis is not too long."""
        return self.range / (MAX_POSITIONS - 2)

    def companded_step(self) -> float:
        """The step that companding has where the values are densest, about the finest that a good format needs.

        Panter and Dite 1951: ideal steps are inversely proportional to the cube root of the density.
        """
        low, high = min(0.0, float(self.values.min())), max(0.0, float(self.values.max()))
        density, edges = np.histogram(self.values, 16 * self.codes, (low, high), weights=self.counts)
        rank = np.sort(np.cbrt(density[density > 0]))
        return float(rank.sum() * (edges[1] - edges[0]) / (self.codes * rank[int(0.99 * len(rank))]))

    def near(
        self, step: float, powers: range, per_octave: int, scale_bits: int, *, in_phase: bool = False
    ) -> list[Scale]:
        """Fine steps ``step * 2 ** (power / per_octave)`` as scales, without those whose axis would be too long.

        ``in_phase``: moved a little, so that the least value lies just below a position.
        """
        wanted = [step * 2 ** (power / per_octave) for power in powers]
        low = float(self.values.min())
        if in_phase and low < 0:
            wanted = [-low / (max(0, round(-low / q - PHASE)) + PHASE) for q in wanted]
        scales = [Scale.from_step(q, scale_bits) for q in wanted if q >= self.shortest()]
        long_enough = [scale for scale in scales if float(scale.step) >= self.shortest()]  # M's rounding may shorten it
        return list(dict.fromkeys(long_enough)) or [Scale.from_step(2 * self.shortest(), scale_bits)]


class Tuner:
    """The best formats of one layer; what was searched for one budget of segments serves the others.

    The histogram is taken as it is; who wants the budget's headroom adds it first, as
    :class:`qse_hw.golden.calibration.fitting.Fitter` does.

    Fine steps are scanned 8 to the octave over three octaves about the companded one, then 32 to the octave and 256 to
    the octave around the best; for each, the segments are the optimum (:mod:`qse_hw.golden.calibration.segmentation`). A
    floor that many values share (a SiLU's) makes the error ripple as it moves across a fine step, by more than a tenth
    of a dB: so all but the last scan look at the same phase of it.
    """

    def __init__(self, histogram: Histogram, budget: Budget) -> None:
        self.histogram, self.budget = histogram, budget
        self.axes = [Axis(histogram, sign, budget.bits, budget.segments) for sign in budget.signs]

    def best(self, segments: int) -> SegmentedQuantizer:
        """The format of at most so many segments with the least squared error, no worse than of any fewer.

        The scan has a winner for each number of segments and each kind of format. All that may still become the best
        are moved on to the best fine step near theirs: on few values, a lucky step makes up for a segment.
        """
        winners: dict[tuple[int, int], tuple[float, Scale]] = {}  # by index of the path, and of the axis
        for number, axis in enumerate(self.axes):
            for scale in axis.near(
                axis.companded_step() * 2**0.5, range(-8, 16), 8, self.budget.scale_bits, in_phase=True
            ):
                for count, path in enumerate(axis.paths(float(scale.step))[:segments]):
                    if (count, number) not in winners or path.error < winners[count, number][0]:
                        winners[count, number] = path.error, scale
        slack = GAIN if len(self.histogram.values) > FEW * self.axes[0].codes else math.inf
        best = None
        for (count, number), (error, scale) in sorted(winners.items(), key=lambda item: (item[1][0], -item[0][0])):
            if best is not None and (not best[0] or error > slack * best[0]):
                break
            axis = self.axes[number]
            error, scale = self._refined(axis, error, count, scale)
            if best is None or error < best[0]:
                best = error, axis, count, scale
        assert best is not None  # something was scanned
        _, axis, count, scale = best
        return axis.format(axis.paths(float(scale.step))[count], scale)

    def _refined(self, axis: Axis, error: float, count: int, scale: Scale) -> tuple[float, Scale]:
        """Error and fine step once moved to the best nearby; ``count``: index of the path, one less than segments."""
        for per_octave in (32, 256):
            in_phase = per_octave == 32
            near = axis.near(float(scale.step), range(-4, 5), per_octave, self.budget.scale_bits, in_phase=in_phase)
            errors = [axis.paths(float(other.step))[count].error for other in near]
            if min(errors) < error:
                error, scale = min(errors), near[int(np.argmin(errors))]
        return error, scale

    def at(self, scale: Scale, segments: int) -> SegmentedQuantizer:
        """The best format of at most so many segments whose fine step is s, s/2, s/4, s/8 or s/16."""
        found = [
            (axis.paths(float(fine.step))[segments - 1], axis, fine)
            for axis in self.axes
            for j in range(5)
            if float(scale.step) / 2**j >= axis.shortest()
            for fine in [Scale(M=scale.M, k=scale.k - j, bits=scale.bits)]
        ]
        if not found:
            raise InputError(
                f"Scale must let a format reach the activations' {self.axes[0].range:.4g}, not {scale}; "
                "take a larger one (of a percentile: a higher alpha)"
            )
        path, axis, fine = min(found, key=lambda item: item[0].error)
        return axis.format(path, fine, standard=scale.k - fine.k)


def make_format(
    path: Path, sign: Sign, bits: int, zero_point: int, fine_step: Scale, standard: int | None = None
) -> SegmentedQuantizer:
    """The format of a path; s is ``2 ** standard`` fine steps (None: the step of the segment with the most codes)."""
    if standard is None:
        standard = max(path.segments)[1]
    finest = min(e for _, e in path.segments)
    segments, first_code = [], 0
    for codes, e in path.segments:
        segments.append(Segment(codes=codes, log2_step=e - standard, first_code=first_code))
        first_code += codes
    format = SegmentedFormat(
        name=f"tuned-{len(segments)}",
        bits=bits,
        kind=sign,
        segments=tuple(segments),
        zero_point=zero_point >> finest,
    )
    scale = Scale(M=fine_step.M, k=fine_step.k + standard, bits=fine_step.bits)
    return SegmentedQuantizer(format=format, scale=scale)
