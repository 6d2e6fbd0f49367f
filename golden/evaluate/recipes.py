"""Models whose x is quantized, and the rest left alone, or quantized to 8 bits as in the Quamba papers."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

from torch import Tensor

from qse_hw.golden.calibration.quantizers import Quantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate.score import Forward
from qse_hw.golden.models.mamba.hugging_face import HuggingFace
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba, Mixer
from qse_hw.golden.models.quamba.layers import X_PROJ_INPUTS, XProjInput
from qse_hw.golden.models.quamba.scan import STATES, State

C = TypeVar("C")
PathLike = str | os.PathLike[str]

RECIPES = ("x-only", "quamba")
X_PROJ_INPUT, STATE = X_PROJ_INPUTS[0], STATES[0]

Candidates = Mapping[str, Sequence[Quantizer]]
"""By name, one quantizer of x per layer."""

Build = Callable[[Candidates], dict[str, Forward]]
"""Candidates -> their models, by name."""


def check_recipe(recipe: str, x_proj_input: str, state: str) -> None:
    """InputError unless the three go together."""
    for what, value, known in (
        ("Recipe", recipe, RECIPES), ("x_proj input", x_proj_input, X_PROJ_INPUTS), ("State", state, STATES)
    ):  # fmt: skip
        if value not in known:
            raise InputError(f"{what} must be one of {', '.join(known)}, not {value!r}")
    if recipe == "x-only" and (x_proj_input, state) != (X_PROJ_INPUT, STATE):
        raise InputError("Recipe must be quamba where --x-proj-input or --state is given, not x-only")


def x_only(model: Mamba | HuggingFace) -> Build:
    """The model with every layer's x replaced by its quantized value, and nothing else changed."""

    def forward(quantizers: Sequence[Quantizer]) -> Forward:
        def replace(layer: int, name: str, value: Tensor) -> Tensor:
            return quantizers[layer].tensor(value) if name == "x" else value

        return lambda ids: model(ids, replace)

    return lambda candidates: {name: forward(quantizers) for name, quantizers in candidates.items()}


def quamba(
    model: Mamba,
    ids: Tensor,
    *,
    tokens: int,
    x_proj_input: str = X_PROJ_INPUT,
    state: str = STATE,
    scales: PathLike | None = None,
    progress: Callable[[float], None] | None = None,
) -> Build:
    """The model with 8-bit weights and activations, and x in every candidate's format.

    One set of 8-bit weights is kept: candidates differ only in what depends on x.

    Args:
        model: unquantized; it is not changed.
        ids: (count,), to calibrate the other tensors on.
        tokens: how many of the ids to use, at least one sequence of 512.
        x_proj_input: what x_proj reads, see :class:`qse_hw.golden.models.quamba.layers.XProjection`; Mamba-1 only.
        state: how the SSM state is stored; Mamba-1 only.
        scales: file of the other tensors' scales, which is read if it exists, else written.
        progress: called with the share of the calibration that is done, which for a Mamba-2 begins anew once.

    Raises:
        InputError: as calibration does, or for options that a Mamba-2 does not have.
    """
    check_recipe("quamba", x_proj_input, state)
    report = progress or (lambda share: None)
    if isinstance(model.config, Mamba2Config):
        if (x_proj_input, state) != (X_PROJ_INPUT, STATE):
            raise InputError(
                "Model must be a Mamba-1 for --x-proj-input or --state; a Mamba-2 has no x_proj, its state stays fp32"
            )
        return _mamba2(model, ids, tokens, scales, report)
    return _mamba1(model, ids, tokens, cast(XProjInput, x_proj_input), cast(State, state), scales, report)


def _mamba1(
    model: Mamba,
    ids: Tensor,
    tokens: int,
    x_proj_input: XProjInput,
    state: State,
    scales: PathLike | None,
    report: Callable[[float], None],
) -> Build:
    from qse_hw.golden.models.quamba.calibrate import calibrate_quamba
    from qse_hw.golden.models.quamba.calibration import QuambaCalibration, read_quamba, write_quamba
    from qse_hw.golden.models.quamba.layers import XProjection
    from qse_hw.golden.models.quamba.model import QuambaBlock, QuambaMamba

    def find() -> QuambaCalibration:
        return calibrate_quamba(model, ids, tokens=tokens, progress=lambda done: report(done / tokens))

    calibration = _kept(scales, read_quamba, write_quamba, find)
    base = QuambaMamba(model, calibration, x_proj_input=x_proj_input, state=state)
    blocks = cast(list[QuambaBlock], list(base.layers))

    def forward(quantizers: Sequence[Quantizer]) -> Forward:
        projections = [
            XProjection(
                cast(Mixer, block.mixer).x_proj.weight, quantizer, layer_scales.x, layer_scales.x_proj, x_proj_input,
                f"Layer {layer}, x_proj",
            )
            for layer, (block, quantizer, layer_scales) in enumerate(
                zip(model.blocks, quantizers, calibration.layers, strict=True)
            )
        ]  # fmt: skip

        def run(ids: Tensor) -> Tensor:
            for block, projection in zip(blocks, projections, strict=True):
                block.x_proj = projection
            logits: Tensor = base(ids)
            return logits

        return run

    return lambda candidates: {name: forward(quantizers) for name, quantizers in candidates.items()}


def _mamba2(
    model: Mamba,
    ids: Tensor,
    tokens: int,
    scales: PathLike | None,
    report: Callable[[float], None],
) -> Build:
    from qse_hw.golden.models.quamba.calibrate_mamba2 import calibrate_quamba2
    from qse_hw.golden.models.quamba.calibration_mamba2 import Quamba2Calibration, read_quamba2, write_quamba2
    from qse_hw.golden.models.quamba.mamba2 import QuambaMamba2

    def find() -> Quamba2Calibration:
        return calibrate_quamba2(model, ids, tokens=tokens, progress=lambda done: report(done / tokens))

    calibration = _kept(scales, read_quamba2, write_quamba2, find)
    base = QuambaMamba2(model, calibration)

    def forward(quantizers: Sequence[Quantizer]) -> Forward:
        def run(ids: Tensor) -> Tensor:
            for parts, quantizer in zip(base.quantizers, quantizers, strict=True):
                parts["x"] = quantizer
            logits: Tensor = base(ids)
            return logits

        return run

    return lambda candidates: {name: forward(quantizers) for name, quantizers in candidates.items()}


def _kept(
    path: PathLike | None, read: Callable[[PathLike], C], write: Callable[[PathLike, C], None], find: Callable[[], C]
) -> C:
    """What the file at ``path`` holds; if there is none, what ``find`` gives, then kept there."""
    if path is not None and Path(path).exists():
        return read(path)
    calibration = find()
    if path is not None:
        write(path, calibration)
    return calibration
