"""A small Mamba-1 and Mamba-2 with their formats, quick to find and rough, so that all that can saturate does."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.document import write_formats
from qse_hw.golden.models.integer.formats import ChannelFormat, LayerFormats, ModelFormats, ScaledChannels
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.mamba.checkpoint import save_model
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Config, Mamba, MambaConfig

KINDS: dict[str, tuple[Config, type[LayerFormats]]] = {
    "mamba1": (MambaConfig(d_model=24, n_layer=2, vocab_size=37, d_state=4, dt_rank=3), Mamba1Formats),
    "mamba2": (Mamba2Config(d_model=24, n_layer=2, vocab_size=37, d_state=4, headdim=12, ngroups=2), Mamba2Formats),
}


class Bits(dict[str, int]):
    """A mapping that a cache takes."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


@cache
def model(kind: str = "mamba1") -> Mamba:
    """Two layers of 24 channels, 48 inside (order 12 times 4), that nothing hides behind ones."""
    return noisy(KINDS[kind][0])


def noisy(config: Config) -> Mamba:
    """A model of which no weight is as it is initialized."""
    made = Mamba(config)
    initialize(made, 5)
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            noise = torch.randn(weight.shape, generator=draw)
            weight += 0.5 * noise if "embedding" in name else 0.2 * noise
    return made.eval()


@cache
def text() -> torch.Tensor:
    return torch.randint(0, 37, (1024,), generator=torch.Generator().manual_seed(3))


@cache
def formats(kind: str = "mamba1", **options: Any) -> ModelFormats:
    """Formats found in a second; the options are those of the calibrator."""
    chosen = Options(**({"spec": "se8:L=8", "objective": "x"} | options))
    return calibrate_integer(model(kind), text(), tokens=512, options=chosen)


def saved(
    folder: Path, made: Mamba | None = None, model_formats: ModelFormats | None = None
) -> dict[str, str]:
    """Options of a whole model's unit: the folder of a model, and the file of its formats, which are written here.

    Args:
        folder: for both.
        made: the model; None: :func:`model`.
        model_formats: None: those of that model that its layers share, with 16 bits for local tensors.
    """
    save_model(made or model(), folder / "model", dtype=torch.float32)
    write_formats(folder / "formats.json", model_formats or formats(local_bits=16, mode="shared"))
    return {"model": str(folder / "model"), "calibration": str(folder / "formats.json")}


BYTES = 256


@cache
def byte_model() -> Mamba:
    """As :func:`model`, of bytes as tokens."""
    return noisy(replace(KINDS["mamba1"][0], vocab_size=BYTES))


def byte_formats(**options: Any) -> ModelFormats:
    """Formats of :func:`byte_model`; the options are those of the calibrator."""
    ids = torch.randint(0, BYTES, (512,), generator=torch.Generator().manual_seed(3))
    chosen = Options(**({"spec": "se8:L=8", "objective": "x"} | options))
    return calibrate_integer(byte_model(), ids, tokens=512, options=chosen)


ROUGH_STEPS = {"x": 8, "dt_low": 16, "y": 64}  # steps are so much finer
ROUGH = {"scan": 4, "gated": 8, "conv_sum": 5, "dt_sum": 5}  # bits less than the reach of fixed point
KEPT = ("gate", "silu_gate", "delta")  # a function unit of other types takes seconds to be designed


def rough(model_formats: ModelFormats) -> ModelFormats:
    """The formats with a little less reach everywhere, so that everything saturates now and then."""
    layers = []
    for layer in model_formats.layers:
        changes: dict[str, Any] = {}
        for name in layer.__dataclass_fields__:
            value = getattr(layer, name)
            if name in KEPT:
                continue
            if isinstance(value, SegmentedQuantizer):
                less = ROUGH_STEPS.get(name, 4)
                scale = Scale.from_step(value.scale.step / less, value.scale.bits)
                changes[name] = SegmentedQuantizer(format=value.format, scale=scale)
            elif isinstance(value, ChannelFormat):
                changes[name] = replace(value, exponents=tuple(exponent - 3 for exponent in value.exponents))
            elif isinstance(value, ScaledChannels):
                scales = tuple(Scale.from_step(scale.step / 8) for scale in value.scales)
                changes[name] = replace(value, scales=scales)
            elif name not in ("A", "B", "inflow", "state"):
                changes[name] = replace(value, exponent=value.exponent - ROUGH.get(name, 3))
        state = replace(layer.state, exponents=tuple(exponent - 4 for exponent in layer.state.exponents))
        changes |= {"state": state, "inflow": tuple(exponent - 2 for exponent in layer.inflow)}
        layers.append(replace(layer, **changes))
    return replace(model_formats, layers=tuple(layers))


SE8_SIGNED = load_format("se8:L=8")


def copy(kind: str = "mamba1") -> Mamba:
    """The model, to be changed."""
    made = Mamba(model(kind).config)
    made.load_state_dict(model(kind).state_dict())
    return made.eval()
