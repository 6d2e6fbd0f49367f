"""Finding the best segmented format and scale of a layer within a budget of bits and segments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from qse_hw.golden.calibration import pruned
from qse_hw.golden.calibration.headroom import DEFAULT, check_headroom
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.segmentation import Costs, Path, best_paths, costs, zero_position
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale, check_scale_bits
from qse_hw.golden.formats.segmented import MAX_BITS, MAX_REACH, Segment, SegmentedFormat

MAX_SEGMENTS = 8
MAX_POSITIONS = MAX_REACH // 4  # of the axis: bounds time and memory; no format reaches beyond MAX_REACH
PHASE = 0.2  # how far the least value lies below the first code, in fine steps: about the best for a SiLU's floor
GAIN = 1.25  # no refinement of the scan's fine step lowers the squared error by this factor if values are many
FEW = 4  # values per code; with fewer, a step may fit all of them by chance
Sign = Literal["offset", "sign-magnitude"]
SIGNS: tuple[Sign, ...] = ("offset", "sign-magnitude")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a tuned format may use.

    Args:
        segments: at most so many, 1 to 8.
        bits: of a code, including the sign's, 2 to 10.
        signs: the kinds of format tried: "offset" (no sign bit), "sign-magnitude", or both.
        headroom: how far values are expected to go, in units of the peak seen, 1 to 8; a few coarse codes cover it
            (:mod:`qse_hw.golden.calibration.headroom`).

    Raises:
        InputError: for anything out of range.
    """

    segments: int = 6
    bits: int = 8
    signs: tuple[Sign, ...] = SIGNS
    headroom: float = DEFAULT

    def __post_init__(self) -> None:
        if not 1 <= self.segments <= MAX_SEGMENTS:
            raise InputError(f"Segments must be from 1 to {MAX_SEGMENTS}, not {self.segments!r}")
        if not 2 <= self.bits <= MAX_BITS - 2:
            raise InputError(f"Bits of a tuned format must be from 2 to {MAX_BITS - 2}, not {self.bits!r}")
        if not self.signs or not set(self.signs) <= set(SIGNS):
            raise InputError(f"Signs must be among {', '.join(SIGNS)}, not {self.signs!r}")
        check_headroom(self.headroom)


class SegmentSearch:
    """The search for the segments of one layer and one kind of format; every fine step is searched once."""

    def __init__(self, histogram: Histogram, sign: Sign, bits: int, segments: int) -> None:
        values = histogram.values.astype(np.float64)
        self.sign, self.bits, self.segments = sign, bits, segments
        self.values = np.abs(values) if sign == "sign-magnitude" else values
        self.counts = histogram.counts
        self.codes = 1 << (bits - 1 if sign == "sign-magnitude" else bits)
        self.range = max(0.0, float(self.values.max())) - min(0.0, float(self.values.min()))
        self._costs: dict[float, Costs] = {}
        self._paths: dict[tuple[float, int], Path] = {}

    def costs(self, fine_step: float, zero: int | None = None) -> Costs:
        """The costs with the value 0 at position ``zero``; None: with just enough positions below it."""
        if self.sign == "sign-magnitude":
            return costs(self.values, self.counts, fine_step, None)
        room = zero_position(float(self.values.min()), fine_step)
        return costs(self.values, self.counts, fine_step, room if zero is None else zero)

    def path(self, fine_step: float, segments: int) -> Path:
        """The best path of at most so many segments."""
        if (fine_step, segments) not in self._paths:
            cost = self._known_costs(fine_step)
            if pruned.available():
                self._paths[fine_step, segments] = pruned.best_within(cost, self.codes, segments)
            else:  # one search for all
                for count, path in enumerate(best_paths(cost, self.codes, self.segments), 1):
                    self._paths[fine_step, count] = path
        return self._paths[fine_step, segments]

    def bound(self, fine_step: float, segments: int) -> float:
        """A lower bound of the path's error; the error itself if the path is known."""
        if (fine_step, segments) in self._paths:
            return self._paths[fine_step, segments].error
        return pruned.least_error(self._known_costs(fine_step), self.codes, segments)

    def _known_costs(self, fine_step: float) -> Costs:
        if fine_step not in self._costs:
            self._costs[fine_step] = self.costs(fine_step)
        return self._costs[fine_step]

    def release(self) -> None:
        """Free the costs; the paths stay known."""
        self._costs.clear()

    def format(self, path: Path, fine_step: Scale, standard: int | None = None) -> SegmentedQuantizer:
        """The format that a path at this fine step describes; ``standard`` as in :func:`make_format`."""
        zero = zero_position(float(self.values.min()), float(fine_step.step))
        zero_point = 0 if self.sign == "sign-magnitude" else zero - path.start
        return make_format(path, self.sign, self.bits, zero_point, fine_step, standard)

    def shortest(self) -> float:
        """The least fine step at which the axis has no more than :data:`MAX_POSITIONS` positions."""
        return self.range / (MAX_POSITIONS - 2)

    def companded_step(self) -> float:
        """The step of ideal companding where values are densest: about the finest step that a good format needs.

        Ideal steps are inversely proportional to the cube root of the density (Panter and Dite 1951).
        """
        low, high = min(0.0, float(self.values.min())), max(0.0, float(self.values.max()))
        density, edges = np.histogram(self.values, 16 * self.codes, (low, high), weights=self.counts)
        rank = np.sort(np.cbrt(density[density > 0]))
        return float(rank.sum() * (edges[1] - edges[0]) / (self.codes * rank[int(0.99 * len(rank))]))

    def near(
        self, step: float, powers: range, per_octave: int, scale_bits: int, *, in_phase: bool = False
    ) -> list[Scale]:
        """Fine steps ``step * 2 ** (power / per_octave)`` as scales, without those whose axis would be too long.

        ``in_phase``: moved slightly, so that the least value lies just below a position.
        """
        wanted = [step * 2 ** (power / per_octave) for power in powers]
        low = float(self.values.min())
        if in_phase and low < 0:
            wanted = [-low / (max(0, round(-low / q - PHASE)) + PHASE) for q in wanted]
        scales = [Scale.from_step(q, scale_bits) for q in wanted if q >= self.shortest()]
        kept = [scale for scale in scales if float(scale.step) >= self.shortest()]  # rounding M may have shortened it
        return list(dict.fromkeys(kept)) or [Scale.from_step(2 * self.shortest(), scale_bits)]


class Tuner:
    """The best formats of one layer; one search serves every smaller number of segments.

    The budget's headroom must already be in the histogram
    (:class:`qse_hw.golden.calibration.fitting.Fitter` puts it there).

    Fine steps are scanned over three octaves about the companded one, 8 per octave, then around the best one, 32 and
    256 per octave. For each fine step the segments are optimal
    (:mod:`qse_hw.golden.calibration.segmentation`). Where many values share a floor (a SiLU's), the error ripples by
    more than 0.1 dB with the floor's position within a fine step; all scans but the last keep that position the same.
    """

    def __init__(self, histogram: Histogram, budget: Budget, scale_bits: int = 16) -> None:
        check_scale_bits(scale_bits)
        self.histogram, self.budget, self.scale_bits = histogram, budget, scale_bits
        self.searches = [SegmentSearch(histogram, sign, budget.bits, budget.segments) for sign in budget.signs]

    def best(self, segments: int) -> SegmentedQuantizer:
        """The format of at most so many segments with the least squared error.

        The scan yields one candidate for each number of segments and each kind of format. The fine step is then refined
        for all candidates that may still become the best: on few values, a format with fewer segments may win.
        """
        slack = GAIN if len(self.histogram.values) > FEW * self.searches[0].codes else math.inf
        scanned: list[_Candidate] = []
        for count in range(segments, 0, -1):  # with fewer segments, the error at every fine step is no less
            scanned += [self._scanned(search, count) for search in self.searches]
            least = min(candidate.error for candidate in scanned)
            if min(candidate.error for candidate in scanned[-len(self.searches) :]) > slack * least:
                break
        scanned.sort(key=lambda candidate: (candidate.error, -candidate.segments))
        best = None
        for candidate in scanned:
            if best is not None and (not best.error or candidate.error > slack * best.error):
                break
            refined = self._refined(candidate)
            if best is None or refined.error < best.error:
                best = refined
        assert best is not None  # at least one was scanned
        for search in self.searches:
            search.release()
        return best.format()

    def _scanned(self, search: SegmentSearch, segments: int) -> "_Candidate":
        """The best fine step of the scan."""
        steps = search.near(search.companded_step() * 2**0.5, range(-8, 16), 8, self.scale_bits, in_phase=True)
        return _best_of([(search, step) for step in steps], segments)

    def _refined(self, candidate: "_Candidate") -> "_Candidate":
        """The candidate at its best fine step nearby."""
        for per_octave in (32, 256):
            step, in_phase = float(candidate.scale.step), per_octave == 32
            near = candidate.search.near(step, range(-4, 5), per_octave, self.scale_bits, in_phase=in_phase)
            best = _best_of([(candidate.search, scale) for scale in near], candidate.segments)
            candidate = min(candidate, best, key=lambda one: one.error)
        return candidate

    def at(self, scale: Scale, segments: int) -> SegmentedQuantizer:
        """The best format of at most so many segments whose fine step is s, s/2, s/4, s/8 or s/16."""
        tried = [
            (search, Scale(M=scale.M, k=scale.k - j, bits=scale.bits))
            for search in self.searches
            for j in range(5)
            if float(scale.step) / 2**j >= search.shortest()
        ]
        if not tried:
            raise InputError(
                f"Scale must let a format reach the activations' {self.searches[0].range:.4g}, not {scale}; "
                "take a larger one (of a percentile: a higher alpha)"
            )
        best = _best_of(tried, segments)
        for search in self.searches:
            search.release()
        return best.format(standard=scale.k - best.scale.k)


class _Candidate(NamedTuple):
    """The best path of at most ``segments`` segments at a fine step."""

    error: float
    search: SegmentSearch
    segments: int
    scale: Scale

    def format(self, standard: int | None = None) -> SegmentedQuantizer:
        """The format of the path; ``standard`` as in :func:`make_format`."""
        return self.search.format(self.search.path(float(self.scale.step), self.segments), self.scale, standard)


def _best_of(tried: Sequence[tuple[SegmentSearch, Scale]], segments: int) -> _Candidate:
    """The candidate with the least error, of equals the first; those that a bound rules out are not searched."""
    bounds = [search.bound(float(scale.step), segments) for search, scale in tried]
    best = math.inf, 0
    for number in sorted(range(len(tried)), key=bounds.__getitem__):
        if bounds[number] > best[0]:
            break
        search, scale = tried[number]
        best = min(best, (search.path(float(scale.step), segments).error, number))
    return _Candidate(best[0], tried[best[1]][0], segments, tried[best[1]][1])


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
