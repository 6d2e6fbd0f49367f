"""All quantizers of the accuracy tables, each fitted to one layer's values at its own best scale and parameters."""

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.bounded import least
from qse_hw.golden.calibration.fitting import Fitter, check_spec
from qse_hw.golden.calibration.histogram import Histogram, Values, sqnr_db
from qse_hw.golden.calibration.lloyd import lloyd_max
from qse_hw.golden.calibration.percentile import ALPHA, check_alpha, percentile_step
from qse_hw.golden.calibration.quantizers import CodebookQuantizer, GroupedQuantizer, Quantizer, SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale

ALPHAS = (0.99, 0.995, 0.999, ALPHA, 0.9999, 0.99999, 1.0)  # swept for Quamba: alpha alone moves its results by points
FP8 = {"fp8-e4m3": "float8_e4m3fn", "fp8-e3m4": "float8_e3m4"}
PERCENTILE = {"quamba": "int8", "quamba-se": "se9-paper", "quamba-se8": "se8:L=8"}
LIMIT = "lloyd-max"
GROUPS = 8

BASELINES = {
    "quamba": "INT8 at Quamba's percentile, the alpha of least error",
    "quamba-se": "the paper's 9-bit simulation at Quamba's percentile, the alpha of least error",
    "quamba-se8": "the paper's layout in 8 bits, se8:L=8, at Quamba's percentile, the alpha of least error",
    "quamba2": f"INT8 with a scale for each of {GROUPS} groups of channels, sorted by their maxima",
    "fp8-e4m3": "float8, 4 exponent and 3 mantissa bits",
    "fp8-e3m4": "float8, 3 exponent and 4 mantissa bits",
    LIMIT: "256 levels wherever they serve best: the limit of any 8-bit scalar quantizer",
}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A quantizer fitted to a layer.

    Attributes:
        spec: what was asked for, e.g. ``se8`` or ``tuned:segments=4``.
        quantizer: the result.
        bits: of a code.
        detail: parameters and scale in words.
    """

    spec: str
    quantizer: Quantizer
    bits: int
    detail: str


def check_candidate(spec: str) -> None:
    """InputError unless ``spec`` names a baseline, a format, or how one is to be tuned."""
    name, _, alpha = spec.partition(":alpha=")
    if name in PERCENTILE and alpha:
        try:
            check_alpha(float(alpha))
        except ValueError as error:  # InputError is one, too
            raise InputError(f"Alpha of {name} must be a number above 0 and at most 1, not {alpha!r}") from error
    elif spec not in BASELINES:
        try:
            check_spec(spec)
        except InputError as error:
            if ":" in spec or spec.endswith(".json"):
                raise
            raise InputError(f"{error} nor one of {', '.join(BASELINES)}, tuned") from error


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
        # with its steps no format loses to itself at a percentile
        self.fitter = Fitter(self.histogram, scale_bits=scale_bits, steps=self._percentiles.values())

    def fit(self, spec: str) -> Candidate:
        """The quantizer that ``spec`` names with the least squared error.

        Raises:
            InputError: for an unknown spec, or a format that does not fit the values.
        """
        check_candidate(spec)
        if spec == LIMIT:
            return Candidate(spec=spec, quantizer=self.limit, bits=8, detail=f"{len(self.limit.levels)} levels")
        if spec.partition(":")[0] in PERCENTILE:
            return self._percentile(spec)
        if spec == "quamba2":
            return self._grouped()
        if spec in FP8:
            return self._float8(spec)
        found = self.fitter.least_squares(spec)
        return Candidate(spec=spec, quantizer=found, bits=found.format.bits, detail=describe(found))

    @cached_property
    def limit(self) -> CodebookQuantizer:
        """The best codebook of 256 levels, all values alike."""
        return lloyd_max(self.unweighted)

    def sqnr_db(self, quantizer: Quantizer) -> float:
        """SQNR on the values themselves, unweighted."""
        return sqnr_db(self.x, quantizer)

    def _percentile(self, spec: str) -> Candidate:
        name, _, only = spec.partition(":alpha=")
        format, bits = load_format(PERCENTILE[name]), self.fitter.scale_bits
        steps = {float(only): percentile_step(self.x, float(only))} if only else self._percentiles
        rivals = {}
        for alpha, step in steps.items():
            with suppress(InputError):  # a quantile may be less than any step that a scale may have
                rivals[alpha] = SegmentedQuantizer(format=format, scale=Scale.from_step(step, bits))
        if not rivals:
            raise InputError(f"Percentiles must give a scale, not steps of {', '.join(map(str, steps.values())) or 0}")
        alpha = min(rivals, key=lambda a: self.unweighted.squared_error(rivals[a]))
        found = rivals[alpha]
        detail = f"alpha {alpha}, s = {float(found.scale.step):.4g}"
        return Candidate(spec=spec, quantizer=found, bits=format.bits, detail=detail)

    def _grouped(self) -> Candidate:
        high, low = (extreme.astype(np.float64) for extreme in (self.x.max(axis=0), self.x.min(axis=0)))
        order = np.argsort(np.maximum(high, -low), kind="stable")
        groups = np.empty(len(order), np.int64)
        quantizers: list[Quantizer] = []
        borders = np.linspace(0, len(order), min(GROUPS, len(order)) + 1).astype(int)
        for number, (begin, end) in enumerate(pairwise(borders)):
            groups[order[begin:end]] = number
            part = np.ascontiguousarray(self.x[:, order[begin:end]])
            if part.any():
                quantizers.append(Fitter(Histogram(part), scale_bits=self.fitter.scale_bits).least_squares("int8"))
            else:
                quantizers.append(self.fitter.least_squares("int8"))  # any scale keeps zeros
        found = GroupedQuantizer(tuple(quantizers), groups)
        return Candidate(spec="quamba2", quantizer=found, bits=8, detail=f"{len(quantizers)} groups of channels")

    def _float8(self, spec: str) -> Candidate:
        levels, ties_down = float8_levels(FP8[spec])
        finest, reach = (float(end) for end in levels[levels > 0][[0, -1]])

        def at(step: np.float32) -> CodebookQuantizer:
            return CodebookQuantizer.nearest(levels * step, ties_down=ties_down)

        def bound(step: np.float32) -> float:
            return self.unweighted.least_error(float(step) * finest, float(step) * reach)

        # from reaching a 2**16th of the peak to having the peak as the finest level
        step = np.float32(self.histogram.peak / reach)
        powers = np.arange(-16 * 12, 12 * math.ceil(math.log2(reach / finest)) + 1) / 12
        for scan in (powers, np.arange(-8, 9) / 96):
            steps: list[np.float32] = list((step * 2**scan).astype(np.float32))
            step = least(steps, bound, lambda step: self.unweighted.squared_error(at(step)))
        return Candidate(spec=spec, quantizer=at(step), bits=8, detail=f"values times {float(step):.4g}")


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


def describe(found: SegmentedQuantizer) -> str:
    """Segments, zero point and step in words: ``40 at s/2 + 128 at s + 88 at 4 s, zero point 24, s = 0.01``."""
    names = {0: "s"}
    parts = [
        f"{segment.codes} at {names.get(e := segment.log2_step) or (f'{1 << e} s' if e > 0 else f's/{1 << -e}')}"
        for segment in found.format.segments
    ]
    sign = "+-" if found.format.signed else ""
    zero = f", zero point {found.format.zero_point}" if found.format.kind == "offset" else ""
    return f"{sign}{' + '.join(parts)}{zero}, s = {float(found.scale.step):.4g}"


def specs(text: str) -> list[str]:
    """A comma-separated list of specs; commas within one, as in ``se8-silu:K=40,f=1``, belong to it."""
    found: list[str] = []
    for word in text.split(","):
        if found and "=" in word and ":" not in word and ":" in found[-1]:
            found[-1] += f",{word.strip()}"
        else:
            found.append(word.strip())
    for spec in found:
        check_candidate(spec)
    return list(dict.fromkeys(found))


