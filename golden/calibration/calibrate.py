"""Calibrates a model: every layer's format and scale, layer by layer."""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from qse_hw.golden.calibration.calibration import METHODS, Calibration, LayerCalibration, one_or_each
from qse_hw.golden.calibration.fitting import Fitter, budget, check_spec, is_tuned
from qse_hw.golden.calibration.histogram import Histogram, Values
from qse_hw.golden.calibration.percentile import ALPHA, check_alpha, percentile_step
from qse_hw.golden.calibration.quantizers import Quantizer, SegmentedQuantizer
from qse_hw.golden.calibration.sharing import check_mode, fit_layers
from qse_hw.golden.checks import function, instance, shown
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.quantize.matrix import check_finite, matrix


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What calibration sees of a layer.

    ``x`` and ``weights`` may be given as NumPy arrays or PyTorch tensors, on any device, of any floating dtype or of
    int8, int16 or int32; (batch, tokens, channels) becomes (batch * tokens, channels). They are kept as NumPy arrays,
    what NumPy has no dtype for (bfloat16, float8) as float32.

    Attributes:
        x: (tokens, channels), at least one value.
        weights: of x's shape, what each value's squared error counts at the layer's output; None: all alike.
        output_error: of quantizers, the relative squared error at the layer's output; None: unknown.

    Raises:
        InputError: for what is neither array nor tensor (a list), another dtype, another number of axes, or no values.
    """

    x: Values
    weights: Values | None = None
    output_error: Callable[[Sequence[Quantizer]], Sequence[float]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", matrix(self.x, "Layer x"))
        if self.weights is not None:
            object.__setattr__(self, "weights", matrix(self.weights, "Layer weights"))
        function(self.output_error, "Layer output_error")


def calibrate(
    layers: Iterable[Layer],
    spec: str | SegmentedFormat,
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
            the weighted optimum, the unweighted one, the presets and the percentile are then compared by
            ``output_error``, and the best is taken; in the others the weighted optimum is. Layers may differ in shape.
        spec: the format; a bare preset name leaves its parameters open, ``tuned`` everything; of a
            :class:`qse_hw.golden.formats.segmented.SegmentedFormat` only the scale is sought.
        model: fingerprint of the model.
        mode: what the layers share, one of :data:`qse_hw.golden.calibration.sharing.MODES`.
        alpha: quantile of the percentile method.
        scale_bits: width of M.
        progress: called with each layer's number when it has been seen.

    Returns:
        Per layer the best that was found, which is the percentile's where nothing beats it, and the percentile's: None
        where it gives no scale, as the values are zero up to their quantile, or one at which ``spec`` has no format.

    Raises:
        InputError: without layers; naming the layer, where its values cannot be calibrated.
    """
    check_mode(mode)
    check_spec(spec, scale_bits)
    check_alpha(alpha)
    try:
        each = iter(layers)
    except TypeError:
        raise InputTypeError(f"Layers must be a sequence of Layer, not {shown(layers)}") from None
    instance(model, str, "Model", "a fingerprint, or empty text")
    function(progress, "Progress")
    fitters: list[Fitter] = []
    seen: list[tuple[Histogram, SegmentedQuantizer | None]] = []
    found: list[tuple[LayerCalibration, LayerCalibration | None]] = []
    shapes: list[tuple[int, int]] = []
    objective = "x"
    for layer in each:  # enumerate would hold the last one
        number = len(seen)
        instance(layer, Layer, "Layers", "a sequence of Layer")
        try:
            check_finite(layer.x)
            shapes.append((layer.x.shape[0], layer.x.shape[1]))
            histogram = Histogram(layer.x)
            steps = _percentile_steps(layer.x, alpha)
            plain = fitter = Fitter(histogram, scale_bits=scale_bits, steps=steps)
            if layer.weights is not None:
                fitter = Fitter(Histogram(layer.x, layer.weights), scale_bits=scale_bits, steps=steps)
            percentile = next(iter(fitter.given(spec)), None)
            if mode == "free":
                found.append(_free(layer, fitter, plain, spec, percentile))
            else:
                fitters.append(fitter)
            seen.append((histogram, percentile))
        except InputError as error:
            raise InputError(f"Layer {number}: {error}") from error
        objective = "x" if layer.weights is None else "output"
        del layer  # before the next is made
        if progress is not None:
            progress(number)
    if not seen:
        raise InputError("Layers must be at least one, not none")
    if fitters:
        for (histogram, percentile), best in zip(seen, fit_layers(fitters, spec, mode), strict=True):
            found.append((_choice(histogram, best), _choice(histogram, percentile) if percentile else None))
    tokens, channels = zip(*shapes, strict=True)
    return Calibration(
        model=model,
        format=str(spec),
        mode=mode,
        objective=objective,
        alpha=alpha,
        tokens=one_or_each(tokens, len(found)),
        channels=one_or_each(channels, len(found)),
        layers=tuple(dict(zip(METHODS, choices, strict=True)) for choices in found),
    )


def _percentile_steps(x: Values, alpha: float) -> list[float]:
    """The percentile's step; none where the quantile is zero."""
    with suppress(InputError):
        return [percentile_step(x, alpha)]
    return []


def _free(
    layer: Layer, fitter: Fitter, plain: Fitter, spec: str | SegmentedFormat, percentile: SegmentedQuantizer | None
) -> tuple[LayerCalibration, LayerCalibration | None]:
    """The layer's best format by itself, and the one at the percentile's scale, if there is one."""
    best = fitter.best(spec)
    if layer.output_error is None:
        return _choice(plain.histogram, best), _choice(plain.histogram, percentile) if percentile else None
    rivals = [best, plain.best(spec), *fitter.given(spec)]  # the percentile is the last one, if there is one
    if is_tuned(spec):
        rivals = [*fitter.presets(budget(spec)), *plain.presets(budget(spec)), *rivals]
    errors = layer.output_error(rivals)

    def expected(number: int) -> float:
        """The error at the output, grown by the share that values expected beyond the peak add to that of x."""
        seen = fitter.histogram.squared_error(rivals[number])
        return errors[number] * (fitter.of(spec).histogram.squared_error(rivals[number]) / seen if seen else 1.0)

    number = min(range(len(rivals)), key=expected)
    if percentile is not None:  # which the table shows beside it, and none there may be better
        number = min(number, len(rivals) - 1, key=errors.__getitem__)
    return (
        _choice(plain.histogram, rivals[number], errors[number]),
        _choice(plain.histogram, percentile, errors[-1]) if percentile else None,
    )


def _choice(histogram: Histogram, found: SegmentedQuantizer, output_error: float | None = None) -> LayerCalibration:
    output = None if output_error is None else -10 * math.log10(max(output_error, 1e-30))
    return LayerCalibration(
        format=found.format, scale=found.scale, sqnr_db=histogram.sqnr_db(found), output_sqnr_db=output
    )
