"""A random configuration by its number: a model, its formats, and an accelerator for it."""

import math
from typing import Any

import numpy as np

from qse_hw.golden.models.mamba.model import MambaConfig

SEED = 20261201
SPECS = ("se8:L=8", "se8:L=12", "se8", "se8-silu", "int8", "int8-asym", "int8:narrow_range=1")
CHOICES: dict[str, tuple[Any, ...]] = {
    "spec": SPECS,
    "d_model": (8, 12, 16, 24),
    "n_layer": (1, 1, 2, 3),
    "vocab_size": (9, 16, 31),
    "d_state": (2, 4, 8),
    "dt_rank": (1, 2, 3),
    "rows": (1, 2, 3, 4, 8),
    "columns": (1, 2, 4, 8),
    "scan_lanes": (1, 2, 4),
    "norm_lanes": (1, 2, 4),
    "hadamard_lanes": (1, 2, 4),
    "sequences": (1, 1, 2, 3),
    "target": ("generic", "ecp5"),
    "bus_bits": (64, 128),
    "address_bits": (32, 40, 64),
    "burst_beats": (1, 4, 16, 256),
    "bursts": (2, 3, 8),
}
"""What each is drawn from. Some do not go together: then the configuration must be refused in a sentence."""
MODEL = ("d_model", "n_layer", "vocab_size", "d_state", "dt_rank")


def draw(number: int) -> dict[str, Any]:
    """The choices of a configuration."""
    rng = np.random.default_rng([SEED, number])
    chosen = {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}
    # lanes must divide what they work on; of d_inner, the Hadamard transform takes the part that is a power of two
    for lanes, parts in (("norm", ("columns",)), ("hadamard", ("columns", "d_model")), ("scan", ("d_state",))):
        for part in parts:
            chosen[f"{lanes}_lanes"] = math.gcd(chosen[f"{lanes}_lanes"], chosen[part])
    return chosen


def model_config(chosen: dict[str, Any]) -> MambaConfig:
    """The model's sizes."""
    return MambaConfig(**{name: chosen[name] for name in MODEL})


def unit_options(chosen: dict[str, Any]) -> dict[str, Any]:
    """The accelerator's options, without the model's files."""
    return {name: value for name, value in chosen.items() if name not in (*MODEL, "spec")}
