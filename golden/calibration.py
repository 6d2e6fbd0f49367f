"""Calibration files: per layer a format and a scale, checked on load."""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from golden.checks import as_path, instance, integer, one_of
from golden.documents import SCALE_SCHEMA, checked_document, scale_from_json
from golden.errors import InputError
from golden.files import write_json
from golden.formats import SegmentedFormat
from golden.modes import MODES
from golden.presets import PRESETS, format_from_json, format_to_json, load_format
from golden.quantiser import Segmented
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
        "scale": SCALE_SCHEMA,
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


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A format, a scale, and what they give.

    Attributes:
        format, scale: what was chosen.
        sqnr_db: SQNR of x in dB, ``10 log10(sum x**2 / sum (x - decoded)**2)``.
        output_sqnr_db: SQNR of the layer's output, before the residual is added; None: not measured.
    """

    format: SegmentedFormat
    scale: Scale
    sqnr_db: float
    output_sqnr_db: float | None = None

    @property
    def quantiser(self) -> Segmented:
        """Format and scale at work."""
        return Segmented(format=self.format, scale=self.scale)


def check_objective(objective: str) -> None:
    """InputError for an unknown objective."""
    one_of(objective, OBJECTIVES, "Objective")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What :func:`calibrate` found.

    Attributes:
        model: fingerprint of the model whose activations were used ("" if unknown).
        format: the format as it was asked for.
        mode: what the layers' least squares share (:mod:`golden.modes`); percentiles are by layer.
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
        if not 0 <= integer(number, "Layer") < len(self.layers):
            raise InputError(f"Layer must be from 0 to {len(self.layers) - 1} (the calibration's layers), not {number}")
        one_of(method, METHODS, "Method")
        return self.layers[number][method]

    def check_format(self, number: int, spec: str) -> None:
        """InputError unless ``spec`` stands for the format of layer ``number``; a preset's name: for any parameters."""
        if spec == self.format:  # as it was asked for
            return
        found, wanted = self.layer(number).format, load_format(spec)
        same = found.name == wanted.name if spec in PRESETS else found == wanted
        if not same:
            codes = " + ".join(str(segment.codes) for segment in found.segments)
            raise InputError(
                f"Format must be the calibration's, {found.name} of {codes} codes in layer {number}, not {spec}; "
                "calibrate again"
            )

    def check(self, *, layers: int, channels: int, model: str, whose: str = "activations'") -> None:
        """InputError unless the calibration belongs to ``whose`` so many layers of so many channels.

        Args:
            layers, channels: of what it is to be used for.
            model: the fingerprint of that model; "" if unknown.
            whose: for the message.
        """
        if (layers, channels) != (len(self.layers), self.channels):
            raise InputError(
                f"Calibration must be for the {whose} {layers} layers of {channels} channels, "
                f"but is for {len(self.layers)} of {self.channels}; calibrate again"
            )
        if self.model and model and self.model != model:
            raise InputError(
                f"Calibration must be for the {whose} model {model[:12]}, but is for {self.model[:12]}; calibrate again"
            )


def write_calibration(path: str | os.PathLike[str], calibration: Calibration) -> None:
    """Write the JSON file, whole or not at all."""
    as_path(path, "Calibration")
    instance(calibration, Calibration, "Calibration", "a Calibration, as calibrate gives it")
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
    where = f"Calibration {as_path(path, 'Calibration')}"
    document = checked_document(path, where, SCHEMA)
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
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    sqnr = document["sqnr_db"]
    return Choice(
        format=format,
        scale=scale_from_json(document["scale"], where),
        sqnr_db=float("inf") if sqnr is None else sqnr,
        output_sqnr_db=document.get("output_sqnr_db"),
    )
