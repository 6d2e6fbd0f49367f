"""Mamba-2: groups of sorted channels, SSD groups, and the transformed output."""

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8, se8
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import PLAIN, Mamba, MambaConfig
from qse_hw.golden.models.quamba.calibrate_mamba2 import calibrate_quamba2, channel_groups
from qse_hw.golden.models.quamba.calibration_mamba2 import read_quamba2, write_quamba2
from qse_hw.golden.models.quamba.mamba2 import QuambaMamba2
from qse_hw.golden.models.quamba.observe import Percentile
from qse_hw.golden.reference.hadamard import fold_inverse, transform_tensor
from tests.golden.models.quamba.conftest import SEQUENCE, random_model


@pytest.fixture(scope="module")
def model2():
    return random_model(
        Mamba2Config(d_model=12, n_layer=2, vocab_size=23, d_state=5, headdim=6, ngroups=2, d_conv=3, chunk=8)
    )


@pytest.fixture(scope="module")
def calibration_mamba2(model2, ids):
    return calibrate_quamba2(model2, ids, tokens=len(ids), sequence=SEQUENCE, groups=5, alpha=0.99)


@pytest.fixture(scope="module")
def watched(model2, ids):
    seen = [{} for _ in model2.blocks]

    def watch(layer, name, value):
        seen[layer][name] = value
        return value

    hooks = [
        block.mixer.out_proj.register_forward_pre_hook(lambda _, inputs, i=i: seen[i].update(y=inputs[0]))
        for i, block in enumerate(model2.blocks)
    ]
    model2(ids[: len(ids) // SEQUENCE * SEQUENCE].view(-1, SEQUENCE), watch)
    for hook in hooks:
        hook.remove()
    return seen


def close(a: Scale, peak) -> bool:
    return abs(float(a.step) * 127 / float(peak) - 1) < 1e-4


def test_channels_are_sorted_by_their_maxima_and_cut():
    peaks = np.array([5, 1, 4, 1, 3, 9, 2], np.float32)
    assert channel_groups(peaks, 3).tolist() == [2, 0, 1, 0, 1, 2, 0]
    assert channel_groups(peaks, 7).tolist() == [5, 0, 4, 1, 3, 6, 2]


def test_scales_are_of_their_groups(calibration_mamba2, watched):
    for scales, seen in zip(calibration_mamba2.layers, watched, strict=True):
        x = seen["x"]
        groups = np.array(scales.groups)
        assert np.array_equal(groups, channel_groups(x.abs().amax((0, 1)).numpy(), 5))
        for number, scale in enumerate(scales.x):
            observer = Percentile("x", 0.99)
            observer.see(x[..., groups == number])
            assert close(scale, 127 * observer.scale().step)
        for name in ("B", "C"):
            for number, scale in enumerate(getattr(scales, name)):
                assert close(scale, seen[name][..., 5 * number : 5 * number + 5].abs().max())


def test_scales_of_the_norm_and_of_in_proj(model2, calibration_mamba2, ids):
    """The largest magnitudes over 127, of a model taken apart by hand."""
    residual = model2.backbone.embedding(ids[: len(ids) // SEQUENCE * SEQUENCE].view(-1, SEQUENCE))
    for block, scales in zip(model2.blocks, calibration_mamba2.layers, strict=True):
        normalized = residual / (residual.square().mean(-1, keepdim=True) + block.norm.eps).sqrt()
        assert close(scales.norm, normalized.abs().max())
        z, x, B, C, dt = block.mixer.in_proj(normalized * block.norm.weight).split([24, 24, 10, 10, 4], -1)
        for name, part in {"z": z, "x_in": x, "B_in": B, "C_in": C, "dt": dt}.items():
            assert close(getattr(scales, name), part.abs().max()), name
        residual = block(residual)


def fake(x, scale: Scale, codes=127):
    """Half away from zero; where no value is a tie, half to even, too."""
    u = x.double() / float(scale.step)
    return (torch.sign(u) * (u.abs() + 0.5).floor()).clamp(-codes - 1, codes).mul(float(scale.step)).float()


def fake_weight(weight):
    step = weight.abs().max() / 127
    return (weight / step).round() * step


def by_groups(x, scales, groups):
    steps = torch.tensor([float(scale.step) for scale in scales], dtype=torch.float64)[groups]
    u = x.double() / steps
    return (torch.sign(u) * (u.abs() + 0.5).floor()).clamp(-128, 127).mul(steps).float()


def test_the_whole_layer_is_quantized(model2, calibration_mamba2, ids):
    """Beside the same in floating point, written by hand: equal up to codes that fall on the other side of a tie."""
    quantized = QuambaMamba2(model2, calibration_mamba2)
    outputs, inputs = [], []

    def keep(_, args, out):
        inputs.append(args[0])
        outputs.append(out)

    for layer in quantized.model.blocks:
        layer.mixer.register_forward_hook(keep)
    quantized(ids[None, :20])
    for block, scales, hidden, out in zip(model2.blocks, calibration_mamba2.layers, inputs, outputs, strict=True):
        mixer, split = block.mixer, [24, 24, 10, 10, 4]
        normalized = fake(hidden, scales.norm)
        folded = (mixer.in_proj.weight * block.norm.weight).split(split)
        z, x, B, C, dt = (
            fake(normalized @ fake_weight(weight).T, getattr(scales, name))
            for weight, name in zip(folded, ("z", "x_in", "B_in", "C_in", "dt"), strict=True)
        )
        parts = []
        for part, rows in zip((x, B, C), (slice(0, 24), slice(24, 34), slice(34, 44)), strict=True):
            weight, bias = fake_weight(mixer.conv1d.weight[rows]), fake_weight(mixer.conv1d.bias[rows])
            padded = F.pad(part.transpose(1, 2), (2, 0))
            parts.append(F.silu(F.conv1d(padded, weight, bias, groups=len(weight))).transpose(1, 2))
        x = by_groups(parts[0], scales.x, np.array(scales.groups)).view(1, 20, 4, 6)
        B, C = (
            by_groups(part, own, np.repeat([0, 1], 5)).view(1, 20, 2, 5)
            for part, own in zip(parts[1:], (scales.B, scales.C), strict=True)
        )
        dt = F.softplus(dt + fake_weight(mixer.dt_bias))
        A, D = -torch.exp(fake_weight(mixer.A_log)), fake_weight(mixer.D)
        h, y = torch.zeros(1, 4, 6, 5), []
        for t in range(20):
            flow = (dt[:, t, :, None] * x[:, t])[..., None] * B[:, t].repeat_interleave(2, 1)[:, :, None]
            h = torch.exp(dt[:, t] * A)[..., None, None] * h + flow
            y.append((h * C[:, t].repeat_interleave(2, 1)[:, :, None]).sum(-1) + D[:, None] * x[:, t])
        gated = torch.stack(y, 1).flatten(-2) * F.silu(z)
        transformed = transform_tensor(mixer.norm(gated), normalize=False)
        weight = fake_weight(fold_inverse(mixer.out_proj.weight))
        expected = fake(transformed, scales.y) @ weight.T
        error = (out - expected).square().mean() / expected.square().mean()
        assert error < 1e-4
        exact = mixer(hidden * block.norm.weight, PLAIN, None)  # far from what is not quantized
        assert (out - exact).square().mean() > 10 * (out - expected).square().mean()


def test_the_ssm_alone(model2, calibration_mamba2, ids):
    """Beside a float model whose hook quantizes: y equal before out_proj, whose own error is then handed over."""
    quantized = QuambaMamba2(model2, calibration_mamba2, scope="ssm")
    beside = copy.deepcopy(model2)
    outputs, inputs, expected_inputs = [], [], []

    def keep(_, args, out):
        inputs.append(args[0])
        outputs.append(out)

    def hand_over(_, args, out):
        expected_inputs.append(args[0])
        return outputs[len(expected_inputs) - 1]

    for block, layer in zip(beside.blocks, quantized.model.blocks, strict=True):
        layer.mixer.out_proj.register_forward_hook(keep)
        block.mixer.out_proj.register_forward_hook(hand_over)

    def quantize(layer, name, value):
        scales = calibration_mamba2.layers[layer]
        columns = np.array(scales.groups) if name == "x" else np.repeat([0, 1], 5)
        steps = torch.tensor([float(scale.step) for scale in getattr(scales, name)], dtype=torch.float64)[columns]
        u = value.double() / steps
        return (torch.sign(u) * (u.abs() + 0.5).floor()).clamp(-128, 127).mul(steps).float()

    logits = quantized(ids[None, :20])
    assert torch.allclose(beside(ids[None, :20], quantize), logits, atol=1e-5)
    for block, y, expected, out in zip(model2.blocks, inputs, expected_inputs, outputs, strict=True):
        assert torch.allclose(y, expected, atol=1e-4)
        exact = y @ block.mixer.out_proj.weight.T
        assert 0 < (out - exact).abs().max() < 0.05 * exact.abs().max()
        assert torch.equal(out, out.half().float())


def test_any_format_of_x(model2, calibration_mamba2, ids):
    reference = F.log_softmax(model2(ids[None, :100]).double(), -1)

    def kl(quantizers):
        logits = F.log_softmax(QuambaMamba2(model2, calibration_mamba2, quantizers)(ids[None, :100]).double(), -1)
        return (reference.exp() * (reference - logits)).sum(-1).mean().item()

    soft = [layer.x_quantizer(se8(12)) for layer in calibration_mamba2.layers]
    plain = [layer.x_quantizer(int8()) for layer in calibration_mamba2.layers]
    assert kl(plain) == kl(None)
    assert 0 < kl(soft) < 0.2
    own = [
        layer.x_quantizer(se8(12), [Scale.from_step(2 * float(s.step)) for s in layer.x])
        for layer in calibration_mamba2.layers
    ]
    assert kl(own) != kl(soft)
    with pytest.raises(InputError, match="one scale for each of the 5 groups of x, not 1"):
        calibration_mamba2.layers[0].x_quantizer(se8(), [Scale.from_step(1.0)])


def test_a_file_gives_back_the_same_calibration_and_the_same_logits(model2, calibration_mamba2, ids, tmp_path):
    write_quamba2(tmp_path / "c.json", calibration_mamba2)
    assert json.loads((tmp_path / "c.json").read_text())["schema"] == "qse-hw/quamba-mamba2/2"
    again = read_quamba2(tmp_path / "c.json")
    assert again == calibration_mamba2
    logits = QuambaMamba2(model2, calibration_mamba2)(ids[None, :40])
    assert torch.equal(QuambaMamba2(model2, again)(ids[None, :40]), logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layer: layer["groups"].pop(), None),
        (lambda layer: layer["groups"].__setitem__(0, 9), "layer 1: Channels of x must be in groups 0 to 4"),
        (lambda layer: layer["B"][0].update(M=1), "layer 1: B 0: Scale M must be"),
        (lambda layer: layer["y"].update(M=1), "layer 1: y: Scale M must be"),
        (lambda layer: layer.update(C=[]), "layers/1/C"),
    ],
)
def test_a_damaged_file_is_refused(model2, calibration_mamba2, tmp_path, change, message):
    path = tmp_path / "c.json"
    write_quamba2(path, calibration_mamba2)
    document = json.loads(path.read_text())
    change(document["layers"][1])
    path.write_text(json.dumps(document))
    if message is None:  # sound in itself, but not of this model
        with pytest.raises(InputError, match="2 layers of 24 channels and 2 SSD groups"):
            QuambaMamba2(model2, read_quamba2(path))
    else:
        with pytest.raises(InputError, match=rf"^Calibration .*{message}"):
            read_quamba2(path)
    path.write_text(json.dumps(document | {"layers": [[]]}))
    with pytest.raises(InputError, match=r"layers/0: \[\] is not of type 'object'"):
        read_quamba2(path)
    path.write_text("[]")
    with pytest.raises(InputError, match="is another JSON document; give the file that eval --scales wrote"):
        read_quamba2(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"schema": "qse-hw/quamba/1"},
            " must be the scales of a Mamba-2's other tensors, and is the scales of a Mamba-1's other tensors$",
        ),
        ({"schema": "qse-hw/quamba-mamba2/9"}, ": schema: 'qse-hw/quamba-mamba2/2' was expected"),
        ({"schema": "qse-hw/quamba-mamba2/1"}, ": schema must be .*/2, not the earlier .*/1; delete it or name"),
        ({"layers": []}, ": layers: .* should be non-empty"),
        ({"alpha": 0}, ": alpha: 0 is less than or equal to the minimum of 0"),
        ({"alpha": 1.5}, ": alpha: 1.5 is greater than the maximum of 1"),
    ],
)
def test_a_file_of_something_else_is_refused(calibration_mamba2, tmp_path, change, message):
    path = tmp_path / "c.json"
    write_quamba2(path, calibration_mamba2)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=rf"^Calibration .*c\.json{message}"):
        read_quamba2(path)


def test_one_group_of_all_channels(model2, ids):
    layers = calibrate_quamba2(model2, ids, tokens=48, sequence=24, groups=1).layers
    assert {layer.groups for layer in layers} == {(0,) * 24}


def test_what_does_not_fit_is_refused(model2, calibration_mamba2, ids):
    with pytest.raises(InputError, match="is of ffffffffffff"):
        QuambaMamba2(model2, dataclasses.replace(calibration_mamba2, model="f" * 64))
    with pytest.raises(InputError, match="one quantizer of x for each of the 2 layers, not 0"):
        QuambaMamba2(model2, calibration_mamba2, [])
    with pytest.raises(InputError, match="Scope must be one of whole, ssm, not 'all'"):
        QuambaMamba2(model2, calibration_mamba2, scope="all")
    with pytest.raises(InputError, match="Groups must be from 1 to the 24 channels of x, not 25"):
        calibrate_quamba2(model2, ids, tokens=48, sequence=24, groups=25)
    with pytest.raises(InputError, match="at least one sequence of 512, not 100"):
        calibrate_quamba2(model2, ids, tokens=100)
    one = Mamba(MambaConfig(d_model=12, n_layer=1, vocab_size=23))
    with pytest.raises(InputError, match="must be a Mamba-2, not a Mamba-1"):
        calibrate_quamba2(one, ids, tokens=48, sequence=24)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [("x", float("nan"), "Layer 1, x"), ("B", 0.0, "Layer 1, B group 0"), ("out", 0.0, "Layer 1, y")],
)
def test_a_dead_or_broken_tensor_is_named(model2, ids, part, value, message):
    broken = copy.deepcopy(model2)
    mixer = broken.blocks[1].mixer
    if part == "out":
        mixer.norm.weight.fill_(value)
    else:
        rows = slice(0, 24) if part == "x" else slice(24, 34)
        mixer.conv1d.weight[rows] = value
        mixer.conv1d.bias[rows] = value
    with pytest.raises(InputError, match=message):
        calibrate_quamba2(broken, ids, tokens=48, sequence=24, groups=3)


def test_the_hooks_are_gone_and_the_model_is_as_before(model2, calibration_mamba2):
    for block in model2.blocks:
        for module in (block.norm, block.mixer.in_proj, block.mixer.out_proj):
            assert not module._forward_hooks
            assert not module._forward_pre_hooks
    assert isinstance(model2.blocks[0].mixer.out_proj, torch.nn.Linear)
