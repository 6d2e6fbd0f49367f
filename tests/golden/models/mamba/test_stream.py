"""Layer by layer gives what the whole model gives, without holding it."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, fingerprint, load_model, save_model
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Config, Mamba, MambaConfig, weight_shapes
from qse_hw.golden.models.mamba.shapes import SHAPES
from qse_hw.golden.models.mamba.stream import activations, layers_of, open_layers, random_layers

CONFIGS = [
    MambaConfig(d_model=32, n_layer=3, vocab_size=61, tie_embeddings=False),
    Mamba2Config(d_model=32, n_layer=3, vocab_size=61, d_state=8, headdim=16, ngroups=2, chunk=8),
]
IDS = torch.randint(61, (400,), generator=torch.Generator().manual_seed(8))


@pytest.fixture(params=CONFIGS, ids=["mamba1", "mamba2"])
def model(request: pytest.FixtureRequest) -> Mamba:
    model = Mamba(request.param).eval()
    initialize(model, 3)
    return model


@pytest.fixture
def folder(model: Mamba, tmp_path: Path) -> Path:
    save_model(model, tmp_path, dtype=torch.float32)
    return tmp_path


def shard(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(sorted(tensors))}
    for file in set(files.values()):
        save_file({n: t.clone() for n, t in tensors.items() if files[n] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))


def to_bin(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("store", [lambda folder: None, shard, to_bin], ids=["single", "sharded", "bin"])
def test_stored_layers_are_those_of_the_model(model: Mamba, folder: Path, store: Callable[[Path], None]) -> None:
    store(folder)
    layers = open_layers(folder)
    assert layers.config == model.config
    assert layers.fingerprint() == layers_of(model).fingerprint() == fingerprint(model)
    assert torch.equal(layers.embed(IDS[None]), model.backbone.embedding(IDS[None]))
    for i, block in enumerate(model.blocks):
        stored = dict(layers.block(i).named_parameters())
        assert stored.keys() == dict(block.named_parameters()).keys()
        assert all(torch.equal(p, stored[name]) for name, p in block.named_parameters())


def test_the_published_shapes() -> None:
    """Sizes of Gu and Dao 2023, table 12; Dao and Gu 2024, section 9. Their names are numbers of parameters."""
    names = "130m 370m 790m 1.4b 2.8b", "130m 370m 780m 1.3b 2.7b"
    assert tuple(SHAPES) == tuple(
        f"{kind}-{name}" for kind, sizes in zip(("mamba", "mamba2"), names, strict=True) for name in sizes.split()
    )
    for name, config in SHAPES.items():
        weights = sum(math.prod(shape) for shape in weight_shapes(config).values())
        number, unit = float(name.split("-")[1][:-1]), {"m": 1e6, "b": 1e9}[name[-1]]
        assert weights / unit == pytest.approx(number, rel=0.04)
        assert open_layers(f"random:{name}").config == config


def test_the_bundled_model_has_one_fingerprint() -> None:
    assert open_layers().fingerprint() == json.loads((BUNDLED / "training.json").read_text())["fingerprint"]


def test_stored_layers_are_checked(model: Mamba, folder: Path) -> None:
    path = folder / "model.safetensors"
    name = "backbone.layers.1.mixer.D"
    sound = load_file(path)
    save_file(sound | {name: torch.full_like(sound[name], torch.nan)}, path)
    layers = open_layers(folder)
    layers.block(0)
    with pytest.raises(InputError, match=f"{re.escape(name)} .* must be finite"):
        layers.block(1)
    save_file({n: t for n, t in sound.items() if n != name}, path)
    with pytest.raises(InputError, match=f"lacks {re.escape(name)}$"):
        open_layers(folder)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="cannot be read"):
        open_layers(folder)


@pytest.mark.parametrize("tokens", [1, 15, 16, 40, 300])
def test_activations_and_residual_streams_are_those_of_the_whole_model(model: Mamba, folder: Path, tokens: int) -> None:
    names = model.config.names
    expected: dict[tuple[int, str], list[torch.Tensor]] = {}

    def keep(layer: int, name: str, tensor: torch.Tensor) -> torch.Tensor:
        expected.setdefault((layer, name), []).append(tensor[0])
        return tensor

    with torch.inference_mode():
        for start in range(0, tokens, 16):
            model(IDS[start : min(start + 16, tokens)][None], keep)
    seen = []
    for layer, tensors, block, residual in activations(
        open_layers(folder), IDS, tokens=tokens, batch_length=16, names=names
    ):
        seen.append(layer)
        assert tuple(tensors) == names
        for name, tensor in tensors.items():
            assert tensor.dtype == np.float32
            whole = torch.cat(expected[layer, name]).numpy()
            np.testing.assert_allclose(tensor, whole, rtol=1e-5, atol=1e-6)
        assert residual.shape == (-(-tokens // 16), min(tokens, 16), 32)
        assert torch.is_grad_enabled()  # the caller's own setting
        again: list[torch.Tensor] = []
        block(residual, transform=lambda n, t, again=again: again.append(t) or t if n == "x" else t)
        torch.testing.assert_close(again[0].flatten(0, 1)[:tokens].numpy(), tensors["x"], rtol=1e-5, atol=1e-6)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("config", CONFIGS, ids=["mamba1", "mamba2"])
def test_random_layers_come_from_seed_and_layer_alone(config: Config) -> None:
    layers, model = random_layers(config, 3), Mamba(config)
    initialize(model, 3)
    for got, expected in zip(
        activations(layers, IDS, tokens=40, batch_length=16),
        activations(layers_of(model), IDS, tokens=40, batch_length=16),
        strict=True,
    ):
        np.testing.assert_array_equal(got[1]["x"], expected[1]["x"])
    assert torch.equal(layers.block(2).mixer.in_proj.weight, random_layers(config, 3).block(2).mixer.in_proj.weight)
    assert layers.fingerprint() != random_layers(config, 4).fingerprint()


def test_the_shortest_sequences(model: Mamba) -> None:
    """Of one token each: every one starts from an empty state."""
    _, tensors, block, residual = next(activations(layers_of(model), IDS, tokens=3, batch_length=1))
    assert residual.shape == (3, 1, 32)
    seen: list[torch.Tensor] = []
    for one in residual:
        block(one[None], transform=lambda n, t: seen.append(t) or t if n == "x" else t)
    torch.testing.assert_close(torch.from_numpy(tensors["x"]), torch.cat(seen)[:, 0], rtol=1e-5, atol=1e-6)


def test_a_layer_that_overflows_is_named(model: Mamba) -> None:
    with torch.no_grad():
        model.blocks[1].norm.weight.fill_(1e38)
        model.blocks[1].mixer.in_proj.weight.mul_(1e3)
    stream = activations(layers_of(model), IDS, tokens=20)
    assert next(stream)[0] == 0
    with pytest.raises(InputError, match="x of layer 1 must be finite"):
        next(stream)


def test_bad_requests(model: Mamba) -> None:
    with pytest.raises(InputError, match="at most the text's 400, not 401"):
        activations(layers_of(model), IDS, tokens=401)
    with pytest.raises(InputError, match="must be positive, not 5 and 0"):
        activations(layers_of(model), IDS, tokens=5, batch_length=0)
    with pytest.raises(InputError, match="must be positive, not 0 and 512"):
        activations(layers_of(model), IDS, tokens=0)
    with pytest.raises(InputError, match=r"must be among \['x'.*not 'y'"):
        activations(layers_of(model), IDS, tokens=5, names=("y",))


def test_only_one_layer_is_read_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = open_layers(folder)
    asked: list[int] = []
    block = layers.block
    monkeypatch.setattr(layers, "block", lambda i: asked.append(i) or block(i))
    for layer, *_ in activations(layers, IDS, tokens=20):
        assert asked == list(range(layer + 1))
    assert load_model(folder).config == layers.config
