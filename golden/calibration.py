"""Calibration files: per layer a format and a scale, checked on load."""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from golden.calibrate import ALPHA, Choice, percentile_step
from golden.errors import InputError
from golden.files import read_json, write_json
from golden.fitting import Fitter, budget, is_tuned
from golden.histogram import Histogram, Values
from golden.modes import MODES, check_mode, fit_layers
from golden.presets import PRESETS, format_from_json, format_to_json, load_format
from golden.quantiser import Quantiser, Segmented
from golden.scale import Scale

SCHEMA_NAME = "qse-hw/calibration/2"
METHODS = ("least_squares", "percentile")
OBJECTIVES = ("x", "output")

_CHOICE = {
    "type": "object",
    "required": ["format", "scale", "sqnr_db"],
    "additionalProperties": False,
    "properties": {
        "format": {"type": "object"},
        "scale": {
            "type": "object",
            "required": ["M", "k", "bits"],
            "additionalProperties": False,
            "properties": {"M": {"type": "integer"}, "k": {"type": "integer"}, "bits": {"type": "integer"}},
        },
        "sqnr_db": {"type": ["number", "null"]},
        "output_sqnr_db": {"type": "number"},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "model", "format", "mode", "objective", "alpha", "tokens", "channels", "layers"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": SCHEMA_NAME},
        "model": {"type": "string"},
        "format": {"type": "string"},
        "mode": {"enum": list(MODES)},
        "objective": {"enum": list(OBJECTIVES)},
        "alpha": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "tokens": {"type": "integer", "minimum": 1},
        "channels": {"type": "integer", "minimum": 1},
        "layers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": list(METHODS),
                "additionalProperties": False,
                "properties": dict.fromkeys(METHODS, _CHOICE),
            },
        },
    },
}


def check_objective(objective: str) -> None:
    """InputError for an unknown objective."""
    if objective not in OBJECTIVES:
        raise InputError(f"Objective must be one of {', '.join(OBJECTIVES)}, not {objective!r}")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What :func:`calibrate` found.

    Attributes:
        model: fingerprint of the model whose activations were used ("" if unknown).
        format: the format as it was asked for.
        mode: what the layers share (:mod:`golden.modes`).
        objective: whose squared error is least: "x", or the layer's "output".
        alpha: quantile of the percentile method.
        tokens, channels: shape of the activations of one layer.
        layers: per layer, per method, the choice.
    """

    model: str
    format: str
    mode: str
    objective: str
    alpha: float
    tokens: int
    channels: int
    layers: tuple[Mapping[str, Choice], ...]

    def layer(self, number: int, method: str = "least_squares") -> Choice:
        """The choice for layer ``number``; InputError if there is none."""
        if not 0 <= number < len(self.layers):
            raise InputError(f"Layer must be from 0 to {len(self.layers) - 1} (the calibration's layers), not {number}")
        return self.layers[number][method]

    def check_format(self, number: int, spec: str) -> None:
        """InputError unless ``spec`` stands for the format of layer ``number``; a preset's name: for any parameters."""
        found, wanted = self.layer(number).format, load_format(spec)
        same = found.name == wanted.name if spec in PRESETS else found == wanted
        if not same:
            codes = " + ".join(str(segment.codes) for segment in found.segments)
            raise InputError(
                f"Format must be the calibration's, {found.name} of {codes} codes in layer {number}, not {spec}; "
                "calibrate again"
            )

    def check(self, activations: Mapping[str, np.ndarray[Any, Any]], model: str) -> None:
        """InputError unless the calibration belongs to these activations (of the model with that fingerprint)."""
        shape = next(iter(activations.values())).shape
        if (len(activations), shape[1]) != (len(self.layers), self.channels):
            raise InputError(
                f"Calibration must be for the activations' {len(activations)} layers of {shape[1]} channels, "
                f"but is for {len(self.layers)} of {self.channels}; calibrate again"
            )
        if self.model and model and self.model != model:
            raise InputError(
                f"Calibration must be for the activations' model {model[:12]}, "
                f"but is for {self.model[:12]}; calibrate again"
            )


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
        layers: first to last. Where they have weights, the objective is the error at the layer's output: the weighted
            optimum, the unweighted one and the presets are compared by ``output_error``, and the best is taken.
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
    number = min(range(1, len(rivals)), key=errors.__getitem__)
    return (
        _choice(plain.histogram, rivals[number], errors[number]),
        _choice(plain.histogram, percentile, errors[0]),
    )


def _choice(histogram: Histogram, found: Segmented, output_error: float | None = None) -> Choice:
    output = None if output_error is None else -10 * math.log10(max(output_error, 1e-30))
    return Choice(
        format=found.format, scale=found.scale, sqnr_db=histogram.sqnr_db(found), output_sqnr_db=output
    )


def write_calibration(path: str | os.PathLike[str], calibration: Calibration) -> None:
    """Write the JSON file, whole or not at all."""
    document = {
        "schema": SCHEMA_NAME,
        "model": calibration.model,
        "format": calibration.format,
        "mode": calibration.mode,
        "objective": calibration.objective,
        "alpha": calibration.alpha,
        "tokens": calibration.tokens,
        "channels": calibration.channels,
        "layers": [
            {method: _choice_to_json(choice) for method, choice in layer.items()} for layer in calibration.layers
        ],
    }
    write_json(path, document)


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read and check a calibration file.

    Raises:
        InputError: if it cannot be read, breaks the schema, or a format or scale in it breaks a rule.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    where = f"Calibration {Path(path)}"
    document = read_json(path, where, parse_constant=_refuse)
    problem = best_match(Draft202012Validator(SCHEMA).iter_errors(document))
    if problem is not None:
        place = "/".join(str(part) for part in problem.absolute_path) or "document"
        message = problem.message  # begins with the value, however long, and ends with the rule
        raise InputError(f"{where}: {place}: {message if len(message) < 200 else f'... {message[-100:]}'}")
    layers = tuple(
        {method: _choice_from_json(layer[method], f"{where}: layer {number}") for method in METHODS}
        for number, layer in enumerate(document["layers"])
    )
    return Calibration(
        model=document["model"],
        format=document["format"],
        mode=document["mode"],
        objective=document["objective"],
        alpha=document["alpha"],
        tokens=int(document["tokens"]),  # JSON's 8.0 is an integer, too
        channels=int(document["channels"]),
        layers=layers,
    )


def _choice_to_json(choice: Choice) -> dict[str, Any]:
    return {
        "format": format_to_json(choice.format),
        "scale": asdict(choice.scale),
        "sqnr_db": round(choice.sqnr_db, 4) if math.isfinite(choice.sqnr_db) else None,  # null: nothing was lost
    } | ({} if choice.output_sqnr_db is None else {"output_sqnr_db": round(choice.output_sqnr_db, 4)})


def _choice_from_json(document: Mapping[str, Any], where: str) -> Choice:
    try:
        format = format_from_json(document["format"])
        scale = Scale(**{name: int(value) for name, value in document["scale"].items()})
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    sqnr = document["sqnr_db"]
    return Choice(
        format=format,
        scale=scale,
        sqnr_db=float("inf") if sqnr is None else sqnr,
        output_sqnr_db=document.get("output_sqnr_db"),
    )


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")
