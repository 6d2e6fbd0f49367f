"""Quantized checkpoints of our own models: every bit is restored, nothing is lost silently, damage is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, load_model, save_model
from qse_hw.golden.models.mamba.int8_weights import quantize_weights, stored_tensors
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.quantize import FakeQuantize, quantize_model
from qse_hw.golden.models.mamba.quantized_checkpoint import load_quantized, save_quantized
from qse_hw.golden.models.mamba.stream import open_layers
from tests.golden.models.mamba.damage import CONFIGS, WEIGHTS, Edit, edit_config, edit_weights
from tests.golden.models.mamba.small import IDS, QUANTIZERS, logits


@pytest.mark.parametrize("rounded", [True, False])
def test_what_was_saved_is_loaded_on_every_bit(ours: Mamba, tmp_path: Path, rounded: bool) -> None:
    if rounded:
        quantize_weights(ours)
    quantize_model(ours, QUANTIZERS, nan_to_zero=rounded)
    save_quantized(ours, tmp_path / "a" / "saved")
    loaded = load_quantized(str(tmp_path / "a" / "saved"))
    assert torch.equal(logits(loaded), logits(ours))
    for old, new in zip(ours.blocks, loaded.blocks, strict=True):
        assert isinstance(new.mixer.quantizer, FakeQuantize)
        assert str(new.mixer.quantizer) == str(old.mixer.quantizer)
        assert new.mixer.quantizer.scale == old.mixer.quantizer.scale  # type: ignore[union-attr]
    stored = load_file(tmp_path / "a" / "saved" / "model.safetensors")
    assert {t.dtype for t in stored.values()} == ({torch.int8, torch.float32} if rounded else {torch.float32})
    assert ("lm_head.weight" in stored) == (not ours.config.tie_embeddings)
    before, after = stored_tensors(ours), stored_tensors(loaded)
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    save_quantized(loaded, tmp_path / "again")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "a" / "saved" / file).read_bytes()


def test_int8_weights_without_quantizers_and_layers_without_one(ours: Mamba, tmp_path: Path) -> None:
    quantize_weights(ours)
    save_quantized(ours, tmp_path)
    assert torch.equal(logits(load_quantized(tmp_path)), logits(ours))
    quantize_model(ours, QUANTIZERS).blocks[1].mixer.quantizer = None
    save_quantized(ours, tmp_path)
    assert torch.equal(logits(load_quantized(tmp_path)), logits(ours))


def test_what_transformers_saved(theirs: Any, ours: Mamba, tmp_path: Path) -> None:
    """The reference is our model with the same weights, as both models' sums round differently."""
    quantize_model(quantize_weights(theirs), QUANTIZERS).save_pretrained(tmp_path / "quantized")
    quantize_model(quantize_weights(ours), QUANTIZERS)
    loaded = load_quantized(tmp_path / "quantized")
    assert torch.equal(logits(loaded), logits(ours))
    assert all(torch.equal(tensor, stored_tensors(loaded)[name]) for name, tensor in stored_tensors(ours).items())


def test_nothing_is_lost_silently(ours: Mamba, tmp_path: Path) -> None:
    quantize_model(ours, QUANTIZERS)
    with pytest.raises(InputError, match=r"^Model must have no quantizers to be saved without them; .*save_quantized"):
        save_model(ours, tmp_path / "float")
    assert not (tmp_path / "float").exists()
    save_quantized(ours, tmp_path / "quantized")
    for load in (load_model, open_layers):
        with pytest.raises(InputError, match=r"^Checkpoint .* is quantized; load it with qse_hw.load_quantized, or"):
            load(tmp_path / "quantized")


def test_what_cannot_be_saved(theirs: Any, ours: Mamba, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Model must be quantized to be saved as such, and is not; call quantize_mo"):
        save_quantized(ours, tmp_path / "new")
    with pytest.raises(InputError, match=r"^Model must be a Mamba of this package; one of transformers has save_pretr"):
        save_quantized(theirs, tmp_path / "new")
    quantize_model(ours, QUANTIZERS)
    with pytest.raises(InputError, match=r"^Folder must be a file's path, not 3$"):
        save_quantized(ours, 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^Model must be float32 to be saved quantized, but .* is torch.float16$"):
        save_quantized(ours.half(), tmp_path / "new")
    ours.float().blocks[1].mixer.quantizer = torch.nn.Identity()
    with pytest.raises(InputError, match=r"^Quantizers must be FakeQuantize to be saved, not Identity$"):
        save_quantized(ours, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("theirs", ["mamba"], indirect=True)
def test_damage_is_refused(ours: Mamba, tmp_path: Path) -> None:
    quantize_model(quantize_weights(ours), QUANTIZERS)
    cases: list[tuple[Any, Edit, str]] = [(edit_config, *case) for case in CONFIGS]
    cases += [(edit_weights, *case) for case in WEIGHTS]
    for edit, change, text in cases:
        save_quantized(ours, tmp_path / "saved")
        edit(tmp_path / "saved", change)
        with pytest.raises(InputError, match=text) as caught:
            load_quantized(tmp_path / "saved")
        assert str(caught.value).startswith(f"Checkpoint {tmp_path / 'saved'}")
        assert "\n" not in str(caught.value)


def test_foreign_checkpoints(ours: Mamba, tmp_path: Path) -> None:
    for folder in (BUNDLED, tmp_path / "checkpoint"):
        with pytest.raises(InputError, match=r"^Checkpoint .* must be quantized, as save_quantized leaves it, and is"):
            load_quantized(folder)
    edit_config(tmp_path / "checkpoint", lambda c: c.update(quantization_config={"quant_method": "fp8"}))
    for load in (load_quantized, load_model):
        with pytest.raises(InputError, match=r"must be none, or that of qse_hw, not 'fp8'; give the checkpoint in"):
            load(tmp_path / "checkpoint")


def test_float8_weights_are_refused_in_words(ours: Mamba, tmp_path: Path) -> None:
    def to_float8(tensors: dict[str, torch.Tensor]) -> None:
        for name in tensors:
            if name.endswith("out_proj.weight"):
                tensors[name] = tensors[name].to(torch.float8_e4m3fn)

    edit_weights(tmp_path / "checkpoint", to_float8)
    text = r"out_proj.weight of .* must be float16, bfloat16 or float32, but is float8, .*; give the checkpoint that it"
    with pytest.raises(InputError, match=text):
        load_model(tmp_path / "checkpoint")


def test_training_on(ours: Mamba, tmp_path: Path) -> None:
    """A loaded model trains; its weights are then no longer int8 and must be rounded before it is saved."""
    save_quantized(quantize_model(quantize_weights(ours), QUANTIZERS), tmp_path)
    loaded = load_quantized(tmp_path).train()
    loaded(IDS).square().mean().backward()
    with torch.no_grad():
        for p in loaded.parameters():
            p -= 0.01 * p.grad
    with pytest.raises(InputError, match=r"but were changed since; call quantize_weights again$"):
        save_quantized(loaded, tmp_path)
    save_quantized(quantize_weights(loaded), tmp_path)
    assert torch.equal(logits(load_quantized(tmp_path)), logits(loaded))
