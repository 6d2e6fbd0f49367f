"""Calibration files: per layer a format and a scale, checked on load."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.sharing import MODES
from qse_hw.golden.calibration.spec import FormatSpec, GivenFormat, TunedFormat
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

_LAYER = {
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
        "norm_groups": {"type": "integer", "minimum": 2},
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
                "properties": {"least_squares": _LAYER, "percentile": _LAYER | {"type": ["object", "null"]}},
            },
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class LayerCalibration:
    """One layer's format and scale, and the SQNR that they give.

    Attributes:
        format, scale: the quantizer's.
        sqnr_db: SQNR of x in dB, ``10 log10(sum x**2 / sum (x - decoded)**2)``.
        output_sqnr_db: SQNR of the layer's output, before the residual is added; None: not measured.
    """

    format: SegmentedFormat
    scale: Scale
    sqnr_db: float
    output_sqnr_db: float | None = None

    @property
    def quantizer(self) -> SegmentedQuantizer:
        """The quantizer of this format and scale."""
        return SegmentedQuantizer(format=self.format, scale=self.scale)


def check_objective(objective: str) -> None:
    """InputError for an unknown objective."""
    one_of(objective, OBJECTIVES, "Objective")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The result of :func:`qse_hw.golden.calibration.calibrate.calibrate`.

    Attributes:
        model: fingerprint of the model whose activations were used ("" if unknown).
        format: the format, in the words that asked for it.
        mode: what the formats of least squares share (:mod:`qse_hw.golden.calibration.sharing`); those of the
            percentile are each layer's own.
        objective: whose squared error is minimized: that of "x", or of the layer's "output".
        alpha: quantile of the percentile method.
        tokens, channels: shape of the activations: one number for all layers, or one per layer.
        layers: per layer and method the format and scale; None where the percentile gives no scale.
        norm_groups: into how many groups, each normalized by itself, the model's gated norm (Mamba-2) divides the
            channels, if more than one; None: the norm is over the whole width, or not known.

    Raises:
        InputError: without layers, or for another number of tokens or channels than there are layers.
    """

    model: str
    format: str
    mode: str
    objective: str
    alpha: float
    tokens: int | tuple[int, ...]
    channels: int | tuple[int, ...]
    layers: tuple[Mapping[str, LayerCalibration | None], ...]
    norm_groups: int | None = None

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
        """Format and scale of layer ``number``; InputError if there are none."""
        if not 0 <= integer(number, "Layer") < len(self.layers):
            raise InputError(f"Layer must be from 0 to {len(self.layers) - 1} (the calibration's layers), not {number}")
        one_of(method, METHODS, "Method")
        layer = self.layers[number][method]
        if layer is None:
            raise InputError(
                f"Method must be least_squares for layer {number}, whose values have no percentile that gives a scale, "
                f"not {method!r}"
            )
        return layer

    def with_norm_groups(self, groups: int) -> "Calibration":
        """The same, saying that the model's gated norm has so many groups."""
        return replace(self, norm_groups=groups if groups > 1 else None)

    def check_format(self, number: int, spec: FormatSpec) -> None:
        """InputError unless ``spec`` asks for the format of layer ``number``; a preset's name allows any parameters."""
        if spec.name == self.format:
            return
        format = self.layer(number).format
        if isinstance(spec, TunedFormat):
            load_format(spec.name)  # says what to do instead
        if isinstance(spec, GivenFormat) and spec.name not in PRESETS:
            same = format == spec.format
        else:
            same = format.name == spec.name
        if not same:
            codes = " + ".join(str(segment.codes) for segment in format.segments)
            raise InputError(
                f"Format must be the calibration's, {format.name} of {codes} codes in layer {number}, not {spec}; "
                "calibrate again"
            )

    def check(
        self,
        *,
        layers: int,
        channels: int | tuple[int, ...],
        model: str,
        whose: str = "activations'",
        norm_groups: int | None = None,
    ) -> None:
        """InputError unless the calibration is for so many layers of so many channels, and for that model.

        Args:
            layers: how many there are.
            channels: of all layers, or one number per layer.
            model: fingerprint; "" if unknown.
            whose: layers and model, for the message.
            norm_groups: of the model's gated norm; None: not known. The same weights with other groups are another
                function, which the fingerprint does not tell.
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
        unknown = self.norm_groups is None and not self.model
        if norm_groups is not None and not unknown and (self.norm_groups or 1) != norm_groups:
            older = ", as transformers had it before 5.23, or does not say" if self.norm_groups is None else ""
            raise InputError(
                f"Calibration must be for the model's gated norm, {_groups_in_words(norm_groups)}, but is for one "
                f"{_groups_in_words(self.norm_groups or 1)}{older}; calibrate again"
            )


def one_or_each(sizes: int | Sequence[int], layers: int) -> int | tuple[int, ...]:
    """The size that all layers have; if they differ, one per layer."""
    each = (sizes,) * layers if isinstance(sizes, int) else tuple(sizes)
    return each[0] if len(set(each)) == 1 else each


def _groups_in_words(groups: int) -> str:
    return f"over each of {groups} groups" if groups > 1 else "over the whole width"


def size_in_words(sizes: int | Sequence[int], form: str = "") -> str:
    """``96``, or ``96 to 384`` if layers differ; ``form``: the format specification of the numbers."""
    ends = [sizes] if isinstance(sizes, int) else [min(sizes), max(sizes)]
    return " to ".join(format(end, form) for end in dict.fromkeys(ends))


def write_calibration(path: str | os.PathLike[str], calibration: Calibration) -> None:
    """Write the JSON file, whole or not at all."""
    as_path(path, "Calibration")
    instance(calibration, Calibration, "Calibration", "a Calibration, as calibrate gives it")
    document = {
        "schema": SCHEMA_NAME,
        "model": calibration.model,
        **({} if calibration.norm_groups is None else {"norm_groups": calibration.norm_groups}),
        "format": calibration.format,
        "mode": calibration.mode,
        "objective": calibration.objective,
        "alpha": calibration.alpha,
        "tokens": calibration.tokens,
        "channels": calibration.channels,
        "layers": [
            {method: None if fit is None else _layer_to_json(fit) for method, fit in layer.items()}
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
            method: None if layer[method] is None else _layer_from_json(layer[method], f"{where}: layer {number}")
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
            norm_groups=None if (groups := document.get("norm_groups")) is None else int(groups),
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _sizes_from_json(sizes: float | list[float]) -> int | tuple[int, ...]:
    return tuple(map(int, sizes)) if isinstance(sizes, list) else int(sizes)  # JSON's 8.0 is an integer, too


def _layer_to_json(layer: LayerCalibration) -> dict[str, Any]:
    return {
        "format": format_to_json(layer.format),
        "scale": asdict(layer.scale),
        "sqnr_db": round(layer.sqnr_db, 4) if math.isfinite(layer.sqnr_db) else None,  # null: nothing was lost
    } | ({} if layer.output_sqnr_db is None else {"output_sqnr_db": round(layer.output_sqnr_db, 4)})


def _layer_from_json(document: Mapping[str, Any], where: str) -> LayerCalibration:
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
