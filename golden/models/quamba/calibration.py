"""The static scales of a quantized Mamba-1 and their JSON file, which is read or written whole or not at all."""

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import SCALE_SCHEMA, Scale, scale_from_json
from qse_hw.golden.io.files import write_json
from qse_hw.golden.io.schema import checked_document

SCHEMA_NAME = "qse-hw/quamba/1"


@dataclass(frozen=True, kw_only=True)
class LayerScales:
    """One layer's activation scales. MinMax over all calibration tokens, except for x and state (percentile).

    Attributes:
        norm: RMSNorm's output without its weight, which is folded into in_proj.
        xz: in_proj's output, x and z alike.
        x: SSM input after convolution and SiLU: the percentile scale of plain INT8.
        x_proj: x_proj's output: dt_low, B and C alike.
        dt: dt_proj's output without its bias.
        y: unnormalized Hadamard transform of the gated scan's output; over sqrt(d_inner), the orthonormal one's step.
        state: SSM state.
    """

    norm: Scale
    xz: Scale
    x: Scale
    x_proj: Scale
    dt: Scale
    y: Scale
    state: Scale


TENSORS = tuple(field.name for field in fields(LayerScales))

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "model", "alpha", "state_alpha", "sequence", "tokens", "layers"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": SCHEMA_NAME},
        "model": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "alpha": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "state_alpha": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "sequence": {"type": "integer", "minimum": 1},
        "tokens": {"type": "integer", "minimum": 1},
        "layers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": list(TENSORS),
                "additionalProperties": False,
                "properties": dict.fromkeys(TENSORS, SCALE_SCHEMA),
            },
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class QuambaCalibration:
    """The result of :func:`qse_hw.golden.models.quamba.calibrate.calibrate_quamba`.

    Attributes:
        model: fingerprint of the model (SHA-256, hex).
        alpha: quantile of |x|.
        state_alpha: quantile of |state|.
        sequence: tokens per calibration sample.
        tokens: tokens used, a multiple of ``sequence``.
        layers: first to last.
    """

    model: str
    alpha: float
    state_alpha: float
    sequence: int
    tokens: int
    layers: tuple[LayerScales, ...]

    def check(self, fingerprint: str, layers: int) -> None:
        """InputError unless the calibration is of the model with that fingerprint and number of layers."""
        check_model(self.model, fingerprint)
        if len(self.layers) != layers:
            raise InputError(
                f"Calibration must have the model's {layers} layers, but has {len(self.layers)}; calibrate again"
            )


def check_model(calibrated: str, fingerprint: str) -> None:
    """InputError unless a calibration's model is the one with that fingerprint."""
    if calibrated != fingerprint:
        raise InputError(
            f"Calibration must be of this checkpoint, {fingerprint[:12]}, but is of {calibrated[:12]}; calibrate again"
        )


def write_quamba(path: str | os.PathLike[str], calibration: QuambaCalibration) -> None:
    """Write the JSON file, whole or not at all."""
    write_json(path, {"schema": SCHEMA_NAME} | asdict(calibration))


def read_quamba(path: str | os.PathLike[str]) -> QuambaCalibration:
    """Read and check a calibration file.

    Raises:
        InputError: if it cannot be read, breaks the schema, or a scale in it breaks a rule.
    """
    where = f"Calibration {Path(path)}"
    document = checked_document(path, where, SCHEMA)
    layers = tuple(
        LayerScales(**{name: scale_from_json(item[name], f"{where}: layer {number}, {name}") for name in TENSORS})
        for number, item in enumerate(document["layers"])
    )
    return QuambaCalibration(
        model=document["model"],
        alpha=document["alpha"],
        state_alpha=document["state_alpha"],
        sequence=int(document["sequence"]),  # JSON's 8.0 is an integer, too
        tokens=int(document["tokens"]),
        layers=layers,
    )
