"""Static scales: from the tensors they are said to be from, in a file and back, of one checkpoint only."""

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from qse_hw.golden.calibration.percentile import percentile_step
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.golden.models.quamba.calibrate import batches, calibrate_layer, calibrate_quamba
from qse_hw.golden.models.quamba.calibration import TENSORS, read_quamba, write_quamba
from qse_hw.golden.models.quamba.model import QuambaMamba
from qse_hw.golden.models.quamba.observe import Percentile
from qse_hw.golden.reference import hadamard
from tests.golden.models.quamba.conftest import SEQUENCE


@pytest.fixture(scope="module")
def watched(model, ids):
    """Every calibrated tensor of the unquantized model, by hooks, per layer (sequences, tokens, channels)."""
    whole = len(ids) // SEQUENCE * SEQUENCE
    seen = [{} for _ in model.blocks]
    hooks = []
    for result, block in zip(seen, model.blocks, strict=True):
        mixer = block.mixer

        def keep(name, result=result):
            return lambda _, inputs, output: result.update({name: output, f"{name} input": inputs[0]})

        hooks += [getattr(mixer, name).register_forward_hook(keep(name)) for name in ("in_proj", "x_proj", "out_proj")]
        hooks.append(block.norm.register_forward_hook(keep("norm")))
    model(ids[:whole].view(-1, SEQUENCE))
    for hook in hooks:
        hook.remove()
    return seen


def peak(t):
    return Scale.from_step(float(t.abs().max()) / 127)


def close(a: Scale, b: Scale) -> bool:
    return abs(float(a.step / b.step) - 1) < 1e-5


def test_minmax_scales_are_of_the_whole_text(model, calibration, watched):
    assert calibration.tokens == watched[0]["in_proj"].shape[0] * SEQUENCE
    for block, scales, seen in zip(model.blocks, calibration.layers, watched, strict=True):
        assert close(scales.norm, peak(F.rms_norm(seen["norm input"], (12,), eps=model.config.eps)))
        assert close(scales.xz, peak(seen["in_proj"]))
        assert close(scales.x_proj, peak(seen["x_proj"]))
        low = seen["x_proj"][..., : block.mixer.split[0]]
        assert close(scales.dt, peak(low @ block.mixer.dt_proj.weight.T))
        y = seen["out_proj input"].double().numpy() @ hadamard.matrix(24).T
        assert close(scales.y, peak(torch.from_numpy(y)))


def test_x_has_quambas_percentile_scale(calibration, watched):
    for scales, seen in zip(calibration.layers, watched, strict=True):
        observer = Percentile("x", calibration.alpha)
        observer.see(seen["x_proj input"])
        assert close(scales.x, observer.scale())


def test_percentile_equals_that_of_the_tensors_calibration():
    x = np.random.default_rng(1).standard_normal((4, 512, 8)).astype(np.float32)
    observer = Percentile("x", 0.999)
    observer.see(torch.from_numpy(x[:3]))
    observer.see(torch.from_numpy(x[3:]))
    assert observer.scale() == Scale.from_step(percentile_step(x.reshape(-1, 8), 0.999))


def test_a_percentile_of_zero_is_named():
    observer = Percentile("Layer 2, x", 0.75)
    observer.see(torch.tensor([[0.0, 0, 0, 0, 1]]))
    with pytest.raises(InputError, match=r"^Layer 2, x must not be zero up to its 0.75 quantile, a scale would be 0;"):
        observer.scale()


def test_state_has_the_percentile_of_every_16th_step_and_the_last(model, ids, calibration, watched):
    from qse_hw.golden.models.quamba.scan import selective_scan

    for block, scales, seen in zip(model.blocks, calibration.layers, watched, strict=True):
        mixer, states = block.mixer, []
        dt, B, C = seen["x_proj"].split(mixer.split, dim=-1)
        z = seen["in_proj"].chunk(2, dim=-1)[1]
        selective_scan(
            seen["x_proj input"],
            dt @ mixer.dt_proj.weight.T,
            -torch.exp(mixer.A_log),
            B,
            C,
            mixer.D,
            z,
            mixer.dt_proj.bias,
            observe=lambda _, h, states=states: states.append(h.clone()),
        )
        observer = Percentile("state", calibration.state_alpha)
        observer.see(torch.stack([states[15], states[23]], 1))
        assert close(scales.state, observer.scale())


def test_a_file_gives_back_the_same_calibration_and_the_same_logits(model, ids, calibration, tmp_path):
    write_quamba(tmp_path / "c.json", calibration)
    again = read_quamba(tmp_path / "c.json")
    assert again == calibration
    logits = QuambaMamba(model, calibration, state="int8")(ids[None, :40])
    assert torch.equal(QuambaMamba(model, again, state="int8")(ids[None, :40]), logits)


def test_calibrating_again_gives_the_same(model, ids, calibration):
    assert calibrate_quamba(model, ids, tokens=len(ids), sequence=SEQUENCE, alpha=0.99) == calibration


def test_a_text_is_cut_into_whole_sequences():
    result = list(batches(torch.arange(50), 47, 5))
    assert [batch.shape for batch in result] == [(8, 5), (1, 5)]
    assert torch.equal(torch.cat(result).flatten(), torch.arange(45))
    assert torch.equal(next(batches(torch.arange(3), 3, 1)), torch.arange(3)[:, None])
    for sequence in (0, -1):
        with pytest.raises(InputError, match=f"Sequence must be at least 1 token, not {sequence}"):
            next(batches(torch.arange(3), 3, sequence))


def test_progress_is_told(model, ids):
    seen = []
    calibrate_quamba(model, ids, tokens=9 * SEQUENCE, sequence=SEQUENCE, progress=seen.append)
    assert seen == [8 * SEQUENCE, 9 * SEQUENCE]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="other"), "schema: .*was expected"),
        (lambda d: d.update(model="abc"), "model: .*does not match"),
        (lambda d: d.update(alpha=0), "alpha: 0 is less than or equal to the minimum of 0"),
        (lambda d: d.update(alpha=1.5), "alpha: 1.5 is greater than the maximum of 1"),
        (lambda d: d.update(state_alpha=0), "state_alpha: 0 is less than or equal to the minimum of 0"),
        (lambda d: d.update(state_alpha=1.5), "state_alpha: 1.5 is greater than the maximum of 1"),
        (lambda d: d.pop("alpha"), "'alpha' is a required property"),
        (lambda d: d.update(more=1), "Additional properties"),
        (lambda d: d["layers"][1].pop("y"), "layers/1: 'y' is a required property"),
        (lambda d: d["layers"][1]["dt"].update(M=1), "layer 1, dt: Scale M must be from 32768"),
        (lambda d: d.update(layers=[]), "layers: "),
        (lambda d: d.update(layers=[[]]), r"layers/0: \[\] is not of type 'object'"),
    ],
)
def test_a_damaged_file_is_refused(calibration, tmp_path, change, message):
    path = tmp_path / "c.json"
    write_quamba(path, calibration)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=rf"^Calibration .*c\.json: .*{message}"):
        read_quamba(path)


def test_half_a_file_and_no_file_are_refused(calibration, tmp_path):
    path = tmp_path / "c.json"
    with pytest.raises(InputError, match="cannot be read"):
        read_quamba(path)
    path.write_text("[]")
    with pytest.raises(InputError, match="is another JSON document; give the file that eval --scales wrote"):
        read_quamba(path)
    write_quamba(path, calibration)
    assert json.loads(path.read_text())["schema"] == "qse-hw/quamba/1"
    path.write_text(path.read_text()[:300])
    with pytest.raises(InputError, match="must be JSON"):
        read_quamba(path)


def test_a_calibration_of_another_checkpoint_names_both(model, calibration):
    other = dataclasses.replace(calibration, model="f" * 64)
    with pytest.raises(InputError, match=f"of this checkpoint, {calibration.model[:12]}, but is of ffffffffffff;"):
        QuambaMamba(model, other)
    short = dataclasses.replace(calibration, layers=calibration.layers[:1])
    with pytest.raises(InputError, match="the model's 2 layers, but has 1"):
        QuambaMamba(model, short)


def test_too_short_a_text_is_refused(model, ids):
    with pytest.raises(InputError, match="at least one sequence of 512, not 200"):
        calibrate_quamba(model, ids, tokens=200)
    with pytest.raises(InputError, match="at most the text's 247, not 1000"):
        calibrate_quamba(model, ids, tokens=1000)
    with pytest.raises(InputError, match="Sequence must be at least 1"):
        calibrate_quamba(model, ids, tokens=100, sequence=0)
    for name in ("alpha", "state_alpha"):
        with pytest.raises(InputError, match="Alpha must be"):
            calibrate_quamba(model, ids, tokens=100, sequence=20, **{name: 0.0})


@pytest.mark.parametrize(
    ("weight", "value", "message"),
    [
        ("mixer.in_proj.weight", 0.0, "Layer 1, xz must not be zero everywhere"),
        ("mixer.x_proj.weight", 0.0, "Layer 1, x_proj must not be zero everywhere"),
        ("mixer.dt_proj.weight", 0.0, "Layer 1, dt must not be zero everywhere"),
        ("mixer.in_proj.weight", float("nan"), "Layer 1, xz must be finite"),
        ("mixer.conv1d.bias", float("nan"), "Layer 1, x must be finite"),
        ("mixer.dt_proj.bias", float("nan"), "Layer 1, state must be finite"),
        ("mixer.D", float("inf"), "Layer 1, gated must be within"),
        ("mixer.D", 1e7, r"Layer 1, gated must be within \+-65504, but reaches"),
    ],
)
def test_a_dead_or_broken_tensor_is_named(model, ids, weight, value, message):
    broken = copy.deepcopy(model)
    broken.blocks[1].get_parameter(weight).fill_(value)
    with pytest.raises(InputError, match=message):
        calibrate_quamba(broken, ids, tokens=48, sequence=SEQUENCE)


def test_models_it_is_not_for_are_refused(ids):
    with pytest.raises(InputError, match="must be a Mamba-1"):
        calibrate_quamba(
            Mamba(Mamba2Config(d_model=12, n_layer=1, vocab_size=23, headdim=6, d_state=4)), ids, tokens=48, sequence=24
        )
    with pytest.raises(InputError, match=r"Hadamard order must be .* not 18"):
        calibrate_quamba(Mamba(MambaConfig(d_model=9, n_layer=1, vocab_size=23)), ids, tokens=48, sequence=24)


def test_every_tensor_has_a_scale_of_16_bits(calibration):
    assert TENSORS == ("norm", "xz", "x", "x_proj", "dt", "y", "state")
    assert {getattr(layer, name).bits for layer in calibration.layers for name in TENSORS} == {16}


def test_layer_by_layer_equals_the_whole_model(model, ids):
    whole = calibrate_quamba(model, ids, tokens=8 * SEQUENCE, sequence=SEQUENCE)
    residual = model.backbone.embedding(ids[: 8 * SEQUENCE].view(8, SEQUENCE))
    for i, (block, expected) in enumerate(zip(model.blocks, whole.layers, strict=True)):
        scales, after = calibrate_layer(block, residual, layer=i)
        assert scales == expected
        residual = block(residual)
        torch.testing.assert_close(after, residual)


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ([1, 2, 3], r"^Ids must be an integer tensor of tokens \(count,\), not list$"),
        (torch.zeros(1, 64, dtype=torch.int64), r"^Ids must be .* \(count,\), not torch.int64 \(1, 64\)$"),
        (torch.zeros(64), r"^Ids must be .*, not torch.float32 \(64,\)$"),
        (torch.full((64,), 1 << 20), r"^Ids must be from 0 to \d+, not 1048576 to 1048576$"),
    ],
)
def test_ids_that_are_none(model, ids, sentence):
    with pytest.raises(InputError, match=sentence):
        calibrate_quamba(model, ids, tokens=64)
