"""The quantizers of the accuracy tables, each fitted to one layer's values at its own best scale and parameters."""

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.bounded import least
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram, Values, sqnr_db
from qse_hw.golden.calibration.lloyd import lloyd_max
from qse_hw.golden.calibration.percentile import ALPHA, percentile_step
from qse_hw.golden.calibration.quantizers import CodebookQuantizer, GroupedQuantizer, Quantizer, SegmentedQuantizer
from qse_hw.golden.calibration.spec import (
    GROUPS,
    CandidateSpec,
    Float8Baseline,
    GroupedBaseline,
    LloydMaxBaseline,
    PercentileBaseline,
    parse_preset,
)
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale

ALPHAS = (0.99, 0.995, 0.999, ALPHA, 0.9999, 0.99999, 1.0)  # alpha alone moves Quamba's results by points
_INT8 = parse_preset("int8")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A quantizer fitted to a layer.

    Attributes:
        name: what was asked for, e.g. ``se8`` or ``tuned:segments=4``.
        quantizer: the fitted quantizer.
        bits: of a code.
        detail: parameters and scale in words.
    """

    name: str
    quantizer: Quantizer
    bits: int
    detail: str

    @classmethod
    def of(cls, name: str, quantizer: SegmentedQuantizer) -> "Candidate":
        """A segmented format at a scale."""
        return cls(name=name, quantizer=quantizer, bits=quantizer.format.bits, detail=describe(quantizer))


class Sample:
    """The values of one layer, to which candidates are fitted.

    Args:
        x: (tokens, channels).
        weights: of x's shape: how much each value's squared error counts for formats (None: all alike). Baselines are
            fitted to unweighted values.
        scale_bits: of the scale's M.
    """

    def __init__(self, x: Values, weights: Values | None = None, *, scale_bits: int = 16) -> None:
        self.x = x
        self.histogram = Histogram(x, weights)
        self.unweighted = self.histogram if weights is None else Histogram(x)
        self._percentiles = {}
        for alpha in ALPHAS:
            with suppress(InputError):  # the low quantiles of sparse values are zero
                self._percentiles[alpha] = percentile_step(x, alpha)
        # given the percentiles' steps, no format errs more than the same format at a percentile
        self.fitter = Fitter(self.histogram, scale_bits=scale_bits, steps=self._percentiles.values())

    def fit(self, spec: CandidateSpec) -> Candidate:
        """The quantizer with the least squared error of those that ``spec`` allows.

        Raises:
            InputError: for a format that does not fit the values.
        """
        match spec:
            case LloydMaxBaseline(name):
                return Candidate(name=name, quantizer=self.limit, bits=8, detail=f"{len(self.limit.levels)} levels")
            case PercentileBaseline():
                return self._percentile(spec)
            case GroupedBaseline(name):
                return self._grouped(name)
            case Float8Baseline(name, dtype):
                return self._float8(name, dtype)
        return Candidate.of(spec.name, self.fitter.least_squares(spec))

    @cached_property
    def limit(self) -> CodebookQuantizer:
        """The best codebook of 256 levels for unweighted values."""
        return lloyd_max(self.unweighted)

    def sqnr_db(self, quantizer: Quantizer) -> float:
        """SQNR of the values themselves, unweighted."""
        return sqnr_db(self.x, quantizer)

    def _percentile(self, spec: PercentileBaseline) -> Candidate:
        steps = self._percentiles
        if spec.alpha is not None:
            steps = {spec.alpha: percentile_step(self.x, spec.alpha)}
        rivals = {}
        for alpha, step in steps.items():
            with suppress(InputError):  # a quantile may be less than any step that a scale may have
                scale = Scale.from_step(step, self.fitter.scale_bits)
                rivals[alpha] = SegmentedQuantizer(format=spec.format, scale=scale)
        if not rivals:
            raise InputError(f"Percentiles must give a scale, not steps of {', '.join(map(str, steps.values())) or 0}")
        alpha = min(rivals, key=lambda a: self.unweighted.squared_error(rivals[a]))
        best = rivals[alpha]
        detail = f"alpha {alpha}, s = {float(best.scale.step):.4g}"
        return Candidate(name=spec.name, quantizer=best, bits=spec.format.bits, detail=detail)

    def _grouped(self, name: str) -> Candidate:
        high, low = (extreme.astype(np.float64) for extreme in (self.x.max(axis=0), self.x.min(axis=0)))
        order = np.argsort(np.maximum(high, -low), kind="stable")
        groups = np.empty(len(order), np.int64)
        quantizers: list[Quantizer] = []
        borders = np.linspace(0, len(order), min(GROUPS, len(order)) + 1).astype(int)
        for number, (begin, end) in enumerate(pairwise(borders)):
            groups[order[begin:end]] = number
            members = np.ascontiguousarray(self.x[:, order[begin:end]])
            # any scale quantizes a group of zeros without error
            fitter = Fitter(Histogram(members), scale_bits=self.fitter.scale_bits) if members.any() else self.fitter
            quantizers.append(fitter.least_squares(_INT8))
        quantizer = GroupedQuantizer(tuple(quantizers), groups)
        return Candidate(name=name, quantizer=quantizer, bits=8, detail=f"{len(quantizers)} groups of channels")

    def _float8(self, name: str, dtype: str) -> Candidate:
        levels, ties_down = float8_levels(dtype)
        finest, reach = (float(end) for end in levels[levels > 0][[0, -1]])

        def at(step: np.float32) -> CodebookQuantizer:
            return CodebookQuantizer.nearest(levels * step, ties_down=ties_down)

        def bound(step: np.float32) -> float:
            return self.unweighted.least_error(float(step) * finest, float(step) * reach)

        # from where the greatest level is a 2**16th of the peak to where the finest level is the peak
        step = np.float32(self.histogram.peak / reach)
        powers = np.arange(-16 * 12, 12 * math.ceil(math.log2(reach / finest)) + 1) / 12
        for scan in (powers, np.arange(-8, 9) / 96):
            steps: list[np.float32] = list((step * 2**scan).astype(np.float32))
            step = least(steps, bound, lambda step: self.unweighted.squared_error(at(step)))
        return Candidate(name=name, quantizer=at(step), bits=8, detail=f"values times {float(step):.4g}")


def float8_levels(dtype: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The finite values of an ``ml_dtypes`` float8, ascending, one zero; and which ties between neighbours go down.

    Ties go to the even code, as casts do.
    """
    import ml_dtypes

    codes = np.arange(256, dtype=np.uint8)
    values = codes.view(getattr(ml_dtypes, dtype)).astype(np.float32)
    keep = np.isfinite(values) & (codes != 128)  # not the negative zero
    order = np.argsort(values[keep], kind="stable")
    levels, even = values[keep][order], (codes[keep] % 2 == 0)[order]
    return levels, even[:-1]


def describe(quantizer: SegmentedQuantizer) -> str:
    """Segments, zero point and step in words: ``40 at s/2 + 128 at s + 88 at 4 s, zero point 24, s = 0.01``."""
    names = {0: "s"}
    parts = [
        f"{segment.codes} at {names.get(e := segment.log2_step) or (f'{1 << e} s' if e > 0 else f's/{1 << -e}')}"
        for segment in quantizer.format.segments
    ]
    sign = "+-" if quantizer.format.signed else ""
    zero = f", zero point {quantizer.format.zero_point}" if quantizer.format.kind == "offset" else ""
    return f"{sign}{' + '.join(parts)}{zero}, s = {float(quantizer.scale.step):.4g}"
