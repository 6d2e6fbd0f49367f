"""Finding format parameters and scale of a tensor by least squared error: presets, and formats tuned to a budget.

NumPy only; the search is deterministic and looks at the histogram alone.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from qse_hw.golden.calibration.bounded import least
from qse_hw.golden.calibration.families import OPEN, best_format, corner
from qse_hw.golden.calibration.headroom import check_headroom, with_headroom
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.lloyd import lloyd_max
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.tune import SIGNS, Budget, Sign, Tuner
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import PRESETS, load_format
from qse_hw.golden.formats.scale import Scale, check_scale_bits
from qse_hw.golden.formats.segmented import SegmentedFormat

TUNED = "tuned"  # the format that is searched for
_NEARLY = 1 + 1e-6  # what the rounding of levels may add to a limit
_INTEGER: tuple[Callable[[str], float], str] = (int, "an integer")
_PARAMETERS = {"segments": _INTEGER, "bits": _INTEGER, "sign": _INTEGER, "headroom": (float, "a number")}


def check_spec(spec: str | SegmentedFormat, scale_bits: int = 16) -> None:
    """InputError unless ``spec`` names a format, or how one is to be tuned, and ``scale_bits`` is sound."""
    if is_tuned(spec):
        budget(spec, scale_bits)
    else:
        load_format(spec)
        check_scale_bits(scale_bits)


def is_tuned(spec: str | SegmentedFormat) -> bool:
    """Whether ``spec`` asks for a search rather than for a preset, a file or a format."""
    return isinstance(spec, str) and spec.partition(":")[0] == TUNED


def budget(spec: str | SegmentedFormat, scale_bits: int = 16) -> Budget:
    """The budget of ``tuned`` or ``tuned:segments=N,bits=B,sign=S,headroom=M``; sign 1: with a sign bit, 0: without."""
    parameters: dict[str, Any] = {}
    for argument in filter(None, str(spec).partition(":")[2].split(",")):
        key, _, value = argument.partition("=")
        if key not in _PARAMETERS:
            raise InputError(f"Format tuned takes {', '.join(_PARAMETERS)}, not {argument!r}")
        if key in parameters:
            raise InputError(f"Format tuned: {key} must be given once, not again as {argument!r}")
        number, words = _PARAMETERS[key]
        try:
            parameters[key] = number(value)
        except ValueError:
            raise InputError(f"Format tuned: {key} must be {words}, not {value!r}") from None
    sign = parameters.get("sign")
    if sign not in (None, 0, 1):
        raise InputError(f"Format tuned: sign must be 0 or 1, not {sign}")
    return Budget(
        segments=parameters.get("segments", Budget.segments),
        bits=parameters.get("bits", Budget.bits),
        scale_bits=scale_bits,
        signs=SIGNS if sign is None else (SIGNS[sign],),
        headroom=parameters.get("headroom", Budget.headroom),
    )


def spec_with_headroom(spec: str, headroom: float | None) -> str:
    """``spec`` with that headroom as its parameter; as it is for None.

    Raises:
        InputError: if it is no tuned format, or says its headroom itself.
    """
    if headroom is None:
        return spec
    if not is_tuned(spec):
        raise InputError(f"Headroom must be for a tuned format, not for {spec}; leave it out")
    if "headroom=" in spec:
        raise InputError(f"Headroom must be given once, not as {headroom:g} and in {spec}")
    check_headroom(headroom)
    return f"{spec.removesuffix(':')}{',' if '=' in spec else ':'}headroom={headroom:g}"


class Fitter:
    """Finds formats and scales for one histogram; what one search found serves the next.

    Args:
        histogram: of the values.
        scale_bits: of the scale's M.
        steps: steps s, such as a percentile's, that are tried besides those that the search comes to; what no Scale may
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

    def best(self, spec: str | SegmentedFormat) -> SegmentedQuantizer:
        """The best on the values themselves, without headroom, of :meth:`least_squares` and :meth:`given`.

        So nothing that a table shows beside it is better on these values; all have been fitted with headroom.
        """
        return min([self.least_squares(spec), *self.given(spec)], key=self.histogram.squared_error)

    def given(self, spec: str | SegmentedFormat) -> list[SegmentedQuantizer]:
        """The best formats at the steps that were given, where there are any."""
        found = []
        for scale in self._given:
            with suppress(InputError):
                found.append(self._at(spec, scale))
        return found

    def least_squares(self, spec: str | SegmentedFormat) -> SegmentedQuantizer:
        """Scale and format parameters with the least squared error.

        Presets: the best of the formats that ``spec`` leaves open (:mod:`qse_hw.golden.calibration.families`) at steps
        from twice the peak to peak/2**16, 6 per octave, but for those that cannot be the best; then at steps around the
        winner, 48 and 192 to the octave, and at those that were given. ``tuned``:
        :class:`qse_hw.golden.calibration.tune.Tuner`; the result is no worse than any preset that keeps to the budget,
        and than what a smaller budget gives, judged with the budget's headroom.
        """
        if is_tuned(spec):
            return self.of(spec)._tuned(budget(spec, self.scale_bits))
        widest = corner(spec)
        return self._search(lambda scale: self._at(spec, scale), widest) if spec in OPEN else self.scale_for(widest)

    def scale_for(self, format: SegmentedFormat, *, near: Scale | None = None) -> SegmentedQuantizer:
        """``format`` at its best scale, sought as :meth:`least_squares` does, or near one only."""
        return self._search(lambda scale: SegmentedQuantizer(format=format, scale=scale), format, near)

    def at(self, spec: str | SegmentedFormat, step: float) -> SegmentedQuantizer:
        """The format with the least squared error, of those that ``spec`` leaves open, at this step s."""
        return self._at(spec, Scale.from_step(step, self.scale_bits))

    def _at(self, spec: str | SegmentedFormat, scale: Scale) -> SegmentedQuantizer:
        if is_tuned(spec):
            wanted = budget(spec, self.scale_bits)
            return self.of(spec)._tuner(wanted).at(scale, wanted.segments)
        return SegmentedQuantizer(format=best_format(spec, self.histogram, scale), scale=scale)

    def _search(
        self, at: Callable[[Scale], SegmentedQuantizer], widest: SegmentedFormat, near: Scale | None = None
    ) -> SegmentedQuantizer:
        """The best of what is found ``at`` scales; no format that is has a finer step or more reach than ``widest``."""
        unit = 2.0**widest.fraction_bits
        reach = max(abs(value) for value in widest.values.values()) / unit
        largest = 2 * float(np.abs(self.histogram.values[[0, -1]]).max())

        def bound(scale: Scale) -> float:
            return self.histogram.least_error(float(scale.step) / unit, float(scale.step) * reach)

        def best(steps: Iterable[float], *others: Scale) -> SegmentedQuantizer:
            found: dict[Scale, SegmentedQuantizer] = {}

            def error(scale: Scale) -> float:
                found[scale] = at(scale)
                return self.histogram.squared_error(found[scale])

            scales = [*(Scale.from_step(step, self.scale_bits) for step in steps), *others]
            return found[least(dict.fromkeys(scales), bound, error)]

        found = at(near) if near else best(largest * 2 ** (-n / 6) for n in range(6 * 17 + 1))
        for reached, per_octave in ((4 if near else 7, 48), (4, 192)):
            step = float(found.scale.step)
            around = (step * 2 ** (n / per_octave) for n in range(-reached, reached + 1))
            found = best(around, found.scale)
        return best([], found.scale, *self._given)  # last, that none leads away from what the scan comes to

    def of(self, spec: str | SegmentedFormat) -> "Fitter":
        """The fitter that judges formats of ``spec``: a tuned one's has its headroom, others' is this one."""
        return self.with_headroom(budget(spec).headroom) if is_tuned(spec) else self

    def with_headroom(self, headroom: float) -> "Fitter":
        """The fitter to the values seen and that much headroom; of one that has it already, itself."""
        if headroom not in self._by_headroom:
            roomy = Fitter(with_headroom(self._by_headroom[1.0].histogram, headroom), scale_bits=self.scale_bits)
            roomy._given = self._given
            roomy._by_headroom = self._by_headroom
            self._by_headroom[headroom] = roomy
        return self._by_headroom[headroom]

    def _tuned(self, wanted: Budget) -> SegmentedQuantizer:
        rivals = [self._tuner(wanted).best(wanted.segments), *self.presets(wanted)]
        found = min(rivals, key=self.histogram.squared_error)
        lost, bits = self.histogram.squared_error(found), wanted.bits - 1
        # a step may fit few values by chance, with fewer bits, too; but no better than as many levels anywhere
        if lost and bits >= 2 and self.histogram.squared_error(lloyd_max(self.histogram, 1 << bits)) <= _NEARLY * lost:
            found = min(found, self._tuned(replace(wanted, bits=bits)), key=self.histogram.squared_error)
        return found

    def presets(self, wanted: Budget) -> list[SegmentedQuantizer]:
        """Those presets, at their best with the budget's headroom, that keep to the budget."""
        roomy = self.with_headroom(wanted.headroom)
        found = []
        for name in PRESETS:
            format = corner(name)  # has the bits, segments and sign of all
            if (
                format.bits <= wanted.bits
                and len(format.segments) <= wanted.segments
                and SIGNS[format.signed] in wanted.signs
            ):
                if name not in roomy._presets:
                    roomy._presets[name] = roomy.least_squares(name)
                found.append(roomy._presets[name])
        return found

    def _tuner(self, wanted: Budget) -> Tuner:
        key = wanted.bits, wanted.signs
        known = self._tuners.get(key)
        if known is None or known.budget.segments < wanted.segments:
            # one search with more segments serves all smaller budgets
            roomy = replace(wanted, segments=max(wanted.segments, Budget.segments))
            known = self._tuners[key] = Tuner(self.histogram, roomy)
        return known
