"""Calibration files: per layer a format and a scale, checked on load."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.sharing import MODES
from qse_hw.golden.checks import as_path, instance, integer, one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import PRESETS, format_from_json, format_to_json, load_format
from qse_hw.golden.formats.scale import SCALE_SCHEMA, Scale, scale_from_json
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.io.files import write_json
from qse_hw.golden.io.schema import checked_document

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
_SIZE = {"type": "integer", "minimum": 1}
_SIZES = {"type": ["integer", "array"], "minimum": 1, "items": _SIZE}
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
        "tokens": _SIZES,
        "channels": _SIZES,
        "layers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": list(METHODS),
                "additionalProperties": False,
                "properties": {"least_squares": _CHOICE, "percentile": _CHOICE | {"type": ["object", "null"]}},
            },
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class LayerCalibration:
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
    def quantizer(self) -> SegmentedQuantizer:
        """Format and scale at work."""
        return SegmentedQuantizer(format=self.format, scale=self.scale)


def check_objective(objective: str) -> None:
    """InputError for an unknown objective."""
    one_of(objective, OBJECTIVES, "Objective")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What :func:`calibrate` found.

    Attributes:
        model: fingerprint of the model whose activations were used ("" if unknown).
        format: the format as it was asked for.
        mode: what the layers' least squares share (:mod:`qse_hw.golden.calibration.sharing`); percentiles are by layer.
        objective: whose squared error is least: "x", or the layer's "output".
        alpha: quantile of the percentile method.
        tokens, channels: shape of the activations of every layer; or as many numbers as there are layers.
        layers: per layer, per method, the choice; None for a percentile where none could be had.

    Raises:
        InputError: without layers, or where there are more or fewer numbers of tokens or channels than layers.
    """

    model: str
    format: str
    mode: str
    objective: str
    alpha: float
    tokens: int | tuple[int, ...]
    channels: int | tuple[int, ...]
    layers: tuple[Mapping[str, LayerCalibration | None], ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise InputError("Calibration must have at least one layer, not none")
        for name, sizes in (("tokens", self.tokens), ("channels", self.channels)):
            if isinstance(sizes, tuple) and len(sizes) != len(self.layers):
                raise InputError(
                    f"Calibration's {name} must be one number, or one for each of {len(self.layers)} layers, "
                    f"not {len(sizes)} numbers"
                )

    def layer(self, number: int, method: str = "least_squares") -> LayerCalibration:
        """The choice for layer ``number``; InputError if there is none."""
        if not 0 <= integer(number, "Layer") < len(self.layers):
            raise InputError(f"Layer must be from 0 to {len(self.layers) - 1} (the calibration's layers), not {number}")
        one_of(method, METHODS, "Method")
        found = self.layers[number][method]
        if found is None:
            raise InputError(
                f"Method must be least_squares for layer {number}, whose values have no percentile that gives a scale, "
                f"not {method!r}"
            )
        return found

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

    def check(
        self, *, layers: int, channels: int | tuple[int, ...], model: str, whose: str = "activations'"
    ) -> None:
        """InputError unless the calibration belongs to ``whose`` so many layers of so many channels.

        Args:
            layers: of what it is to be used for.
            channels: of all of them, or of each.
            model: the fingerprint of that model; "" if unknown.
            whose: for the message.
        """
        if layers != len(self.layers) or one_or_each(channels, layers) != one_or_each(self.channels, layers):
            raise InputError(
                f"Calibration must be for the {whose} {layers} layers of {size_in_words(channels)} channels, "
                f"but is for {len(self.layers)} of {size_in_words(self.channels)}; calibrate again"
            )
        if self.model and model and self.model != model:
            raise InputError(
                f"Calibration must be for the {whose} model {model[:12]}, but is for {self.model[:12]}; calibrate again"
            )


def one_or_each(sizes: int | Sequence[int], layers: int) -> int | tuple[int, ...]:
    """The one size that all layers have, or each one's."""
    each = (sizes,) * layers if isinstance(sizes, int) else tuple(sizes)
    return each[0] if len(set(each)) == 1 else each


def size_in_words(sizes: int | Sequence[int], form: str = "") -> str:
    """``96``, or ``96 to 384`` of layers that differ; ``form``: how numbers are formatted, as by ``format``."""
    ends = [sizes] if isinstance(sizes, int) else [min(sizes), max(sizes)]
    return " to ".join(format(end, form) for end in dict.fromkeys(ends))


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
            {method: None if choice is None else _choice_to_json(choice) for method, choice in layer.items()}
            for layer in calibration.layers
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
        {
            method: None if layer[method] is None else _choice_from_json(layer[method], f"{where}: layer {number}")
            for method in METHODS
        }
        for number, layer in enumerate(document["layers"])
    )
    try:
        return Calibration(
            model=document["model"],
            format=document["format"],
            mode=document["mode"],
            objective=document["objective"],
            alpha=document["alpha"],
            tokens=_sizes_from_json(document["tokens"]),
            channels=_sizes_from_json(document["channels"]),
            layers=layers,
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _sizes_from_json(sizes: float | list[float]) -> int | tuple[int, ...]:
    return tuple(map(int, sizes)) if isinstance(sizes, list) else int(sizes)  # JSON's 8.0 is an integer, too


def _choice_to_json(choice: LayerCalibration) -> dict[str, Any]:
    return {
        "format": format_to_json(choice.format),
        "scale": asdict(choice.scale),
        "sqnr_db": round(choice.sqnr_db, 4) if math.isfinite(choice.sqnr_db) else None,  # null: nothing was lost
    } | ({} if choice.output_sqnr_db is None else {"output_sqnr_db": round(choice.output_sqnr_db, 4)})


def _choice_from_json(document: Mapping[str, Any], where: str) -> LayerCalibration:
    try:
        format = format_from_json(document["format"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    sqnr = document["sqnr_db"]
    return LayerCalibration(
        format=format,
        scale=scale_from_json(document["scale"], where),
        sqnr_db=float("inf") if sqnr is None else sqnr,
        output_sqnr_db=document.get("output_sqnr_db"),
    )
