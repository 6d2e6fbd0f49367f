"""Quantized models of transformers through save_pretrained and from_pretrained: every bit, and what is refused."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM
from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.families import FAMILIES
from qse_hw.golden.models.mamba.int8_weights import quantize_weights, stored_tensors
from qse_hw.golden.models.mamba.quantize import FakeQuantize, quantize_model
from qse_hw.golden.models.mamba.quantized_checkpoint import register_quantizer
from tests.golden.models.mamba.damage import CONFIGS, WEIGHTS, Edit, edit_config, edit_weights
from tests.golden.models.mamba.relatives import layers_of, relative
from tests.golden.models.mamba.small import IDS, QUANTIZERS, logits, made


@pytest.mark.parametrize(
    ("dtype", "rounded"), [(torch.float32, True), (torch.float32, False), (torch.bfloat16, True), (torch.float16, True)]
)
def test_what_was_saved_is_loaded_on_every_bit(theirs: Any, tmp_path: Path, dtype: torch.dtype, rounded: bool) -> None:
    theirs.to(dtype)
    if rounded:
        quantize_weights(theirs)
    quantize_model(theirs, QUANTIZERS, nan_to_zero=rounded).save_pretrained(tmp_path / "a")
    loaded, info = AutoModelForCausalLM.from_pretrained(tmp_path / "a", output_loading_info=True)
    assert not any(info.values())
    assert loaded.dtype == dtype
    assert torch.equal(logits(loaded), logits(theirs))
    assert torch.equal(loaded.generate(IDS[:, :9], max_new_tokens=6), theirs.generate(IDS[:, :9], max_new_tokens=6))
    assert {t.dtype for t in load_file(tmp_path / "a" / "model.safetensors").values()} == (
        {torch.int8, torch.float32, dtype} if rounded else {dtype}
    )
    before, after = stored_tensors(theirs), stored_tensors(loaded)
    assert len(before) == len(after) == rounded * len(before)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    loaded.save_pretrained(tmp_path / "again")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "a" / file).read_bytes()


@pytest.mark.full
@pytest.mark.parametrize("family", [family.package for family in FAMILIES if family.package not in ("mamba", "mamba2")])
def test_relatives(family: str, tmp_path: Path) -> None:
    model = relative(family)
    register_quantizer()
    count = len(layers_of(model).mixers)
    quantize_model(quantize_weights(model), (QUANTIZERS * count)[:count]).save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(logits(loaded), logits(model))
    assert torch.int8 in {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()}


def test_config_json_has_the_formats_and_scales(theirs: Any, tmp_path: Path) -> None:
    quantize_model(theirs, QUANTIZERS).save_pretrained(tmp_path)
    document = json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    assert (document["quant_method"], document["version"]) == ("qse_hw", 1)
    for layer, quantizer in zip(document["layers"], QUANTIZERS, strict=True):
        assert layer["format"]["name"] == quantizer.format.name
        assert layer["scale"] == {"M": quantizer.scale.M, "k": quantizer.scale.k, "bits": 16}


def test_saved_is_what_the_model_has_now(theirs: Any, tmp_path: Path) -> None:
    """Not what it had when it was quantized: a quantizer replaced since, one taken out, all taken out."""
    plain = theirs.config.to_dict()
    mixers = [block.mixer for block in quantize_model(theirs, QUANTIZERS[::-1]).backbone.layers]
    mixers[0].quantizer = FakeQuantize(QUANTIZERS[0].format, 0.2)
    quantize_model(copy.deepcopy(theirs), None)  # a copy's does not concern this one
    theirs.save_pretrained(tmp_path / "replaced")
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "replaced")), logits(theirs))
    quantize_model(theirs, None).save_pretrained(tmp_path / "plain")
    assert "quantization_config" not in json.loads((tmp_path / "plain" / "config.json").read_text())
    assert theirs.config.to_dict().keys() - plain.keys() <= {"dtype", "architectures"}
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "plain")), logits(theirs))


def test_a_backbone_alone_and_within_its_model(theirs: Any, tmp_path: Path) -> None:
    quantize_model(quantize_weights(theirs), QUANTIZERS).save_pretrained(tmp_path / "whole")
    expected = theirs.backbone(IDS)[0]
    backbone = AutoModel.from_pretrained(tmp_path / "whole")
    assert torch.equal(backbone(IDS)[0], expected)
    backbone.save_pretrained(tmp_path / "backbone")
    assert torch.equal(AutoModel.from_pretrained(tmp_path / "backbone")(IDS)[0], expected)
    inside = made(theirs.config.model_type)
    quantize_model(inside.backbone, QUANTIZERS)
    inside.save_pretrained(tmp_path / "inside")  # whose quantizer transformers has not been given
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "inside")), logits(inside))


def test_a_loaded_model_is_like_one_quantized_in_memory(theirs: Any, tmp_path: Path) -> None:
    """It converts, trains, takes other quantizers, and lets them be taken out."""
    quantize_model(theirs, QUANTIZERS).save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(logits(loaded.half()), logits(theirs.half()))
    loaded.float().train()(IDS).logits.square().mean().backward()
    assert loaded.backbone.layers[0].mixer.in_proj.weight.grad.abs().max() > 0
    loaded.eval()
    assert torch.equal(logits(quantize_model(loaded, None)), logits(quantize_model(theirs.float(), None)))


@pytest.mark.parametrize("theirs", ["mamba2"], indirect=True)
def test_damage_is_refused(theirs: Any, tmp_path: Path) -> None:
    quantize_model(quantize_weights(theirs), QUANTIZERS)
    cases: list[tuple[Any, Edit, str]] = [(edit_config, *case) for case in CONFIGS[2:]]  # before: another program's
    cases += [(edit_weights, *case) for case in WEIGHTS]
    cases += [(edit_weights, all_of_a_layer, r"int8 weights in the mixers' 6 linear layers, not in 5")]
    for edit, change, text in cases:
        theirs.save_pretrained(tmp_path / "saved")
        edit(tmp_path / "saved", change)
        with pytest.raises(InputError, match=text) as caught:
            AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
        assert "\n" not in str(caught.value)
    theirs.save_pretrained(tmp_path / "saved")
    weights = tmp_path / "saved" / "model.safetensors"
    for size in (0, 500, weights.stat().st_size - 1):
        os.truncate(weights, size)
        with pytest.raises(InputError, match=f"^Weights {weights} cannot be read: .*; copy the file again$"):
            AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
        theirs.save_pretrained(tmp_path / "saved")


def all_of_a_layer(tensors: dict[str, torch.Tensor]) -> None:
    for name in [name for name in tensors if "layers.1.mixer.in_proj" in name]:
        del tensors[name]


def test_what_cannot_be_saved_or_asked_for(theirs: Any, tmp_path: Path) -> None:
    quantize_model(quantize_weights(theirs), QUANTIZERS)
    with torch.no_grad():
        theirs.backbone.layers[2].mixer.in_proj.weight.mul_(1.01)
    with pytest.raises(InputError, match=r"^Weights of .*2.mixer.in_proj must be int8 .* call quantize_weights again$"):
        theirs.save_pretrained(tmp_path / "a")
    quantize_weights(theirs).save_pretrained(tmp_path / "a")
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "a")), logits(theirs))
    wanted = theirs.config.quantization_config
    quantize_model(made("mamba"), None).save_pretrained(tmp_path / "plain")
    with pytest.raises(InputError, match=r"^Model must be quantized by quantize_model once it is loaded, not by "):
        AutoModelForCausalLM.from_pretrained(tmp_path / "plain", quantization_config=wanted)


def test_a_model_that_another_program_has_quantized_is_refused(theirs: Any) -> None:
    class Other:
        class quantization_config:
            quant_method = "bitsandbytes"

    theirs.hf_quantizer = Other()
    for quantize in (lambda: quantize_model(theirs, QUANTIZERS), lambda: quantize_weights(theirs)):
        with pytest.raises(InputError, match=r"^Model must have floating-point weights, but is quantized by bitsand"):
            quantize()
    assert "quantizer" not in vars(theirs.backbone.layers[0].mixer)["_modules"]
    assert not stored_tensors(theirs)


@pytest.mark.full
def test_without_the_quantizer_int8_weights_are_refused_and_with_it_loaded(tmp_path: Path) -> None:
    model = quantize_model(quantize_weights(made("mamba")), QUANTIZERS)
    model.save_pretrained(tmp_path)
    load = f"from transformers import AutoModel; AutoModel.from_pretrained({str(tmp_path)!r})"
    result = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "RuntimeError" in result.stderr
    assert "Unknown quantization type, got qse_hw" in result.stderr
    load = f"import qse_hw; qse_hw.register_quantizer(); {load}"
    subprocess.run([sys.executable, "-c", load], check=True)


def test_registering_twice_is_fine() -> None:
    register_quantizer()
    register_quantizer()
    assert AUTO_QUANTIZER_MAPPING["qse_hw"].__name__ == "QseQuantizer"
