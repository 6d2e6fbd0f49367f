"""Formats for all layers of a model at once: free per layer, one set of steps, or one format.

What hardware can share decides the mode:

* ``free``: every layer has its own format and scale; a unit per layer, or one that is generated for the worst case;
* ``runtime``: the segments' steps are the same in every layer; how many codes each segment has, the zero point and the
  scale are registers. The shifts stay wires, so that this costs a plain constant unit no more logic than its registers;
* ``shared``: one format; only the scale differs from layer to layer.

All minimise the mean over the layers of the error in dB, so that every layer counts alike.
"""

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np

from qse_hw.golden.calibration.fitting import Fitter, budget, is_tuned
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.segmentation import search, search_counts, total, zero_position
from qse_hw.golden.calibration.tune import Axis, Budget, Sign, make_format
from qse_hw.golden.checks import one_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat

MODES = ("free", "runtime", "shared")
_ROUNDS = 20  # of the alternation; it ends when nothing improves, after a few

Progress = Callable[[float], None]
Steps = tuple[Sign, tuple[int, ...]]
T = TypeVar("T")


def fit_layers(
    fitters: Sequence[Fitter], spec: str | SegmentedFormat, mode: str = "free", progress: Progress | None = None
) -> list[SegmentedQuantizer]:
    """The formats and scales of all layers.

    Args:
        fitters: one per layer.
        spec: a format as :func:`qse_hw.golden.calibration.fitting.check_spec` takes it.
        mode: one of :data:`MODES`.
        progress: called with the share that is done.

    Raises:
        InputError: for an unknown mode, or a format that does not fit a layer.
    """
    check_mode(mode)
    report = progress or (lambda share: None)
    fitters = [fitter.of(spec) for fitter in fitters]
    free = []
    for number, fitter in enumerate(fitters):
        free.append(fitter.best(spec))
        report((number + 1) / len(fitters) * (1.0 if mode == "free" else 0.5))
    if mode == "free":
        return free
    if mode == "runtime" and len({(one.format.kind, one.format.shifts) for one in free}) == 1:
        report(1.0)
        return free
    found = _shared(fitters, free, spec)
    if mode == "runtime" and (better := _runtime(fitters, free, spec)) is not None:
        # one format for all has one set of steps, too
        found = min((better, found), key=lambda chosen: loss_db(fitters, chosen))
    report(1.0)
    return found


def check_mode(mode: str) -> None:
    """InputError for an unknown mode."""
    one_of(mode, MODES, "Mode")


def loss_db(fitters: Sequence[Fitter], chosen: Sequence[SegmentedQuantizer]) -> float:
    """Minus the mean SQNR over the layers, in dB."""
    return -float(np.mean([f.histogram.sqnr_db(c) for f, c in zip(fitters, chosen, strict=True)]))


def _shared(fitters: Sequence[Fitter], free: Sequence[SegmentedQuantizer], spec: str | SegmentedFormat) -> list[SegmentedQuantizer]:
    """The best of the layers' own formats; a tuned one is then improved by turns: segments, scales, segments."""
    others = [fitter.given(spec) for fitter in _some(fitters)]
    if is_tuned(spec):
        others += [fitter.presets(budget(spec)) for fitter in _some(fitters)]
    rivals = list(dict.fromkeys(found.format for found in chain(_some(free), *others)))
    known = [[own, *fitter.given(spec)] for fitter, own in zip(fitters, free, strict=True)]
    candidates = [
        [_scaled(fitter, format, own) for fitter, own in zip(fitters, known, strict=True)] for format in rivals
    ]
    found = min(candidates, key=lambda chosen: loss_db(fitters, chosen))
    if not is_tuned(spec) or found[0].format.kind == "twos-complement":
        return found
    wanted = budget(spec)
    best = loss_db(fitters, found)
    for _ in range(_ROUNDS):
        for refinement in (0, 1):
            better = _same_segments(fitters, found, wanted, refinement)
            better = [fitter.scale_for(one.format, near=one.scale) for fitter, one in zip(fitters, better, strict=True)]
            if (loss := loss_db(fitters, better)) < best - 1e-3:
                found, best = better, loss
                break
        else:
            break
    return found


def _scaled(fitter: Fitter, format: SegmentedFormat, known: Sequence[SegmentedQuantizer]) -> SegmentedQuantizer:
    """``format`` at a layer's best scale: searched, or one that is known."""
    rivals = [fitter.scale_for(format), *(one for one in known if one.format == format)]
    return min(rivals, key=fitter.histogram.squared_error)


def _same_segments(
    fitters: Sequence[Fitter], found: Sequence[SegmentedQuantizer], wanted: Budget, refinement: int
) -> list[SegmentedQuantizer]:
    """The best segments for all layers, each at its present scale (fine steps ``2 ** refinement`` times finer).

    Errors are added in units of each layer's present one, whose sum bounds that of their logarithms from above.
    """
    format = found[0].format
    sign = format.kind
    assert sign != "twos-complement"
    finer = format.fraction_bits + refinement
    fines = [Scale(M=one.scale.M, k=one.scale.k - finer, bits=one.scale.bits) for one in found]
    axes = [Axis(fitter.histogram, sign, wanted.bits, wanted.segments) for fitter in fitters]
    if any(float(fine.step) < axis.shortest() for fine, axis in zip(fines, axes, strict=True)):
        return list(found)
    zero = None
    if sign == "offset":  # at the same position for all
        lows = (float(fitter.histogram.values[0]) for fitter in fitters)
        zero = max(zero_position(low, float(fine.step)) for low, fine in zip(lows, fines, strict=True))
    parts = []
    for axis, fine, fitter, one in zip(axes, fines, fitters, found, strict=True):
        costs = axis.costs(float(fine.step), zero)
        unit = 1 / max(fitter.histogram.squared_error(one), 1e-300)
        parts.append(costs._replace(gaps=costs.gaps * unit, below=costs.below * unit, above=costs.above * unit))
    path = search(total(parts), axes[0].codes, wanted.segments)[-1]
    zero_point = 0 if zero is None else zero - path.start
    return [make_format(path, sign, wanted.bits, zero_point, fine) for fine in fines]


def _runtime(
    fitters: Sequence[Fitter], free: Sequence[SegmentedQuantizer], spec: str | SegmentedFormat
) -> list[SegmentedQuantizer] | None:
    """The best of the layers' own sequences of steps for all, with every layer's best counts, zero point and scale.

    None if no sequence suits all layers.
    """
    wanted = budget(spec)
    known = [[own, *fitter.given(spec)] for fitter, own in zip(fitters, free, strict=True)]
    segmented = [found for found in chain(*_some(known)) if found.format.kind != "twos-complement"]
    rivals = list(dict.fromkeys(_steps(found.format) for found in segmented))
    layers = list(zip(fitters, known, strict=True))
    judges = _some(layers)

    def loss(steps: Steps) -> float:
        found = [_best_with(steps, fitter, own, wanted) for fitter, own in judges]
        some = [one for one in found if one is not None]
        return math.inf if len(some) < len(found) else loss_db([fitter for fitter, _ in judges], some)

    steps = min(rivals, key=loss)
    found = [_best_with(steps, fitter, own, wanted) for fitter, own in layers]
    some = [one for one in found if one is not None]
    return some if len(some) == len(found) else None


def _best_with(steps: Steps, fitter: Fitter, known: Sequence[SegmentedQuantizer], wanted: Budget) -> SegmentedQuantizer | None:
    """A layer's best format with these steps: searched, or one that is known; None if there is none.

    ``known``: formats of the layer's own, of any steps, first the best.
    """
    rivals = [one for one in known if one.format.kind != "twos-complement" and _steps(one.format) == steps]
    found = _counts(fitter, known[0], steps, wanted)
    return min([*rivals, *([] if found is None else [found])], key=fitter.histogram.squared_error, default=None)


def _counts(fitter: Fitter, free: SegmentedQuantizer, steps: Steps, wanted: Budget) -> SegmentedQuantizer | None:
    """A layer's best format with these steps, searched at fine steps around its own format's; None if there is none."""
    sign, powers = steps
    axis = Axis(fitter.histogram, sign, wanted.bits, wanted.segments)
    room = sum(1 << e for e in powers[: powers.index(0)]) if sign == "offset" else 0  # a code for each before zero's
    low = float(axis.values.min())
    centre = float(free.scale.step) / 2.0**free.format.fraction_bits
    for reach, per_octave in ((9, 8), (4, 32)):
        fines = axis.near(centre, range(-reach, reach + 1), per_octave, free.scale.bits)
        found = []
        for fine in fines:
            costs = axis.costs(float(fine.step), zero_position(low, float(fine.step)) + room)
            found.append((search_counts(costs, axis.codes, powers), fine))
        path, fine = min(found, key=lambda item: item[0].error)
        centre = float(fine.step)
    return axis.format(path._replace(start=path.start - room), fine) if math.isfinite(path.error) else None


def _steps(format: SegmentedFormat) -> Steps:
    """Kind and steps in fine steps (log2): what a unit with registers is built for."""
    assert format.kind != "twos-complement"
    return format.kind, format.shifts


def _some(many: Sequence[T]) -> list[T]:
    """At most 8, evenly spread: in a deep model, enough to choose by."""
    return list(many[:: -(-len(many) // 8)])
