"""What formats lose on activations: each format once for all layers, as one unit has it, the scale layer by layer."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import sqnr_db
from qse_hw.golden.calibration.quantizers import Floats, SegmentedQuantizer
from qse_hw.golden.calibration.sharing import fit_layers
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.presets import format_from_json, format_to_json, load_format
from qse_hw.golden.formats.scale import scale_from_json
from qse_hw.golden.io import sources
from qse_hw.golden.io.activations import read_activations
from qse_hw.golden.io.environment import package_version
from qse_hw.golden.quantize import array
from qse_hw.golden.reference.vectors import from_patterns, to_patterns

if TYPE_CHECKING:
    import torch

Json = dict[str, Any]


@dataclass(frozen=True)
class Fed:
    """A quantizer behind an input type: values are first rounded to it, as a unit gets them."""

    input: InputType
    quantizer: SegmentedQuantizer

    def array(self, x: npt.NDArray[np.floating[Any]]) -> Floats:
        """Decoded values, float32, of x's shape."""
        format, scale = self.quantizer.format, self.quantizer.scale
        values = from_patterns(to_patterns(x, self.input), self.input)
        codes = array.quantize(values, format, scale, exponent=self.input.exponent)
        return array.dequantize(codes, format, scale)

    def tensor(self, x: "torch.Tensor") -> "torch.Tensor":
        """The same on a tensor of the CPU."""
        import torch

        return torch.from_numpy(self.array(x.numpy()))


def fit(job: Json) -> Json:
    """One format for all layers, with the least squared error, and each layer's best scale: a job.

    A format that leaves nothing open is fitted as ``eval`` does. What is open, and differs from layer to layer, is
    chosen for all of them by :mod:`qse_hw.golden.calibration.sharing`.

    Args:
        job: ``activations``, a file; ``scale_bits``; ``format``, as ``calibrate`` takes it, or null: no format, but the
            256 levels that are best for each layer.

    Returns:
        ``layers``: format and scale of each; or ``limit_db``: SQNR of each; or ``error``, why there is none.
    """
    samples = _samples(job["activations"], job["scale_bits"])
    if job["format"] is None:
        return {"limit_db": [finite(sample.sqnr_db(sample.limit)) for sample in samples]}
    fitters = [Fitter(sample.histogram, scale_bits=sample.fitter.scale_bits) for sample in samples]
    try:
        spec = parse_format(job["format"])
        quantizers = fit_layers(fitters, spec, "free")
        if len({one.format for one in quantizers}) > 1:
            quantizers = fit_layers(fitters, spec, "shared")
    except InputError as error:
        return {"error": str(error)}
    return {"layers": [{"format": format_to_json(one.format), "scale": asdict(one.scale)} for one in quantizers]}


@lru_cache(maxsize=1)  # the searches of one width serve the next format
def _samples(path: str, scale_bits: int) -> list[Sample]:
    tensors, _ = read_activations(path)
    return [Sample(x, scale_bits=scale_bits) for x in tensors.values()]


def fitted(result: Json) -> list[SegmentedQuantizer]:
    """The layers' quantizers, from the result of :func:`fit`.

    Raises:
        InputError: if there are none.
    """
    if "error" in result:
        raise InputError(result["error"])
    return [
        SegmentedQuantizer(format=format_from_json(layer["format"]), scale=scale_from_json(layer["scale"], "Fit"))
        for layer in result["layers"]
    ]


def measure(
    layers: Sequence[npt.NDArray[Any]],
    quantizers: Sequence[SegmentedQuantizer],
    input: InputType,
    limits: Sequence[float | None],
) -> Json:
    """SQNR of x in dB by layer, and how far it is below the limit; null where it is infinite.

    The error is the difference of the decoded values from x, before x is rounded to the unit's input type.

    Args:
        layers: x, (tokens, channels), of each.
        quantizers: of each.
        input: the unit's.
        limits: as :func:`fit` gives them.
    """
    sqnr = [sqnr_db(x, Fed(input, quantizer)) for x, quantizer in zip(layers, quantizers, strict=True)]
    best = [math.inf if value is None else value for value in limits]
    distances = [0.0 if most == own else most - own for most, own in zip(best, sqnr, strict=True)]
    return {"sqnr_db": [finite(value) for value in sqnr], "distance_db": [finite(value) for value in distances]}


def finite(value: float) -> float | None:
    """For JSON, which has no infinity."""
    return value if math.isfinite(value) else None


def key(job: Json) -> Json:
    """What a fit depends on: the values, what a format's file says, this package's sources, NumPy."""
    spec = job["format"]
    meant = format_to_json(load_format(spec)) if spec is not None and spec.endswith(".json") else spec
    values = hashlib.sha256(Path(job["activations"]).read_bytes()).hexdigest()
    return {
        "what": "sweep fit",
        "job": job | {"activations": values, "format": meant},
        "sources": sources.digest("qse_hw"),
        "numpy": package_version("numpy"),
    }


