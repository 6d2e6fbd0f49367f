"""What the format loses on real activations: SQNR layer by layer, beside INT8 and beside the limit."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.calibration import Calibration, size_in_words
from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.quantizers import Floats, SegmentedQuantizer
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.tables import value_table
from qse_hw.golden.reference.vectors import expected, to_patterns
from qse_hw.study.report.html import Html, figure, join, paragraph, section, table, tag
from qse_hw.study.report.svg import Plot, ticks
from qse_hw.study.sources import Activations


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A format and scale behind an input type: what encoder and decoder make of values together."""

    input: InputType
    choice: SegmentedQuantizer

    def array(self, x: npt.NDArray[np.floating[Any]]) -> Floats:
        format, scale = self.choice.format, self.choice.scale
        codes = expected(to_patterns(x, self.input), format, self.input, scale).codes
        return value_table(format, scale).take(codes)


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """SQNR in dB by column, then by layer; infinite where there is no error.

    Attributes:
        origin: where the activations come from.
        shape: tokens of a layer; channels of every layer, or of each.
        columns: by heading; the first is what the section is about.
        best: the format's own best s, by layer.
    """

    origin: str
    shape: tuple[int, int | tuple[int, ...]]
    columns: dict[str, list[float]]
    best: list[float]


def scales(config: Any, calibration: Calibration | None, layers: int) -> list[SegmentedQuantizer] | None:
    """Format and scale that each layer's values meet in the unit; None where nobody knows.

    A scale for integers whose unit is not known (``s16``, without an exponent) says nothing about activations.
    """
    input = getattr(config, "input", None)
    if input is not None and not input.is_float and not input.exponent:
        return None
    if calibration is not None:
        return [calibration.layer(number).quantizer for number in range(layers)]
    if config.unit != "encoder" or config.scale is None:
        return None
    return [SegmentedQuantizer(format=config.format, scale=config.scale)] * layers


def measure(
    activations: Activations,
    config: Any,
    calibration: Calibration | None,
    step: Callable[[float], None] = lambda share: None,
) -> Accuracy:
    """SQNR of every layer, each column's quantizer fitted as :mod:`qse_hw.golden.calibration.candidates` does.

    Args:
        activations: of every layer.
        config: a unit with a format.
        calibration: the one that its format and scale are from, if any, of the activations' layers.
        step: called with the share that is done.

    Raises:
        InputError: if a layer cannot be measured.
    """
    layers = len(activations.tensors)
    given = scales(config, calibration, layers)
    input = getattr(config, "input", None)
    scale = getattr(config, "scale", None)
    bits = scale.bits if scale is not None else getattr(config, "scale_bits", 16)
    name = config.format.name
    columns: dict[str, list[float]] = {}
    best = []
    for number, x in enumerate(activations.tensors.values()):
        step(number / layers)
        try:
            sample = Sample(x, scale_bits=bits)
            own = sample.fitter.scale_for(config.format)
            rivals: dict[str, Any] = {}
            if given is not None:
                heading = "this unit" if calibration is None else "as calibrated"
                rivals[heading] = given[number] if input is None else Unit(input=input, choice=given[number])
            rivals[f"{name}, best s"] = own
            if name != "int8":
                rivals["int8, best s"] = sample.fit(parse_format("int8")).quantizer
            rivals["limit"] = sample.limit
        except InputError as error:
            raise InputError(f"Layer {number}: {error}") from error
        for heading, quantizer in rivals.items():
            columns.setdefault(heading, []).append(sample.sqnr_db(quantizer))
        best.append(float(own.scale.step))
    shape = activations.tokens, activations.channels
    return Accuracy(origin=activations.origin, shape=shape, columns=columns, best=best)


def section_accuracy(accuracy: Accuracy, config: Any) -> Html:
    """The section."""
    layers = len(accuracy.best)
    headings = ["layer", *(f"{heading}, dB" for heading in accuracy.columns), "best s"]
    rows = [
        [str(layer), *(_decibel(values[layer]) for values in accuracy.columns.values()), f"{accuracy.best[layer]:.4g}"]
        for layer in range(layers)
    ]
    rows.append(["mean", *(_decibel(sum(values) / layers) for values in accuracy.columns.values()), ""])
    input, name = getattr(config, "input", None), config.format.name
    meanings = {
        "this unit": "values rounded to the unit's input type, then quantized at its scale, the same for all layers.",
        "as calibrated": "each layer at the format and scale that the calibration has for it"
        + ("." if input is None else ", values rounded to the unit's input type before."),
        f"{name}, best s": "the unit's format at the scale of least squared error of each layer.",
        "int8, best s": "plain INT8, likewise.",
        "limit": "256 levels, placed best for each layer (Lloyd-Max): no scalar quantizer of 8 bits does better.",
    }
    unknown = (
        f"The input type {input.name} stands for integers whose unit only the design knows, so there is no column for "
        "the unit's own scale."
        if input is not None and not input.is_float and not input.exponent
        else "The unit has no scale of its own, or one that is set while it runs, so there is no column for it."
    )
    own = any(heading in accuracy.columns for heading in ("this unit", "as calibrated"))
    tokens, channels = accuracy.shape
    width = size_in_words(channels, ",")
    return section(
        "accuracy",
        "Accuracy, layer by layer",
        paragraph(
            f"Activations: {accuracy.origin}; {layers} layers of {tokens:,} tokens and {width} channels. SQNR is "
            "10 log10 of the values' sum of squares over the rounding errors', in dB: 6 dB are worth one bit."
        ),
        figure(picture(accuracy), "SQNR of every layer; more is better."),
        table("SQNR in dB", headings, rows),
        tag("ul", join(tag("li", tag("strong", heading), f": {meanings[heading]}") for heading in accuracy.columns)),
        *([] if own else [tag("p", unknown, class_="note")]),
    )


def picture(accuracy: Accuracy) -> Html:
    """SQNR over the layers, a line per column."""
    finite = [value for values in accuracy.columns.values() for value in values if isfinite(value)] or [0.0]
    low, high = min(finite) - 2, max(finite) + 2
    layers = len(accuracy.best)
    plot = Plot("SQNR in dB by layer", x=(-0.3, layers - 0.7), y=(low, high), height=300)
    every = -(-layers // 16)
    numbers = [(float(layer), str(layer)) for layer in range(0, layers, every)]
    plot.axes("layer", "SQNR / dB", x_ticks=numbers, y_ticks=ticks(low, high))
    kinds = {"int8, best s": "other", "limit": "limit"}
    free = iter(("c1", "c0", "c2"))
    legend = []
    for heading, values in accuracy.columns.items():
        kind = kinds.get(heading) or next(free)
        points = [(layer, value) for layer, value in enumerate(values) if isfinite(value)]
        plot.line(points, kind)
        for layer, value in points:
            plot.dot(layer, value, kind, f"layer {layer}, {heading}: {value:.2f} dB")
        legend.append((heading, kind))
    plot.legend(legend)
    return plot.svg()


def _decibel(value: float) -> str:
    return f"{value:.2f}" if isfinite(value) else "nothing lost"
