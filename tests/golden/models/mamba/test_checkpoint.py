"""Loading: both layouts, every kind of damage, the fingerprint, and the bundled checkpoint."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, BUNDLED_MAMBA2, fingerprint, load_model, locate, save_model
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Config, Mamba, MambaConfig
from qse_hw.golden.models.mamba.text import default_text
from qse_hw.golden.models.mamba.train import bits_per_byte


@pytest.fixture(scope="module")
def model() -> Mamba:
    torch.manual_seed(5)
    return Mamba(MambaConfig(d_model=32, n_layer=2, vocab_size=64)).eval()


@pytest.fixture(scope="module")
def saved(model: Mamba, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_model(model, folder, dtype=torch.float32)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A sound checkpoint for a test to damage."""
    return Path(shutil.copytree(saved, tmp_path / "checkpoint"))


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "model.safetensors")


def refuse(folder: Path, text: str) -> None:
    with pytest.raises(InputError, match=text) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def to_bin(folder: Path, extra: dict[str, Any] | None = None) -> Path:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors | (extra or {}), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def test_original_layout_with_a_bin_a_tied_head_and_a_padded_vocabulary(model: Mamba, folder: Path) -> None:
    to_bin(folder, {"lm_head.weight": model.lm_head.weight.detach()})
    edit_config(folder, vocab_size=61, pad_vocab_size_multiple=8, ssm_cfg={})
    assert fingerprint(load_model(folder)) == fingerprint(model)


def test_sharded_weights(model: Mamba, folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(sorted(tensors))}
    for file in set(files.values()):
        save_file({n: t.clone() for n, t in tensors.items() if files[n] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": files}))
    assert fingerprint(load_model(folder)) == fingerprint(model)
    (folder / "model-1.safetensors").unlink()
    refuse(folder, "must hold model-1.safetensors, and does not")
    index.write_text(json.dumps({"weight_map": {"a": "../model-0.safetensors"}}))
    refuse(folder, "file names in the same folder")


def test_missing_parts(folder: Path) -> None:
    refuse(folder / "nowhere", "must be a folder")
    (folder / "model.safetensors").unlink()
    refuse(folder, r"must hold model.safetensors or pytorch_model.bin, and does not")
    (folder / "config.json").unlink()
    refuse(folder, "must hold config.json, and does not")


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff"])
def test_config_that_is_no_json_object(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content, encoding="latin-1")
    refuse(folder, "config.json (cannot be read as JSON|must be a JSON object)")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model_type": "llama"}, 'model_type must be "mamba" or "mamba2", not \'llama\''),
        ({"model_type": []}, r"model_type must be .* not \[\]"),
        ({"model_type": "mamba"}, "must give hidden_size, and does not"),
        ({"ssm_cfg": {"layer": "Mamba3"}}, "ssm_cfg.layer must be"),
        ({"ssm_cfg": {"layer": "Mamba2"}}, "must have a Mamba-2's tensors, but lacks .*layers.0.mixer.dt_bias"),
        ({"ssm_cfg": "x"}, "wrong type"),
        ({"ssm_cfg": {"bias": True}}, "ssm_cfg.bias must be false"),
        ({"attn_layer_idx": [1]}, r"attn_layer_idx must be empty, not \[1\]"),
        ({"rms_norm": False}, "rms_norm must be true"),
        ({"d_model": "32"}, "d_model must be a positive integer, not '32'"),
        ({"vocab_size": "64"}, "wrong type"),
        ({"vocab_size": 65}, r"backbone.embedding.weight .* must have shape \(65, 32\), not \(64, 32\)"),
        ({"n_layer": 3}, "must have the 3 layers of config.json, not 2"),
        ({"n_layer": 10**9}, "must have the 1000000000 layers"),
        ({"d_model": 10**12}, r"must have shape"),
        ({"tie_embeddings": False}, "lacks lm_head.weight"),
    ],
)
def test_config_that_does_not_fit(folder: Path, changes: dict[str, Any], text: str) -> None:
    edit_config(folder, **changes)
    refuse(folder, text)


A_LOG = "backbone.layers.1.mixer.A_log"


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda t: t.pop(A_LOG), f"must have a Mamba-1's tensors, but lacks {A_LOG}$"),
        (lambda t: [t.pop(A_LOG.replace("1", n)) for n in "01"], f"lacks {A_LOG.replace('1', '0')} and 1 more$"),
        (lambda t: t.update(surplus=torch.zeros(1)), "has the unexpected surplus$"),
        (lambda t: t.update({A_LOG: t[A_LOG].T}), rf"{A_LOG} .* must have shape \(64, 16\), not \(16, 64\)"),
        (lambda t: t[A_LOG].fill_(torch.nan), f"{A_LOG} .* has NaN or infinity"),
        (lambda t: t.update({A_LOG: t[A_LOG].int()}), f"{A_LOG} .* must be floating point, not torch.int32"),
        (lambda t: t.update({"lm_head.weight": torch.ones(64, 32)}), "lm_head.weight .* must equal the tied embedding"),
    ],
)
def test_weights_that_do_not_fit(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object], text: str) -> None:
    edit_weights(folder, edit)
    refuse(folder, text)


@pytest.mark.parametrize("kept", [0, 5, 100, -10])
def test_truncated_weights(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    refuse(folder, "cannot be read")


@pytest.mark.parametrize("kept", [0, 5, 100, -10])
def test_truncated_bin(folder: Path, kept: int) -> None:
    path = to_bin(folder)
    path.write_bytes(path.read_bytes()[:kept])
    refuse(folder, "complete PyTorch file of plain tensors")


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("write", [torch.save, lambda bomb, path: path.write_bytes(pickle.dumps(bomb))])
def test_hostile_pickle_is_not_run(
    folder: Path, tmp_path: Path, write: Callable[[Any, Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # changes what torch.load does when it is not told
    binary = to_bin(folder)
    write({"x": _Bomb(tmp_path / "owned")}, binary)
    refuse(folder, "plain tensors")
    assert not (tmp_path / "owned").exists()


def test_weights_saved_on_a_gpu_are_read_without_one(
    model: Mamba, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        to_bin(folder)
    assert fingerprint(load_model(folder)) == fingerprint(model)


def test_bin_that_is_no_dictionary_of_tensors(folder: Path) -> None:
    binary = to_bin(folder)
    tensors = torch.load(binary)
    for content in ([1, 2], tensors | {"epoch": 3}, tensors | {4: torch.zeros(1)}):
        torch.save(content, binary)
        refuse(folder, "must be a dictionary of tensors")


def test_weights_too_large_for_float16_are_not_saved(model: Mamba, tmp_path: Path) -> None:
    large = Mamba(model.config)
    with torch.no_grad():
        large.backbone.norm_f.weight.fill_(1e6)
    with pytest.raises(InputError, match=r"must be finite as torch\.float16"):
        save_model(large, tmp_path)
    assert not list(tmp_path.iterdir())


def test_fingerprint_tells_weights_apart(model: Mamba, saved: Path) -> None:
    assert fingerprint(load_model(saved)) == fingerprint(model)
    other = load_model(saved)
    with torch.no_grad():
        other.backbone.layers[0].mixer.D[0] += 1e-6
    assert fingerprint(other) != fingerprint(model)


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("folder", "config", "bits"),
    [
        (BUNDLED, MambaConfig(d_model=256, n_layer=6, vocab_size=256), 3.0),
        (BUNDLED_MAMBA2, Mamba2Config(d_model=256, n_layer=6, vocab_size=256, d_state=64), 3.3),
    ],
    ids=["mamba1", "mamba2"],
)
def test_bundled_checkpoint(folder: Path, config: Config, bits: float) -> None:
    model = load_model(folder.name)
    assert model.config == config
    assert sum(p.numel() for p in model.parameters()) >= 2_500_000
    assert (folder / "model.safetensors").stat().st_size < 12_000_000
    assert fingerprint(model) == json.loads((folder / "training.json").read_text())["fingerprint"]
    sample = torch.frombuffer(bytearray(default_text()[:4096].encode()), dtype=torch.uint8)
    assert bits_per_byte(model, sample, window=1024, stride=512) < bits


def test_a_folder_goes_before_a_bundled_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate(None) == locate("mamba-bytes") == BUNDLED
    assert locate("mamba2-bytes") == BUNDLED_MAMBA2
    (tmp_path / "mamba2-bytes").mkdir()
    assert locate("mamba2-bytes") == Path("mamba2-bytes")
