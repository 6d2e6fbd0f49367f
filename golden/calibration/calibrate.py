"""Calibrates a model layer by layer: the format and scale of each."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from qse_hw.golden.calibration.calibration import METHODS, Calibration, LayerCalibration, one_or_each
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram, Values
from qse_hw.golden.calibration.percentile import ALPHA, check_alpha, percentile_step
from qse_hw.golden.calibration.quantizers import Quantizer, SegmentedQuantizer
from qse_hw.golden.calibration.sharing import check_mode, fit_layers
from qse_hw.golden.calibration.spec import FormatSpec, TunedFormat, parse_format
from qse_hw.golden.checks import function, instance, shown
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.formats.scale import check_scale_bits
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.quantize.matrix import check_finite, matrix


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer's activations, and how errors of them count.

    ``x`` and ``weights`` are NumPy arrays or PyTorch tensors, on any device, of any floating dtype or of int8, int16 or
    int32; (batch, tokens, channels) becomes (batch * tokens, channels). They are kept as NumPy arrays; bfloat16
    and float8 tensors become float32.

    Attributes:
        x: (tokens, channels), at least one value.
        weights: of x's shape: how much each value's squared error counts at the layer's output; None: all alike.
        output_error: gives the relative squared error at the layer's output of each of several quantizers; None:
            unknown.

    Raises:
        InputError: for anything but an array or a tensor, another dtype or number of axes, or no values.
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
    spec: FormatSpec | SegmentedFormat | str | os.PathLike[str],
    *,
    model: str = "",
    mode: str = "free",
    alpha: float = ALPHA,
    scale_bits: int = 16,
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """Calibrate all layers. Each is read once; only its histograms are kept.

    Args:
        layers: first to last; they may differ in shape. Where they have weights, the objective is the error at the
            layer's output: in mode "free" the weighted optimum, the unweighted optimum, the presets and the percentile
            are compared by ``output_error``, and the best is taken; in other modes the weighted optimum is taken.
        spec: a preset's name, which leaves its parameters open; a name with parameters, or a JSON file; ``tuned`` or
            ``tuned:segments=N,bits=B,headroom=M``, which leaves everything else open; or a
            :class:`qse_hw.golden.formats.segmented.SegmentedFormat`, of which only the scale is sought.
        model: fingerprint of the model.
        mode: what the layers share, one of :data:`qse_hw.golden.calibration.sharing.MODES`.
        alpha: quantile of the percentile method.
        scale_bits: width of M.
        progress: called with each layer's number when the layer has been read.

    Returns:
        Per layer the best format and scale, never worse than the percentile's, and the percentile's. These are None
        where the values are zero up to the quantile, so that it gives no scale, or where ``spec`` has no format at its
        scale.

    Raises:
        InputError: without layers; naming the layer, where its values cannot be calibrated.
    """
    check_mode(mode)
    spec = parse_format(spec)
    check_scale_bits(scale_bits)
    check_alpha(alpha)
    try:
        each = iter(layers)
    except TypeError:
        raise InputTypeError(f"Layers must be a sequence of Layer, not {shown(layers)}") from None
    instance(model, str, "Model", "a fingerprint, or empty text")
    function(progress, "Progress")
    fitters: list[Fitter] = []
    seen: list[tuple[Histogram, SegmentedQuantizer | None]] = []
    calibrated: list[tuple[LayerCalibration, LayerCalibration | None]] = []
    shapes: list[tuple[int, int]] = []
    objective = "x"
    for layer in each:  # not enumerate, which keeps the last layer in memory
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
                calibrated.append(_free(layer, fitter, plain, spec, percentile))
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
            calibrated.append((_measured(histogram, best), _measured(histogram, percentile) if percentile else None))
    tokens, channels = zip(*shapes, strict=True)
    return Calibration(
        model=model,
        format=spec.name,
        mode=mode,
        objective=objective,
        alpha=alpha,
        tokens=one_or_each(tokens, len(calibrated)),
        channels=one_or_each(channels, len(calibrated)),
        layers=tuple(dict(zip(METHODS, both, strict=True)) for both in calibrated),
    )


def _percentile_steps(x: Values, alpha: float) -> list[float]:
    """The percentile's step; none where the quantile is zero."""
    with suppress(InputError):
        return [percentile_step(x, alpha)]
    return []


def _free(
    layer: Layer, fitter: Fitter, plain: Fitter, spec: FormatSpec, percentile: SegmentedQuantizer | None
) -> tuple[LayerCalibration, LayerCalibration | None]:
    """The layer's best format by itself, and the one at the percentile's scale, if there is one."""
    best = fitter.best(spec)
    if layer.output_error is None:
        return _measured(plain.histogram, best), _measured(plain.histogram, percentile) if percentile else None
    rivals = [best, plain.best(spec), *fitter.given(spec)]  # the percentile is the last one, if there is one
    if isinstance(spec, TunedFormat):
        rivals = [*fitter.presets(spec.budget), *plain.presets(spec.budget), *rivals]
    errors = layer.output_error(rivals)

    def expected(number: int) -> float:
        """The error at the output, scaled by what the values of the headroom add to the error of x."""
        seen = fitter.histogram.squared_error(rivals[number])
        return errors[number] * (fitter.of(spec).histogram.squared_error(rivals[number]) / seen if seen else 1.0)

    number = min(range(len(rivals)), key=expected)
    if percentile is not None:  # tables show both: the percentile must not be the better one
        number = min(number, len(rivals) - 1, key=errors.__getitem__)
    return (
        _measured(plain.histogram, rivals[number], errors[number]),
        _measured(plain.histogram, percentile, errors[-1]) if percentile else None,
    )


def _measured(
    histogram: Histogram, quantizer: SegmentedQuantizer, output_error: float | None = None
) -> LayerCalibration:
    return LayerCalibration(
        format=quantizer.format,
        scale=quantizer.scale,
        sqnr_db=histogram.sqnr_db(quantizer),
        output_sqnr_db=None if output_error is None else -10 * math.log10(max(output_error, 1e-30)),
    )
