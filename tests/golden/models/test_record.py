"""Activations of any model in a file: what the modules really return, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.activations import read_activations
from qse_hw.golden.models.record import record_activations

torch.set_num_threads(1)


class Vision(nn.Module):
    """Images (b, 3, h, w) -> classes (b, 5); ``head`` returns two values, ``unused`` never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act, self.head = nn.Conv2d(3, 6, 3), nn.SiLU(inplace=True), Head()
        self.unused = nn.ReLU()

    def forward(self, images: Tensor, *, gain: float = 1.0) -> Tensor:
        x = self.act(self.stem(images) * gain)
        logits: Tensor = self.head(x.flatten(2))[0]
        return logits


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.linear(x.mean(2)), x


@pytest.fixture
def model() -> Vision:
    torch.manual_seed(3)
    return Vision()


def images(seed: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, 6, 5, generator=torch.Generator().manual_seed(seed))


def test_what_the_modules_return(model: Vision, tmp_path: Path) -> None:
    """Channels on axis 1; in place activations; several batches in every form; the model is left as it was."""
    batches: list[Any] = [images(1), (images(2),), {"images": images(3), "gain": 0.5}]
    training, hooks = model.training, len(model.act._forward_hooks)
    record_activations(tmp_path / "a.safetensors", model, ["act", "stem"], batches, axis=1)
    tensors, metadata = read_activations(tmp_path / "a.safetensors")
    assert metadata == {"layers.0.x": "output of act", "layers.1.x": "output of stem"}
    stems = [model.stem(image) for image in (images(1), images(2), images(3))]
    acts = [torch.nn.functional.silu(stem * gain) for stem, gain in zip(stems, (1, 1, 0.5), strict=True)]
    for name, expected in (("layers.0.x", acts), ("layers.1.x", stems)):
        rows = torch.cat([x.permute(0, 2, 3, 1).reshape(-1, 6) for x in expected]).detach().numpy()
        assert tensors[name].dtype == np.float32
        assert np.array_equal(tensors[name], rows)
    assert (model.training, len(model.act._forward_hooks), model.stem.weight.grad) == (training, hooks, None)
    assert calibrate([Layer(x=x) for x in tensors.values()], "se8").layer(0).sqnr_db > 30


def test_inputs_several_values_and_a_number_of_tokens(model: Vision, tmp_path: Path) -> None:
    model.bfloat16()
    batches = [images(seed).bfloat16() for seed in range(3)]
    record_activations(tmp_path / "a.safetensors", model, ["head.linear"], batches, side="input", tokens=5)
    record_activations(tmp_path / "b.safetensors", model, ["head", "head.linear"], batches, tokens=6)
    (x,) = read_activations(tmp_path / "a.safetensors")[0].values()
    with torch.no_grad():
        acts = [model.act(model.stem(batch)).flatten(2) for batch in batches]
        means = torch.cat([act.mean(2) for act in acts])
        assert np.array_equal(x, means[:5].float().numpy())
        first, second = read_activations(tmp_path / "b.safetensors")[0].values()
    assert np.array_equal(first, second)  # the first of head's two values is what its linear layer returns
    assert np.allclose(first, model.head.linear(means).float().detach().numpy(), atol=0.02)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"modules": ["nowhere"]}, r"^Module must be a name in model.named_modules\(\), not 'nowhere'$"),
        ({"modules": ["act", "act"]}, r"^Modules must be named once each, not as in \['act', 'act'\]$"),
        ({"modules": []}, r"^Modules must be a list of names, not \[\]$"),
        ({"modules": "act"}, r"^Modules must be a list of names, not 'act'$"),
        ({"modules": ["unused"]}, r"^Module unused must run when the model does, and did not$"),
        ({"batches": []}, r"^Batches must be at least one, not none$"),
        ({"tokens": 25}, r"^Tokens must be at most the 24 that act has in these batches, not 25$"),
        ({"tokens": 0}, r"^Tokens must be at least 1, not 0$"),
        ({"side": "both"}, r"^Side must be one of output, input, not 'both'$"),
        ({"axis": 4}, r"^Axis must be one of act's 4 axes, not 4$"),
        ({"modules": ["act", "head"]}, r"as many tokens as layers.0.x, 24, but layers.1.x has \(2, 5\)$"),
        ({"batches": [torch.full((1, 3, 6, 5), torch.inf)]}, r"must be finite, but layers.0.x has NaN or infinity"),
        ({"model": nn.Flatten(), "modules": [""], "batches": [torch.ones(2, 3).int()]}, r"^Values of  must be a flo"),
    ],
)
def test_refused(model: Vision, tmp_path: Path, given: dict[str, Any], text: str) -> None:
    arguments: dict[str, Any] = {"model": model, "modules": ["act"], "batches": [images(1)], "axis": 1} | given
    if arguments["modules"] == ["act", "head"]:
        arguments["batches"] = [images(1)]
    with pytest.raises(InputError, match=text):
        record_activations(tmp_path / "a.safetensors", **arguments)
    assert not list(tmp_path.iterdir())
    assert not model.act._forward_hooks
