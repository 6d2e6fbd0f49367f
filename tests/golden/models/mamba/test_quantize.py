"""Quantizers in models: what every layer computes with them, ours and transformers', and that nothing else changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import Calibration, write_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.models.mamba.capture import capture
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.quantize import FakeQuantize, calibrate_model, quantize_model
from qse_hw.golden.models.mamba.stream import activations, open_layers
from qse_hw.golden.quantize.array import quantize_flags
from tests.golden.models.mamba.small import IDS, QUANTIZERS, by_transform, decoded, logits, watched


def test_our_model_computes_with_decoded_x(ours: Mamba) -> None:
    expected = ours(IDS, by_transform)
    plain = logits(ours)
    assert quantize_model(ours, QUANTIZERS) is ours
    assert torch.equal(logits(ours), expected)
    assert not torch.equal(expected, plain)
    seen = []
    ours(IDS, lambda layer, name, x: seen.append((layer, name, x.detach().unique().numel())) or x)
    assert [name for _, name, _ in seen] == list(ours.config.names) * 3
    assert min(count for _, name, count in seen if name == "x") > 256  # the caller sees x before it is quantized


def test_transformers_computes_with_decoded_x(theirs: Any, ours: Mamba) -> None:
    """Ours and theirs are near before and after, and quantizing moves them a hundred times as far: a value at the edge
    of a step may fall to either side, as x differs in its last bits."""
    plain = logits(theirs)
    assert quantize_model(theirs, QUANTIZERS) is theirs
    result, expected = logits(theirs), ours(IDS, by_transform)
    moved = (expected - plain).square().mean().sqrt()
    assert (result - expected).square().mean().sqrt() < 0.02 * moved
    assert moved > 0.02 * plain.std()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_every_layer_is_golden_on_every_bit(theirs: Any, dtype: torch.dtype) -> None:
    quantize_model(theirs.to(dtype), QUANTIZERS)
    seen = watched(theirs)
    logits(theirs)
    for layer, quantizer in zip(seen, QUANTIZERS, strict=True):
        assert layer["x"].shape == (2, 96, 40)
        assert layer["x"].dtype == layer["decoded"].dtype == dtype
        assert torch.equal(layer["decoded"], decoded(quantizer, layer["x"]))
        if "x_proj" in layer:
            assert torch.equal(layer["x_proj"].transpose(1, 2), layer["decoded"])


def test_autocast(theirs: Any) -> None:
    quantize_model(theirs, QUANTIZERS)
    seen = watched(theirs)
    with torch.autocast("cpu", torch.bfloat16):
        logits(theirs)
    for layer, quantizer in zip(seen, QUANTIZERS, strict=True):
        assert torch.equal(layer["decoded"], decoded(quantizer, layer["x"]))


def test_what_is_taken_out_leaves_no_trace(theirs: Any, ours: Mamba) -> None:
    for model in (theirs, ours):
        plain, names, shown = logits(model), list(model.state_dict()), repr(model)
        kinds = [type(module) for module in model.modules()]
        quantize_model(model, QUANTIZERS)
        first = logits(model)
        assert not torch.equal(first, plain)
        assert list(model.state_dict()) == names
        assert sum(isinstance(module, FakeQuantize) for module in model.modules()) == 3
        quantize_model(model, QUANTIZERS[::-1])
        assert not torch.equal(logits(model), first)
        quantize_model(model, QUANTIZERS)
        assert torch.equal(logits(model), first)
        assert "FakeQuantize(se8-silu, s = 0.11" in repr(model)
        quantize_model(model, None)
        assert torch.equal(logits(model), plain)
        assert [type(module) for module in model.modules()] == kinds
        assert repr(model) == shown or model is ours  # which says (quantizer): None
        quantize_model(model, None)
        assert torch.equal(logits(model), plain)


def test_gradients_go_straight_through(theirs: Any, ours: Mamba) -> None:
    """Ours as by a transform that adds a constant, which quantizing is to a gradient; theirs is near ours."""

    def straight(layer: int, name: str, x: Tensor) -> Tensor:
        if name != "x":
            return x
        quantizer, values = QUANTIZERS[layer], decoded(QUANTIZERS[layer], x).detach()
        flags = quantize_flags(x.detach().numpy(), quantizer.format, quantizer.scale)
        saturated.append(int(flags.saturated.sum()))
        return torch.where(torch.from_numpy(flags.saturated), values, x + (values - x).detach())

    gradients, saturated = [], []
    targets = IDS.roll(-1, 1).flatten()
    for run in (
        lambda: ours(IDS, straight),
        lambda: quantize_model(ours, QUANTIZERS)(IDS),
        lambda: quantize_model(theirs.train(), QUANTIZERS)(IDS).logits,
    ):
        torch.nn.functional.cross_entropy(run().flatten(0, 1), targets).backward()
        model = theirs if len(gradients) == 2 else ours
        results = [p.grad.flatten() for n, p in sorted(model.named_parameters()) if "conv1d" in n or "in_proj" in n]
        gradients.append(torch.cat(results))
        model.zero_grad()
    torch.testing.assert_close(gradients[1], gradients[0])
    assert (gradients[2] - gradients[0]).norm() < 0.05 * gradients[0].norm()
    assert 0 < sum(saturated) < 100


@pytest.mark.every(2)
@pytest.mark.parametrize("spec", ["se8-silu", pytest.param("tuned:bits=4,segments=2", marks=pytest.mark.full)])
def test_calibrating_our_model_is_calibrating_its_activations(ours: Mamba, spec: str) -> None:
    ids = IDS.flatten()
    expected = calibrate(
        [Layer(x=x) for x in capture(ours, ids, tokens=80).values()], spec, model=fingerprint(ours), scale_bits=8
    ).with_norm_groups(ours.config.norm_groups)
    seen = []
    assert calibrate_model(ours, ids, spec, scale_bits=8, progress=seen.append) == expected
    assert seen == [0, 1, 2]
    rows = capture(ours, ids, tokens=80, batch_length=40)
    expected = calibrate([Layer(x=x) for x in rows.values()], spec, model=fingerprint(ours), mode="runtime", alpha=0.9)
    expected = expected.with_norm_groups(ours.config.norm_groups)
    assert calibrate_model(ours, IDS, spec, mode="runtime", alpha=0.9) == expected


@pytest.mark.every(2)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_calibrating_theirs_sees_what_the_whole_forward_computes(theirs: Any, dtype: torch.dtype) -> None:
    plain = logits(theirs.to(dtype))
    calibration = calibrate_model(theirs, IDS, "se8")
    assert torch.equal(logits(theirs), plain)
    assert (calibration.tokens, calibration.channels) == (80, 96)
    seen = watched(quantize_model(theirs, QUANTIZERS))
    for block in theirs.backbone.layers:  # lets x pass as it is
        block.mixer.quantizer.register_forward_hook(lambda module, inputs, output: inputs[0])
    assert torch.equal(logits(theirs), plain)
    xs = [layer["x"].transpose(1, 2).flatten(0, 1).float().numpy() for layer in seen]
    expected = calibrate([Layer(x=x) for x in xs], "se8", model=calibration.model)
    assert calibration == expected.with_norm_groups(theirs.config.n_groups if "2" in type(theirs).__name__ else 1)


@pytest.mark.every(2)
def test_both_models_give_nearly_the_same_calibration(theirs: Any, ours: Mamba) -> None:
    calibration, near = calibrate_model(theirs, IDS, "se8"), calibrate_model(ours, IDS, "se8")
    assert calibration.model == near.model == fingerprint(ours)
    for layer in range(3):
        assert near.layer(layer).sqnr_db == pytest.approx(calibration.layer(layer).sqnr_db, abs=0.05)


@pytest.mark.every(2)
def test_calibrating_a_quantized_model_sees_x_as_it_arrives(theirs: Any, ours: Mamba) -> None:
    for model in (theirs, ours):
        plain = calibrate_model(model, IDS, "se8")
        before = logits(quantize_model(model, QUANTIZERS))
        calibration = calibrate_model(model, IDS, "se8")
        assert torch.equal(logits(model), before)
        assert calibration.layers[0] == plain.layers[0]
        assert calibration.layers[1] != plain.layers[1]
    seen: list[np.ndarray[Any, Any]] = []

    def arriving(layer: int, name: str, x: Tensor) -> Tensor:
        if name == "x":
            seen.append(x.detach().numpy())
        return by_transform(layer, name, x)

    quantize_model(ours, None)(IDS, arriving)
    layers = [Layer(x=x.reshape(80, 96)) for x in seen]
    expected = calibrate(layers, "se8", model=fingerprint(ours))
    assert expected.with_norm_groups(ours.config.norm_groups) == calibration


@pytest.mark.every(2)
def test_half_precision_and_a_bare_backbone(theirs: Any, tmp_path: Path) -> None:
    """Rounded weights are taken for those that were calibrated; a backbone is not known."""
    calibration = calibrate_model(theirs, IDS, "se8")
    backbone = theirs.backbone
    assert calibrate_model(backbone, IDS, "se8") == replace(calibration, model="")
    quantize_model(theirs.bfloat16(), calibration)
    assert theirs.backbone.layers[2].mixer.quantizer.scale == calibration.layer(2).scale
    result = calibrate_model(quantize_model(theirs, None), IDS, "se8")  # runs in bfloat16
    assert result.model != calibration.model
    for layer in range(3):
        assert result.layer(layer).sqnr_db == pytest.approx(calibration.layer(layer).sqnr_db, abs=0.5)
    quantize_model(backbone.float(), replace(calibration, model=""))
    assert backbone.layers[0].mixer.quantizer.format == calibration.layer(0).format


@pytest.mark.every(2)
def test_a_calibration_or_its_file_and_both_methods(theirs: Any, ours: Mamba, tmp_path: Path) -> None:
    """What is calibrated from the checkpoint fits both models."""
    stream = activations(open_layers(tmp_path / "checkpoint"), IDS.flatten(), tokens=80)
    layers = [Layer(x=tensors["x"]) for _, tensors, _, _ in stream]
    calibration = calibrate(layers, "se8-silu", model=open_layers(tmp_path / "checkpoint").fingerprint())
    calibration = calibration.with_norm_groups(ours.config.norm_groups)
    write_calibration(tmp_path / "calibration.json", calibration)
    for model in (theirs, ours):
        for method in ("least_squares", "percentile"):
            choices = [calibration.layer(number, method).quantizer for number in range(3)]
            expected = logits(quantize_model(model, choices))
            for given in (calibration, tmp_path / "calibration.json", str(tmp_path / "calibration.json")):
                quantize_model(model, None)
                assert torch.equal(logits(quantize_model(model, given, method=method)), expected)


@pytest.mark.every(2)
def test_nan_in_a_bias_is_seen_in_the_logits(theirs: Any, ours: Mamba) -> None:
    """One channel's convolution gives NaN: it must come out of the quantized model as it does of the plain one."""
    for model in (theirs, ours):
        convolution = next(module for name, module in model.named_modules() if name.endswith("conv1d"))
        with torch.no_grad():
            convolution.bias[3] = torch.nan
        assert logits(quantize_model(model, None)).isnan().any()
        assert logits(quantize_model(model, QUANTIZERS)).isnan().all()
        assert logits(quantize_model(model, QUANTIZERS, nan_to_zero=True)).isfinite().all()
        with torch.enable_grad():
            result = quantize_model(model, QUANTIZERS)(IDS)
            (result if isinstance(result, Tensor) else result.logits).sum().backward()
        assert convolution.weight.grad[3].isnan().any()
        with pytest.raises(InputError, match=r"^x of layer 0 must be finite, but has NaN or infinity; "):
            calibrate_model(model, IDS, "se8")


@pytest.mark.every(2)
def test_after_training_a_calibration_goes_in_if_it_is_said_so(theirs: Any, ours: Mamba) -> None:
    for model in (theirs, ours):
        calibration = calibrate_model(model, IDS, "se8")
        with torch.no_grad():
            next(model.parameters()).mul_(1.01)
        with pytest.raises(InputError, match=r"calibrate again, or give check_weights=False if the model was .*$"):
            quantize_model(model, calibration)
        quantize_model(model, calibration, check_weights=False)
        results = [module for module in model.modules() if isinstance(module, FakeQuantize)]
        assert [one.scale for one in results] == [calibration.layer(layer).scale for layer in range(3)]
        with pytest.raises(InputError, match=r"3 layers of 96 channels, but is for 2 of 96"):
            quantize_model(model, replace(calibration, layers=calibration.layers[:2]), check_weights=False)


def test_what_does_not_fit_is_refused(theirs: Any, ours: Mamba, tmp_path: Path) -> None:
    calibration = calibrate_model(ours, IDS, "se8")
    few = replace(calibration, layers=calibration.layers[:2])
    other: Calibration = replace(calibration, model="0" * 64)
    for model in (theirs, ours):
        quantize_model(model, QUANTIZERS)
        before = logits(model)
        for given, text in (
            (few, r"must be for the model's 3 layers of 96 channels, but is for 2 of 96; calibrate again"),
            (replace(calibration, channels=95), r"3 layers of 96 channels, but is for 3 of 95"),
            (other, r"must be for the model's weights [0-9a-f]{12}, but is for 000000000000; calibrate again, or give"),
            (QUANTIZERS[:2], r"Calibration must have the model's 3 layers, not 2"),
            ([*QUANTIZERS[:2], "se8"], r"Calibration must be .* for each layer, or None, not list"),
            (7, r"Calibration must be .*, not int"),
            (tmp_path / "none.json", r"none.json cannot be read"),
        ):
            with pytest.raises(InputError, match=text):
                quantize_model(model, given)
        with pytest.raises(InputError, match="Method must be one of least_squares, percentile, not 'best'"):
            quantize_model(model, calibration, method="best")
        assert torch.equal(logits(model), before)
        tokens: Any
        for tokens, text in (
            (IDS.float(), r"Ids must be an integer tensor .* not torch.float32 \(2, 40\)"),
            (IDS[:0], r"not torch.int64 \(0, 40\)"),
            (IDS[None], r"not torch.int64 \(1, 2, 40\)"),
            ([1, 2], "not list"),
            (IDS + 60, "Ids must be from 0 to 60, not 61 to 118"),
        ):
            with pytest.raises(InputError, match=text):
                calibrate_model(model, tokens)
        with pytest.raises(InputError, match="Format"):
            calibrate_model(model, IDS, "se7")
    with pytest.raises(InputError, match=r"or of transformers a MambaForCausalLM, .*, not a Linear"):
        quantize_model(nn.Linear(2, 2), None)
    with pytest.raises(InputError, match="Scale must be finite and positive"):
        FakeQuantize(load_format("se8"), -1.0)
