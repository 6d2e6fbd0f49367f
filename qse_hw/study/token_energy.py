"""Energy per token of whole models on standard cells, on the tokens of a text, beside that of their baselines."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qse_hw.golden.errors import InputError
from qse_hw.study.console import progress
from qse_hw.study.sources import TEXTS

if TYPE_CHECKING:
    from qse_hw.synth.flow import Point

TOKENS = 1
"""Tokens that are counted, unless another number is given."""


def text_tokens(file: str, points: Sequence["Point"], tokens: int) -> dict[int, list[int]]:
    """The ids of a text's first tokens, those that are not counted included, for each model on standard cells.

    Args:
        file: the text; if empty, the bundled one that no calibration sees.
        points: the units on their targets.
        tokens: how many count.

    Returns:
        The ids by the point's number; none for other units and targets.

    Raises:
        InputError: if the text cannot be used or is too short, or a model shows its tensors.
    """
    chosen = {number: point.unit.config for number, point in enumerate(points) if _is_model_on_cells(point)}
    if tokens < 1:
        raise InputError(f"Tokens must be at least 1, not {tokens}")
    return {number: _first(file or str(TEXTS / "held-out.txt"), config, tokens) for number, config in chosen.items()}


def _is_model_on_cells(point: "Point") -> bool:
    from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
    from qse_hw.rtl_gen.units.model import ModelConfig
    from qse_hw.synth.targets.cells import Cells

    config = point.unit.config
    has_streams = isinstance(config, ModelConfig) and not isinstance(config, AcceleratorConfig)
    return has_streams and isinstance(point.target, Cells)


def _first(path: str, config: Any, tokens: int) -> list[int]:
    from qse_hw.golden.models.mamba.text import read_text
    from qse_hw.synth.model_energy import BEFORE

    if config.taps:
        raise InputError("Energy must be of a model without taps; leave --taps out")
    ids: list[int] = read_text(path, vocab_size=config.mixer.vocabulary, directory=config.model).ids.tolist()
    if len(ids) < BEFORE + tokens:
        raise InputError(f"Text {path} must have {BEFORE + tokens} tokens or more, not {len(ids)}")
    return ids[: BEFORE + tokens]


def add_token_energy(
    document: dict[str, Any], points: Sequence["Point"], tokens: Mapping[int, Sequence[int]],
    baselines: Sequence[int | None], cache: Any,
) -> None:
    """Write into a report, result by result, the energy per token on ``tokens``, and its ratio to the baseline's."""
    from qse_hw.synth.model_energy import measure_model_energy

    spent: dict[int, dict[str, Any]] = {}
    with progress() as report:
        for number, ids in tokens.items():
            report(f"energy of {points[number].label}", len(spent) / len(tokens))
            spent[number] = measure_model_energy(points[number], ids, cache=cache)
    for number, ours in spent.items():
        other = baselines[number]
        ratio = {} if other is None else {"ratio": _ratio(ours, spent[other])}
        document["results"][number]["energy_per_token"] = ours | ratio


def _ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, list[float]]:
    """Those figures that both have, divided."""
    names = [name for name in ("toggles", "switching", "internal", "clock", "energy") if ours[name] and theirs[name]]
    return {name: [one / other for one, other in zip(ours[name], theirs[name], strict=True)] for name in names}
