"""The configurations of which every implementation of the integer model must give the same bits."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.models.integer.formats import ModelFormats, State
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated
from tests.golden.models.integer import small

TOKENS = 24


def with_state(model_formats: ModelFormats, format, shift: int, rounding: str) -> ModelFormats:
    """Another state of every layer; ``shift``: by how much its unit is coarser."""
    layers = []
    for layer in model_formats.layers:
        exponents = tuple(exponent + shift for exponent in layer.state.exponents)
        state = State(format=format, exponents=exponents, rounding=rounding)
        least = [exponent - 15 - layer.B.exponent for exponent in exponents]
        inflow = tuple(map(max, layer.inflow, least))
        layers.append(replace(layer, state=state, inflow=inflow))
    return replace(model_formats, layers=tuple(layers))


CASES: dict[str, Callable[[], ModelFormats]] = {
    "local 8": lambda: small.formats(local_bits=8),
    "local 16": lambda: small.formats(local_bits=16),
    "rough 8": lambda: small.rough(small.formats(local_bits=8)),
    "rough 16": lambda: small.rough(small.formats(local_bits=16)),
    "int8 per tensor": lambda: small.formats(spec="int8", weights="tensor"),
    "se8-silu": lambda: small.formats(spec="se8-silu"),
    "s24": lambda: small.formats(local_bits=16, state="s24"),
    "stochastic": lambda: small.formats(local_bits=16, rounding="stochastic"),
    "se8 state": lambda: with_state(small.formats(local_bits=16), small.SE8_SIGNED, 6, "nearest"),
    "se8 state, stochastic": lambda: with_state(small.formats(local_bits=16), small.SE8_SIGNED, 6, "stochastic"),
    "int8-asym state, stochastic": lambda: with_state(
        small.formats(local_bits=16), load_format("int8-asym:zero_point=100"), 8, "stochastic"
    ),
}


MAMBA2_CASES: dict[str, Callable[[], ModelFormats]] = {
    "mamba2, local 8": lambda: small.formats("mamba2", local_bits=8),
    "mamba2, rough 8": lambda: small.rough(small.formats("mamba2", local_bits=8)),
    "mamba2, rough 16": lambda: small.rough(small.formats("mamba2", local_bits=16)),
    "mamba2, int8 per tensor": lambda: small.formats("mamba2", spec="int8", weights="tensor"),
    "mamba2, s24": lambda: small.formats("mamba2", local_bits=16, state="s24"),
    "mamba2, stochastic": lambda: small.formats("mamba2", local_bits=16, rounding="stochastic"),
    "mamba2, se8 state, stochastic": lambda: with_state(
        small.formats("mamba2", local_bits=16), small.SE8_SIGNED, 6, "stochastic"
    ),
}


class Parts(NamedTuple):
    """The integer model on arrays of a case, and what it gave for some tokens, once."""

    name: str
    fast: IntegerMamba
    ids: npt.NDArray[np.int64]
    logits: npt.NDArray[np.int64]
    saturated: Saturated


def parts_of(name: str) -> Parts:
    """Of a case by name."""
    formats = (CASES | MAMBA2_CASES)[name]()
    fast = IntegerMamba.of(small.model(formats.architecture), formats)
    ids = small.text().numpy()[:TOKENS]
    logits = fast.forward(ids[None], fast.start(1))[0]
    return Parts(name, fast, ids, logits, Saturated({key: count for key, count in fast.saturated.items() if count}))
