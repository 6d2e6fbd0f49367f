"""Calibrates a model: every layer's format and scale, layer by layer."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from golden.calibration import METHODS, Calibration, Choice
from golden.errors import InputError
from golden.fitting import Fitter, budget, is_tuned
from golden.histogram import Histogram, Values
from golden.modes import check_mode, fit_layers
from golden.percentile import ALPHA, percentile_step
from golden.quantiser import Quantiser, Segmented


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What calibration sees of a layer.

    Attributes:
        x: (tokens, channels), float32 or float16.
        weights: of x's shape, what each value's squared error counts at the layer's output; None: all alike.
        output_error: of quantisers, the relative squared error at the layer's output; None: unknown.
    """

    x: Values
    weights: Values | None = None
    output_error: Callable[[Sequence[Quantiser]], Sequence[float]] | None = None


def calibrate(
    layers: Iterable[Layer],
    spec: str,
    *,
    model: str = "",
    mode: str = "free",
    alpha: float = ALPHA,
    scale_bits: int = 16,
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """Calibrate all layers, each seen once: of what it was, only histograms are kept.

    Args:
        layers: first to last. Where they have weights, the objective is the error at the layer's output. In mode "free"
            the weighted optimum, the unweighted one and the presets are then compared by ``output_error``, and the best
            is taken; in the others the weighted optimum is.
        spec: the format; a bare preset name leaves its parameters open, ``tuned`` everything.
        model: fingerprint of the model.
        mode: what the layers share, one of :data:`golden.modes.MODES`.
        alpha: quantile of the percentile method.
        scale_bits: width of M.
        progress: called with each layer's number when it has been seen.

    Raises:
        InputError: naming the layer, where its values cannot be calibrated.
    """
    check_mode(mode)
    fitters: list[Fitter] = []
    seen: list[tuple[Histogram, Segmented]] = []
    found: list[tuple[Choice, Choice]] = []
    shape, objective = (0, 0), "x"
    for layer in layers:  # enumerate would hold the last one
        number = len(seen)
        try:
            plain = Fitter(Histogram(layer.x), scale_bits=scale_bits)
            fitter = plain
            if layer.weights is not None:
                fitter = Fitter(Histogram(layer.x, layer.weights), scale_bits=scale_bits)
            percentile = fitter.at(spec, percentile_step(layer.x, alpha))
            if mode == "free":
                found.append(_free(layer, fitter, plain, spec, percentile))
            else:
                fitters.append(fitter)
            seen.append((plain.histogram, percentile))
        except InputError as error:
            raise InputError(f"Layer {number}: {error}") from error
        shape, objective = layer.x.shape, "x" if layer.weights is None else "output"
        del layer  # before the next is made
        if progress is not None:
            progress(number)
    if fitters:
        for (histogram, percentile), best in zip(seen, fit_layers(fitters, spec, mode), strict=True):
            found.append((_choice(histogram, best), _choice(histogram, percentile)))
    return Calibration(
        model=model,
        format=spec,
        mode=mode,
        objective=objective,
        alpha=alpha,
        tokens=shape[0],
        channels=shape[1],
        layers=tuple(dict(zip(METHODS, choices, strict=True)) for choices in found),
    )


def _free(
    layer: Layer, fitter: Fitter, plain: Fitter, spec: str, percentile: Segmented
) -> tuple[Choice, Choice]:
    """The layer's best format by itself, and the one at the percentile's scale."""
    best = fitter.least_squares(spec)
    if layer.output_error is None:
        return _choice(plain.histogram, best), _choice(plain.histogram, percentile)
    rivals = [percentile, best, plain.least_squares(spec)]
    if is_tuned(spec):
        rivals += [*fitter.presets(budget(spec)), *plain.presets(budget(spec))]
    errors = layer.output_error(rivals)

    def expected(number: int) -> float:
        """The error at the output, grown by the share that values expected beyond the peak add to that of x."""
        seen = fitter.histogram.squared_error(rivals[number])
        return errors[number] * (fitter.of(spec).histogram.squared_error(rivals[number]) / seen if seen else 1.0)

    number = min(range(1, len(rivals)), key=expected)
    return (
        _choice(plain.histogram, rivals[number], errors[number]),
        _choice(plain.histogram, percentile, errors[0]),
    )


def _choice(histogram: Histogram, found: Segmented, output_error: float | None = None) -> Choice:
    output = None if output_error is None else -10 * math.log10(max(output_error, 1e-30))
    return Choice(
        format=found.format, scale=found.scale, sqnr_db=histogram.sqnr_db(found), output_sqnr_db=output
    )
