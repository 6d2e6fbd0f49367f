"""Stimuli of an encoder's netlist when its energy is measured: real activations, shuffled ones and random patterns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.percentile import percentile_step
from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.vectors import to_patterns

SEED = 20261123


def stimuli(config: Any, tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.uint32]]:
    """Bit patterns (beats, lanes) for a unit: ``real``, ``shuffled`` and ``uniform``, as many of each.

    ``real``: the tensors one after the other, each scaled so that Quamba's percentile step is the unit's own step.
    ``shuffled``: the same values in random order: their distribution without their correlation. ``uniform``: random
    patterns.

    Args:
        config: an encoder with a constant scale, or a cast, whose step counts as 1.
        tensors: activations, (tokens, channels) each.

    Raises:
        InputError: for other units.
    """
    if not has_stimuli(config):
        raise InputError(f"Energy must be of encoders with a constant scale, not of {config.label}")
    scale = getattr(config, "scale", None)
    step = 1.0 if scale is None else float(scale.step)
    parts = [to_patterns(x * np.float32(step / percentile_step(x)), config.input).reshape(-1) for x in tensors.values()]
    real = np.concatenate(parts)
    real = real[: len(real) // config.lanes * config.lanes]
    rng = np.random.default_rng(SEED)
    uniform = rng.integers(0, 1 << config.input.width, real.shape, dtype=np.uint32)
    kinds = {"real": real, "shuffled": rng.permutation(real), "uniform": uniform}
    return {name: patterns.reshape(-1, config.lanes) for name, patterns in kinds.items()}


def has_stimuli(config: Any) -> bool:
    """Whether :func:`stimuli` has any for the unit."""
    return config.unit == "cast" or (config.unit == "encoder" and config.scale is not None)
