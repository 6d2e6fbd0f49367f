"""The static scales of a quantized Mamba-2 and their JSON file."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qse_hw.golden.calibration.quantizers import GroupedQuantizer, SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8
from qse_hw.golden.formats.scale import SCALE_SCHEMA, Scale, scale_from_json
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.io.files import write_json
from qse_hw.golden.io.schema import checked_document
from qse_hw.golden.models.quamba.calibration import check_model

SCHEMA_NAME = "qse-hw/quamba-mamba2/2"
_FIRST = "qse-hw/quamba-mamba2/1"  # without the scales of in_proj
TENSORS = ("norm", "z", "x_in", "B_in", "C_in", "dt", "y")

_SCALES: dict[str, Any] = {"type": "array", "minItems": 1, "items": SCALE_SCHEMA}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "model", "alpha", "sequence", "tokens", "layers"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": SCHEMA_NAME},
        "model": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "alpha": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "sequence": {"type": "integer", "minimum": 1},
        "tokens": {"type": "integer", "minimum": 1},
        "layers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["groups", "x", "B", "C", *TENSORS],
                "additionalProperties": False,
                "properties": {
                    "groups": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
                    "x": _SCALES,
                    "B": _SCALES,
                    "C": _SCALES,
                    **dict.fromkeys(TENSORS, SCALE_SCHEMA),
                },
            },
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class Layer2Scales:
    """One layer's activation scales.

    Attributes:
        norm: MinMax, as all but x are: RMSNorm's output without its weight, which is folded into in_proj.
        z, x_in, B_in, C_in, dt: the five parts of in_proj's output.
        groups: the group of every channel of x; group 0 has the smallest absolute maxima.
        x: of the convolution's output; per group the percentile scale of plain INT8.
        B, C: of the convolution's output; per SSD group.
        y: of the unnormalized Hadamard transform of the gated norm's output.
    """

    norm: Scale
    z: Scale
    x_in: Scale
    B_in: Scale
    C_in: Scale
    dt: Scale
    groups: tuple[int, ...]
    x: tuple[Scale, ...]
    B: tuple[Scale, ...]
    C: tuple[Scale, ...]
    y: Scale

    def __post_init__(self) -> None:
        if set(self.groups) != set(range(len(self.x))):
            raise InputError(
                f"Channels of x must be in groups 0 to {len(self.x) - 1}, the ones that have a scale, and none be empty"
            )

    def x_quantizer(self, format: SegmentedFormat, scales: Sequence[Scale] | None = None) -> GroupedQuantizer:
        """x in ``format``, each group at its own scale (None: the percentile scales)."""
        scales = self.x if scales is None else scales
        if len(scales) != len(self.x):
            raise InputError(f"There must be one scale for each of the {len(self.x)} groups of x, not {len(scales)}")
        return GroupedQuantizer(
            quantizers=tuple(SegmentedQuantizer(format=format, scale=scale) for scale in scales),
            groups=np.array(self.groups, np.int64),
        )

    def state_quantizer(self, name: str, d_state: int) -> GroupedQuantizer:
        """B or C (``name``) in INT8: channels (SSD groups times ``d_state``) at the group's scale."""
        scales = self.B if name == "B" else self.C
        return GroupedQuantizer(
            quantizers=tuple(SegmentedQuantizer(format=int8(), scale=scale) for scale in scales),
            groups=np.repeat(np.arange(len(scales)), d_state),
        )


@dataclass(frozen=True, kw_only=True)
class Quamba2Calibration:
    """The result of :func:`qse_hw.golden.models.quamba.calibrate_mamba2.calibrate_quamba2`; attributes as those of
    ``QuambaCalibration``.
    """

    model: str
    alpha: float
    sequence: int
    tokens: int
    layers: tuple[Layer2Scales, ...]

    def check(self, fingerprint: str, layers: int, channels: int, ssd_groups: int) -> None:
        """InputError unless the calibration is of the model with that fingerprint and those sizes."""
        check_model(self.model, fingerprint)
        sizes = {(len(layer.groups), len(layer.B), len(layer.C)) for layer in self.layers}
        if len(self.layers) != layers or sizes != {(channels, ssd_groups, ssd_groups)}:
            raise InputError(
                f"Calibration must have the model's {layers} layers of {channels} channels and {ssd_groups} SSD groups "
                f"(for B and for C), but has {len(self.layers)} of {sorted(sizes)}; calibrate again"
            )


def write_quamba2(path: str | os.PathLike[str], calibration: Quamba2Calibration) -> None:
    """Write the JSON file, whole or not at all."""
    write_json(path, {"schema": SCHEMA_NAME} | asdict(calibration))


def read_quamba2(path: str | os.PathLike[str]) -> Quamba2Calibration:
    """Read and check a calibration file.

    Raises:
        InputError: if it cannot be read, breaks the schema, or a scale in it breaks a rule.
    """
    where = f"Calibration {Path(path)}"
    document = checked_document(path, where, SCHEMA, {_FIRST: "delete it or name another file, and calibrate again"})
    return Quamba2Calibration(
        model=document["model"],
        alpha=document["alpha"],
        sequence=int(document["sequence"]),  # JSON's 8.0 is an integer, too
        tokens=int(document["tokens"]),
        layers=tuple(_layer(item, f"{where}: layer {number}") for number, item in enumerate(document["layers"])),
    )


def _layer(item: dict[str, Any], where: str) -> Layer2Scales:
    def scales(name: str) -> tuple[Scale, ...]:
        return tuple(scale_from_json(scale, f"{name} {number}") for number, scale in enumerate(item[name]))

    try:
        return Layer2Scales(
            groups=tuple(int(group) for group in item["groups"]),
            x=scales("x"),
            B=scales("B"),
            C=scales("C"),
            **{name: scale_from_json(item[name], name) for name in TENSORS},
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
