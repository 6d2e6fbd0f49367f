"""What the layers of a model share: nothing, the segments' steps, or one format.

What hardware can share decides the mode:

* ``free``: every layer has its own format and scale. The hardware is one unit per layer, or one unit generated for the
  worst case;
* ``runtime``: the segments' steps are the same in every layer. The number of codes of each segment, the zero point and
  the scale are registers. Shifts stay wires: against a unit of constants, only the registers are added;
* ``shared``: one format; only the scale differs from layer to layer.

Every mode minimizes the mean over the layers of the error in dB, so that all layers count alike. :func:`share`, for
layers whose errors have one unit, can also minimize their sum.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.pruned import best_within
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.segmentation import best_path, total, zero_position
from qse_hw.golden.calibration.spec import FormatSpec, TunedFormat
from qse_hw.golden.calibration.tune import Budget, SegmentSearch, Sign, make_format
from qse_hw.golden.checks import one_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat

MODES = ("free", "runtime", "shared")
_NONE = 1e-300  # a squared error of nothing
_LOSSLESS = 200.0  # dB, counted for a layer that loses nothing: it must not outweigh what the others lose
_ROUNDS = 20  # of alternating improvements, at most; they stop improving after a few

Progress = Callable[[float], None]
Steps = tuple[Sign, tuple[int, ...]]
T = TypeVar("T")


def fit_layers(
    fitters: Sequence[Fitter], spec: FormatSpec, mode: str = "free", progress: Progress | None = None
) -> list[SegmentedQuantizer]:
    """The formats and scales of all layers.

    Args:
        fitters: one per layer.
        spec: what format to fit.
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
    quantizers = _shared(fitters, free, spec)
    if mode == "runtime" and isinstance(spec, TunedFormat) and (better := _runtime(fitters, free, spec)) is not None:
        # one format for all layers has one set of steps, too
        quantizers = min((better, quantizers), key=lambda chosen: loss_db(fitters, chosen))
    report(1.0)
    return quantizers


def check_mode(mode: str) -> None:
    """InputError for an unknown mode."""
    one_of(mode, MODES, "Mode")


def loss_db(fitters: Sequence[Fitter], chosen: Sequence[SegmentedQuantizer]) -> float:
    """Minus the mean SQNR over the layers, in dB."""
    return -float(np.mean([min(f.histogram.sqnr_db(c), _LOSSLESS) for f, c in zip(fitters, chosen, strict=True)]))


def total_db(fitters: Sequence[Fitter], chosen: Sequence[SegmentedQuantizer]) -> float:
    """The layers' squared errors together, in dB."""
    total = sum(f.histogram.squared_error(c) for f, c in zip(fitters, chosen, strict=True))
    return 10 * math.log10(max(total, _NONE))


class Measure(NamedTuple):
    """What is least over the layers.

    Attributes:
        loss: of all layers with their quantizers, in dB.
        weight: of a layer's error, which is given, in the sum that the search for segments minimizes. Where weights
            depend on the errors, the sum bounds the loss.
    """

    loss: Callable[[Sequence[Fitter], Sequence[SegmentedQuantizer]], float]
    weight: Callable[[float], float]


EVEN = Measure(loss_db, lambda error: 1 / max(error, _NONE))
"""All layers count alike, whatever the units of their errors."""
TOTAL = Measure(total_db, lambda error: 1.0)
"""The errors have one unit, such as what the model loses by them."""


def share(
    fitters: Sequence[Fitter],
    rivals: Sequence[SegmentedFormat],
    known: Sequence[Sequence[SegmentedQuantizer]],
    spec: FormatSpec,
    measure: Measure = EVEN,
) -> list[SegmentedQuantizer]:
    """One format for all layers, and each one's scale: at least as good as every rival at each layer's best scale.

    Segments and scales of the best rival are improved in turn, if the format is a tuned one.

    Args:
        fitters: one per layer, with the headroom of ``spec``.
        rivals: formats that all layers may have.
        known: quantizers of each layer, whose scales are tried besides those of the search.
        spec: what was asked for.
        measure: what is least.
    """
    candidates = [
        [_scaled(fitter, format, own) for fitter, own in zip(fitters, known, strict=True)]
        for format in dict.fromkeys(rivals)
    ]
    best = min(candidates, key=lambda chosen: measure.loss(fitters, chosen))
    if not isinstance(spec, TunedFormat) or best[0].format.kind == "twos-complement":
        return best
    least = measure.loss(fitters, best)
    for _ in range(_ROUNDS):
        for refinement in (0, 1):
            moved = _same_segments(fitters, best, spec.budget, refinement, measure)
            moved = [fitter.scale_for(one.format, near=one.scale) for fitter, one in zip(fitters, moved, strict=True)]
            if (loss := measure.loss(fitters, moved)) < least - 1e-3:
                best, least = moved, loss
                break
        else:
            break
    return best


def _shared(
    fitters: Sequence[Fitter], free: Sequence[SegmentedQuantizer], spec: FormatSpec
) -> list[SegmentedQuantizer]:
    """:func:`share`; rivals are some layers' own formats and, of a tuned one, the presets."""
    others = [fitter.given(spec) for fitter in _some(fitters)]
    if isinstance(spec, TunedFormat):
        others += [fitter.presets(spec.budget) for fitter in _some(fitters)]
    known = [[own, *fitter.given(spec)] for fitter, own in zip(fitters, free, strict=True)]
    return share(fitters, [one.format for one in chain(_some(free), *others)], known, spec)


def _scaled(fitter: Fitter, format: SegmentedFormat, known: Sequence[SegmentedQuantizer]) -> SegmentedQuantizer:
    """``format`` at a layer's best scale, either searched or that of one of the layer's ``known`` quantizers."""
    rivals = [fitter.scale_for(format), *(one for one in known if one.format == format)]
    return min(rivals, key=fitter.histogram.squared_error)


def _same_segments(
    fitters: Sequence[Fitter],
    quantizers: Sequence[SegmentedQuantizer],
    budget: Budget,
    refinement: int,
    measure: Measure = EVEN,
) -> list[SegmentedQuantizer]:
    """The best segments for all layers, each at its present scale (fine steps ``2 ** refinement`` times finer).

    Each layer's error has its weight before they are added: by default one over its present error, so that the sum
    bounds that of the logarithms.
    """
    format = quantizers[0].format
    sign = format.kind
    assert sign != "twos-complement"
    finer = format.fraction_bits + refinement
    fines = [Scale(M=one.scale.M, k=one.scale.k - finer, bits=one.scale.bits) for one in quantizers]
    searches = [SegmentSearch(fitter.histogram, sign, budget.bits, budget.segments) for fitter in fitters]
    if any(float(fine.step) < search.shortest() for fine, search in zip(fines, searches, strict=True)):
        return list(quantizers)
    zero = None
    if sign == "offset":  # at the same position in all layers
        lows = (float(fitter.histogram.values[0]) for fitter in fitters)
        zero = max(zero_position(low, float(fine.step)) for low, fine in zip(lows, fines, strict=True))
    by_layer = []
    for search, fine, fitter, one in zip(searches, fines, fitters, quantizers, strict=True):
        cost = search.costs(float(fine.step), zero)
        weight = measure.weight(fitter.histogram.squared_error(one))
        by_layer.append(replace(cost, gaps=cost.gaps * weight, below=cost.below * weight, above=cost.above * weight))
    path = best_within(total(by_layer), searches[0].codes, budget.segments)
    zero_point = 0 if zero is None else zero - path.start
    return [make_format(path, sign, budget.bits, zero_point, fine) for fine in fines]


def _runtime(
    fitters: Sequence[Fitter], free: Sequence[SegmentedQuantizer], spec: TunedFormat
) -> list[SegmentedQuantizer] | None:
    """The best of the layers' own sequences of steps for all layers; each has its best counts, zero point and scale.

    None if no sequence suits all layers.
    """
    known = [[own, *fitter.given(spec)] for fitter, own in zip(fitters, free, strict=True)]
    segmented = [one for one in chain(*_some(known)) if one.format.kind != "twos-complement"]
    rivals = list(dict.fromkeys(_steps(one.format) for one in segmented))
    layers = list(zip(fitters, known, strict=True))
    judges = _some(layers)

    def fitted(steps: Steps, layers: Sequence[tuple[Fitter, list[SegmentedQuantizer]]]) -> list[SegmentedQuantizer]:
        """One quantizer per layer; fewer if there is none for a layer."""
        each = (_best_with(steps, fitter, own, spec.budget) for fitter, own in layers)
        return [one for one in each if one is not None]

    def loss(steps: Steps) -> float:
        quantizers = fitted(steps, judges)
        return loss_db([fitter for fitter, _ in judges], quantizers) if len(quantizers) == len(judges) else math.inf

    quantizers = fitted(min(rivals, key=loss), layers)
    return quantizers if len(quantizers) == len(layers) else None


def _best_with(
    steps: Steps, fitter: Fitter, known: Sequence[SegmentedQuantizer], budget: Budget
) -> SegmentedQuantizer | None:
    """A layer's best format with these steps, either searched or among ``known``; None if there is none.

    ``known``: quantizers of this layer, of any steps, the best first.
    """
    rivals = [one for one in known if one.format.kind != "twos-complement" and _steps(one.format) == steps]
    searched = _counts(fitter, known[0], steps, budget)
    return min([*rivals, *([] if searched is None else [searched])], key=fitter.histogram.squared_error, default=None)


def _counts(
    fitter: Fitter, free: SegmentedQuantizer, steps: Steps, budget: Budget
) -> SegmentedQuantizer | None:
    """A layer's best format with these steps, searched at fine steps around its own format's; None if there is none."""
    sign, powers = steps
    search = SegmentSearch(fitter.histogram, sign, budget.bits, budget.segments)
    room = sum(1 << e for e in powers[: powers.index(0)]) if sign == "offset" else 0  # one code for each segment below
    low = float(search.values.min())
    center = float(free.scale.step) / 2.0**free.format.fraction_bits
    for reach, per_octave in ((9, 8), (4, 32)):
        candidates = []
        for fine in search.near(center, range(-reach, reach + 1), per_octave, free.scale.bits):
            cost = search.costs(float(fine.step), zero_position(low, float(fine.step)) + room)
            candidates.append((best_path(cost, search.codes, powers), fine))
        path, fine = min(candidates, key=lambda item: item[0].error)
        center = float(fine.step)
    return search.format(path._replace(start=path.start - room), fine) if math.isfinite(path.error) else None


def _steps(format: SegmentedFormat) -> Steps:
    """Kind and steps in fine steps (log2): what a unit with registers is built for."""
    assert format.kind != "twos-complement"
    return format.kind, format.shifts


def _some(many: Sequence[T]) -> list[T]:
    """At most 8, evenly spread: enough to choose by, in a deep model, too."""
    return list(many[:: -(-len(many) // 8)])
