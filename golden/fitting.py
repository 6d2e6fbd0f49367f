"""Finding format parameters and scale of a tensor by least squared error: presets, and formats tuned to a budget.

NumPy only; the search is deterministic and looks at the histogram alone.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from golden.errors import InputError
from golden.formats import SegmentedFormat
from golden.headroom import check_headroom, with_headroom
from golden.histogram import Histogram
from golden.presets import PRESETS, int8_asym, load_format, se8, se8_silu
from golden.quantiser import Segmented
from golden.scale import Scale, check_scale_bits
from golden.tune import SIGNS, Budget, Sign, Tuner

TUNED = "tuned"  # the format that is searched for
_INTEGER: tuple[Callable[[str], float], str] = (int, "an integer")
_PARAMETERS = {"segments": _INTEGER, "bits": _INTEGER, "sign": _INTEGER, "headroom": (float, "a number")}


def check_spec(spec: str, scale_bits: int = 16) -> None:
    """InputError unless ``spec`` names a format, or how one is to be tuned, and ``scale_bits`` is sound."""
    if is_tuned(spec):
        budget(spec, scale_bits)
    else:
        load_format(spec)
        check_scale_bits(scale_bits)


def is_tuned(spec: str) -> bool:
    """Whether ``spec`` asks for a search rather than for a preset or a file."""
    return spec.partition(":")[0] == TUNED


def budget(spec: str, scale_bits: int = 16) -> Budget:
    """The budget of ``tuned`` or ``tuned:segments=N,bits=B,sign=S,headroom=M``; sign 1: with a sign bit, 0: without."""
    parameters: dict[str, Any] = {}
    for argument in filter(None, spec.partition(":")[2].split(",")):
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
    """Finds formats and scales for one histogram; what one search found serves the next."""

    def __init__(self, histogram: Histogram, *, scale_bits: int = 16) -> None:
        self.histogram, self.scale_bits = histogram, scale_bits
        self._tuners: dict[tuple[int, tuple[Sign, ...]], Tuner] = {}
        self._by_headroom: dict[float, Fitter] = {1.0: self}

    def least_squares(self, spec: str) -> Segmented:
        """Scale and format parameters with the least squared error.

        Presets: every format that ``spec`` leaves open is tried at steps from peak/32 to peak/1024, 6 per octave; then
        steps within a sixth of an octave of the winner, 1/48 octave apart. ``tuned``: :class:`golden.tune.Tuner`; the
        result is no worse than any preset that keeps to the budget, both judged with the budget's headroom.
        """
        if is_tuned(spec):
            return self.of(spec)._tuned(budget(spec, self.scale_bits))
        peak = self.histogram.peak
        coarse = [Scale.from_step(peak / 32 * 2 ** (-n / 6), self.scale_bits) for n in range(6 * 5 + 1)]
        scale = self._best(spec, coarse).scale
        finer = [Scale.from_step(float(scale.step) * 2 ** (n / 48), self.scale_bits) for n in range(-7, 8)]
        return self._best(spec, list(dict.fromkeys(finer)))

    def scale_for(self, format: SegmentedFormat, *, near: Scale | None = None) -> Segmented:
        """``format`` at its best scale, sought from reaching 1/16 of the peak to twice all values, or ``near`` one."""
        widths, centre = [(4, 4, 48), (4, 4, 192)], near
        if centre is None:
            unit = 2.0**format.fraction_bits
            floor, reach = min(format.values.values()) / unit, max(map(abs, format.values.values())) / unit
            step = self.histogram.peak / reach
            # an offset format's floor may ask for a larger scale than the peak does
            more = self.histogram.low / floor / step if floor < 0 else 1.0
            widths.insert(0, (15, 15 + (math.ceil(6 * math.log2(more)) if more > 1 else 0), 6))
            centre = Scale.from_step(step * 2**-1.5, self.scale_bits)
        for down, up, per_octave in widths:
            steps = (float(centre.step) * 2 ** (n / per_octave) for n in range(-down, up + 1))
            scales = dict.fromkeys(Scale.from_step(step, self.scale_bits) for step in steps)
            found = min((Segmented(format=format, scale=s) for s in scales), key=self.histogram.squared_error)
            centre = found.scale
        return found

    def at(self, spec: str, step: float) -> Segmented:
        """The format with the least squared error, of those that ``spec`` leaves open, at this step s."""
        scale = Scale.from_step(step, self.scale_bits)
        if is_tuned(spec):
            wanted = budget(spec, self.scale_bits)
            return self.of(spec)._tuner(wanted).at(scale, wanted.segments)
        return self._best(spec, [scale])

    def of(self, spec: str) -> "Fitter":
        """The fitter that judges formats of ``spec``: a tuned one's has its headroom, others' is this one."""
        return self.with_headroom(budget(spec).headroom) if is_tuned(spec) else self

    def with_headroom(self, headroom: float) -> "Fitter":
        """The fitter to the values seen and that much headroom; of one that has it already, itself."""
        if headroom not in self._by_headroom:
            roomy = Fitter(with_headroom(self._by_headroom[1.0].histogram, headroom), scale_bits=self.scale_bits)
            roomy._by_headroom = self._by_headroom
            self._by_headroom[headroom] = roomy
        return self._by_headroom[headroom]

    def _tuned(self, wanted: Budget) -> Segmented:
        rivals = [self._tuner(wanted).best(wanted.segments), *self.presets(wanted)]
        return min(rivals, key=self.histogram.squared_error)

    def presets(self, wanted: Budget) -> list[Segmented]:
        """Those presets, at their best with the budget's headroom, that keep to the budget."""
        return [
            preset
            for preset in self.with_headroom(wanted.headroom)._presets
            if preset.format.bits <= wanted.bits
            and len(preset.format.segments) <= wanted.segments
            and SIGNS[preset.format.signed] in wanted.signs
        ]

    @cached_property
    def _presets(self) -> list[Segmented]:
        """Every preset that fits these values."""
        found = []
        for name in PRESETS:
            with suppress(InputError):  # no zero point lets an offset format reach the minimum
                found.append(self.least_squares(name))
        return found

    def _tuner(self, wanted: Budget) -> Tuner:
        key = wanted.bits, wanted.signs
        known = self._tuners.get(key)
        if known is None or known.budget.segments < wanted.segments:
            # one search with more segments serves all smaller budgets
            roomy = replace(wanted, segments=max(wanted.segments, Budget.segments))
            known = self._tuners[key] = Tuner(self.histogram, roomy)
        return known

    def _best(self, spec: str, scales: list[Scale]) -> Segmented:
        candidates = [
            Segmented(format=format, scale=scale)
            for scale in scales
            for format in _family(spec, scale, self.histogram.low)
        ]
        if not candidates:
            raise InputError(
                f"Format {spec} does not fit these activations: no zero point lets it reach their minimum, "
                f"{self.histogram.low:.4g}, at the scales tried; use a signed format"
            )
        return min(candidates, key=self.histogram.squared_error)


def _family(spec: str, scale: Scale, low: float) -> Iterator[SegmentedFormat]:
    """The formats that ``spec`` leaves open at ``scale``, for values from ``low`` up.

    A bare preset name leaves its parameters open: L of se8; K and the zero point of se8-silu; the zero point of
    int8-asym. Anything else is the one format it says.
    """

    def zero_point(f: int) -> int:
        # the smallest that keeps low within half a fine step of the floor
        fine_steps: Fraction = -Fraction(low) * scale.reciprocal * 2**f
        return max(0, math.ceil(fine_steps - Fraction(1, 2)))

    if spec == "se8":
        yield from (se8(L) for L in range(2, 16))
    elif spec == "se8-silu":
        yield from (se8_silu(K, zero_point(1)) for K in range(16, 72, 8) if zero_point(1) < K)
    elif spec == "int8-asym":
        if zero_point(0) < 256:
            yield int8_asym(zero_point(0))
    else:
        yield load_format(spec)
