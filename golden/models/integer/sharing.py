"""One format for every tensor in all layers, each of which keeps a scale of its own."""

from collections.abc import Sequence
from dataclasses import replace

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import pooled
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.sharing import EVEN, TOTAL, Measure, share
from qse_hw.golden.models.integer.choose import Choice, quantizer_of
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.options import Objective
from qse_hw.golden.models.integer.shared import UNIT_TYPES
from qse_hw.golden.models.integer.summary import Coded, Summary


def share_formats(summaries: Sequence[Summary], own: Sequence[Choice], objective: Objective) -> list[Choice]:
    """The layers' choices with one format for each tensor, at least as good as the best that a layer chose by itself.

    Squared errors are added where they are what the model's distribution loses (objective "loss"); else all layers
    count alike. The types of function units are the same with their steps: a coded one has one scale, too. norm_f
    counts as another layer's norm.

    Args:
        summaries: of all layers, and of norm_f, in this order.
        own: what each of them chose by itself.
        objective: by which errors are weighted.
    """
    coded: list[dict[str, SegmentedQuantizer]] = [{} for _ in own]
    for name in summaries[0].coded:
        users = [(number, name) for number, summary in enumerate(summaries) if name in summary.coded]
        if name == "norm":
            users.append((len(summaries) - 1, "norm_f"))
        tensors = [summaries[number].coded[called] for number, called in users]
        chosen = [own[number].coded[called] for number, called in users]
        measure = TOTAL if objective == "loss" and all(one.weighted for one in tensors) else EVEN
        fit = _one_quantizer if name in UNIT_TYPES else _one_format
        for (number, called), quantizer in zip(users, fit(tensors, chosen, measure), strict=True):
            coded[number][called] = quantizer
    fixed = [_of_units(choice, own) for choice in own]
    return [Choice(*both) for both in zip(coded, fixed, strict=True)]


def _one_format(
    tensors: Sequence[Coded], own: Sequence[SegmentedQuantizer], measure: Measure
) -> list[SegmentedQuantizer]:
    """One format; every layer has its best scale."""
    first = tensors[0]
    return share(_fitters(tensors), [one.format for one in own], [[one] for one in own], first.spec, measure)


def _one_quantizer(
    tensors: Sequence[Coded], own: Sequence[SegmentedQuantizer], measure: Measure
) -> list[SegmentedQuantizer]:
    """One format at one scale: the best for the values of all layers, or what one of them chose."""
    fitters = _fitters(tensors)
    errors = [fitter.histogram.squared_error(one) for fitter, one in zip(fitters, own, strict=True)]
    together = pooled([one.histogram for one in tensors], [measure.weight(error) for error in errors])
    rivals = [quantizer_of(tensors[0]._replace(histogram=together)), *own]
    best = min(rivals, key=lambda rival: measure.loss(fitters, [rival] * len(fitters)))
    return [best] * len(fitters)


def _fitters(tensors: Sequence[Coded]) -> list[Fitter]:
    return [Fitter(one.histogram, scale_bits=one.scale_bits).of(one.spec) for one in tensors]


def _of_units(choice: Choice, every: Sequence[Choice]) -> dict[str, FixedPoint]:
    """The layer's fixed-point types, those of function units as coarse as any layer's."""
    return {
        name: replace(fixed, exponent=max(one.fixed[name].exponent for one in every if name in one.fixed))
        if name in UNIT_TYPES
        else fixed
        for name, fixed in choice.fixed.items()
    }
