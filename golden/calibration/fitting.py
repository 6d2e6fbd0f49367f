"""Finding format parameters and scale of a tensor by least squared error: presets, and formats tuned to a budget.

NumPy only; the search is deterministic and looks at the histogram alone.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

import numpy as np

from qse_hw.golden.calibration.bounded import least
from qse_hw.golden.calibration.families import best_format, widest
from qse_hw.golden.calibration.headroom import with_headroom
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.lloyd import lloyd_max, rules_out
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import FormatFamily, FormatSpec, TunedFormat, parse_preset
from qse_hw.golden.calibration.tune import SIGNS, Budget, Sign, Tuner
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import PRESETS
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat

_NEARLY = 1 + 1e-6  # what the rounding of levels may add to a limit
_PRESETS = [parse_preset(name) for name in PRESETS]


class Fitter:
    """Finds formats and scales for one histogram, and keeps the results of its searches for later ones.

    Args:
        histogram: of the values.
        scale_bits: of the scale's M.
        steps: steps s, such as a percentile's, that are tried besides those of the search; a step that no Scale can
            have is left out.
    """

    def __init__(self, histogram: Histogram, *, scale_bits: int = 16, steps: Iterable[float] = ()) -> None:
        self.histogram, self.scale_bits = histogram, scale_bits
        self._given: list[Scale] = []
        for step in steps:
            with suppress(InputError):
                self._given.append(Scale.from_step(step, scale_bits))
        self._presets: dict[str, SegmentedQuantizer] = {}
        self._tuners: dict[tuple[int, tuple[Sign, ...]], Tuner] = {}
        self._by_headroom: dict[float, Fitter] = {1.0: self}

    def best(self, spec: FormatSpec) -> SegmentedQuantizer:
        """Of :meth:`least_squares` and :meth:`given`, fitted with headroom, the best on the values without it.

        So no format at a given step, which tables show beside it, is better on these values.
        """
        return min([self.least_squares(spec), *self.given(spec)], key=self.histogram.squared_error)

    def given(self, spec: FormatSpec) -> list[SegmentedQuantizer]:
        """The best formats at the steps that were given; a step at which there is none is left out."""
        quantizers = []
        for scale in self._given:
            with suppress(InputError):
                quantizers.append(self._at(spec, scale))
        return quantizers

    def least_squares(self, spec: FormatSpec) -> SegmentedQuantizer:
        """Scale and format parameters with the least squared error.

        A given format and a family (:mod:`qse_hw.golden.calibration.families`): steps from twice the peak to
        peak/2**16 are scanned, 6 per octave, without those that a bound rules out; then steps around the best one, 48
        and 192 per octave, and the steps that were given. A tuned format:
        :class:`qse_hw.golden.calibration.tune.Tuner`; on the values with the budget's headroom, its error is no greater
        than that of any preset within the budget, or of a format that a smaller budget gives.
        """
        if isinstance(spec, TunedFormat):
            return self.of(spec)._tuned(spec.budget)
        if isinstance(spec, FormatFamily):
            return self._search(lambda scale: self._at(spec, scale), widest(spec))
        return self.scale_for(spec.format)

    def scale_for(self, format: SegmentedFormat, *, near: Scale | None = None) -> SegmentedQuantizer:
        """``format`` at its best scale, sought as :meth:`least_squares` does, or near one only."""
        return self._search(lambda scale: SegmentedQuantizer(format=format, scale=scale), format, near)

    def at(self, spec: FormatSpec, step: float) -> SegmentedQuantizer:
        """The format with the least squared error at this step s, of those that ``spec`` allows."""
        return self._at(spec, Scale.from_step(step, self.scale_bits))

    def _at(self, spec: FormatSpec, scale: Scale) -> SegmentedQuantizer:
        if isinstance(spec, TunedFormat):
            return self.of(spec)._tuner(spec.budget).at(scale, spec.budget.segments)
        return SegmentedQuantizer(format=best_format(spec, self.histogram, scale), scale=scale)

    def _search(
        self, at: Callable[[Scale], SegmentedQuantizer], widest: SegmentedFormat, near: Scale | None = None
    ) -> SegmentedQuantizer:
        """The best of the quantizers that ``at`` gives; none has a finer step or a longer reach than ``widest``."""
        unit = 2.0**widest.fraction_bits
        reach = max(abs(value) for value in widest.values.values()) / unit
        largest = 2 * float(np.abs(self.histogram.values[[0, -1]]).max())

        def bound(scale: Scale) -> float:
            return self.histogram.least_error(float(scale.step) / unit, float(scale.step) * reach)

        def best_of(steps: Iterable[float], *others: Scale) -> SegmentedQuantizer:
            quantizers: dict[Scale, SegmentedQuantizer] = {}

            def error(scale: Scale) -> float:
                quantizers[scale] = at(scale)
                return self.histogram.squared_error(quantizers[scale])

            scales = [*(Scale.from_step(step, self.scale_bits) for step in steps), *others]
            return quantizers[least(dict.fromkeys(scales), bound, error)]

        best = at(near) if near else best_of(largest * 2 ** (-n / 6) for n in range(6 * 17 + 1))
        for reached, per_octave in ((4 if near else 7, 48), (4, 192)):
            step = float(best.scale.step)
            around = (step * 2 ** (n / per_octave) for n in range(-reached, reached + 1))
            best = best_of(around, best.scale)
        return best_of([], best.scale, *self._given)  # last, so that no given step diverts the scan

    def of(self, spec: FormatSpec) -> "Fitter":
        """The fitter that judges formats of ``spec``: a tuned one's has its headroom, others' is this one."""
        return self.with_headroom(spec.budget.headroom) if isinstance(spec, TunedFormat) else self

    def with_headroom(self, headroom: float) -> "Fitter":
        """The fitter to the values seen and that much headroom; of one that has it already, itself."""
        if headroom not in self._by_headroom:
            roomy = Fitter(with_headroom(self._by_headroom[1.0].histogram, headroom), scale_bits=self.scale_bits)
            roomy._given = self._given
            roomy._by_headroom = self._by_headroom
            self._by_headroom[headroom] = roomy
        return self._by_headroom[headroom]

    def _tuned(self, budget: Budget) -> SegmentedQuantizer:
        rivals = [self._tuner(budget).best(budget.segments), *self.presets(budget)]
        squared_error = self.histogram.squared_error
        best = min(rivals, key=squared_error)
        error, bits = squared_error(best), budget.bits - 1
        # With few values, the scan of fewer bits may happen on a step that fits them better. It cannot where even the
        # optimal codebook of so many bits errs more.
        if error and bits >= 2 and self._reached(1 << bits, _NEARLY * error):
            best = min(best, self._tuned(replace(budget, bits=bits)), key=squared_error)
        return best

    def _reached(self, levels: int, error: float) -> bool:
        """Whether a codebook of so many levels has at most this squared error."""
        if rules_out(self.histogram, levels, error):
            return False
        return self.histogram.squared_error(lloyd_max(self.histogram, levels)) <= error

    def presets(self, budget: Budget) -> list[SegmentedQuantizer]:
        """The presets within the budget, each at its best with the budget's headroom."""
        roomy = self.with_headroom(budget.headroom)
        quantizers = []
        for spec in _PRESETS:
            format = widest(spec)  # has the bits, segments and sign of all
            if (
                format.bits <= budget.bits
                and len(format.segments) <= budget.segments
                and SIGNS[format.signed] in budget.signs
            ):
                if spec.name not in roomy._presets:
                    roomy._presets[spec.name] = roomy.least_squares(spec)
                quantizers.append(roomy._presets[spec.name])
        return quantizers

    def _tuner(self, budget: Budget) -> Tuner:
        key = budget.bits, budget.signs
        known = self._tuners.get(key)
        if known is None or known.budget.segments < budget.segments:
            # one search with more segments serves all smaller budgets
            roomy = replace(budget, segments=max(budget.segments, Budget.segments))
            known = self._tuners[key] = Tuner(self.histogram, roomy, self.scale_bits)
        return known
