"""capture and calibrate: from a model's weights to the file that everything else reads."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from qse_hw.cli import main
from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.calibration.candidates import describe
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.percentile import percentile_step
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import se8
from qse_hw.golden.io.activations import read_activations, write_activations
from qse_hw.golden.models.mamba.capture import capture
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, fingerprint, load_model
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.study.replay import choose
from qse_hw.study.sources import from_file_or_default


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def captured(tmp_path_factory):
    """64 tokens of the bundled model, by the command."""
    path = tmp_path_factory.mktemp("captured") / "new" / "a.safetensors"
    assert main(["capture", "--tokens", "64", "-o", str(path)]) == 0
    assert os.listdir(path.parent) == ["a.safetensors"]
    return path


def test_bundled_model(captured, model):
    tensors, metadata = read_activations(captured)
    text = read_text(None)
    want = capture(model, text.ids, tokens=64)
    assert list(tensors) == list(want) == [f"layers.{i}.x" for i in range(model.config.n_layer)]
    for name, x in want.items():
        assert (tensors[name].shape, tensors[name].dtype) == ((64, model.config.d_inner), np.float32)
        assert np.array_equal(tensors[name], x)
    assert metadata["model"] == fingerprint(model)
    assert (metadata["text_sha256"], metadata["text"], metadata["tokens"]) == (text.sha256, "pydoc_data.topics", "64")
    assert metadata["torch"] == torch.__version__


def test_x_whose_squares_overflow_float32(out, tmp_path):
    """Its standard deviation is told without a warning, which would fail this test."""
    folder = shutil.copytree(BUNDLED, tmp_path / "checkpoint")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("5.mixer.conv1d.weight"))  # the last layer's
    save_file(weights | {name: weights[name].float() * 1e22}, folder / "model.safetensors")
    assert main(["capture", "--model", str(folder), "--tokens", "7", "-o", str(out / "a.safetensors")]) == 0
    peak = abs(read_activations(out / "a.safetensors")[0]["layers.5.x"]).max()
    assert peak > 1e20


def test_a_model_and_a_text_of_the_users_own(out, tmp_path, model, capsys):
    text, folder = tmp_path / "text", shutil.copytree(BUNDLED, tmp_path / "checkpoint")
    text.write_bytes(b"Any bytes \xff will do.")
    words = ("--model", str(folder), "--text", str(text), "--tokens", "7")
    assert main(["capture", *words, "-o", str(out / "a.safetensors")]) == 0
    tensors, metadata = read_activations(out / "a.safetensors")
    want = capture(model, torch.tensor(list(text.read_bytes())), tokens=7)
    assert all(np.array_equal(tensors[name], x) for name, x in want.items())
    assert (metadata["model"], metadata["text"]) == (fingerprint(model), "text")  # a name, no private path
    said = capsys.readouterr().out
    assert f"SSM inputs of {folder} on {text}" in said
    assert "7 x 512" in said
    assert f"written: {out / 'a.safetensors'}" in said


@pytest.mark.every(2)
@pytest.mark.parametrize("spec", ["se8", "se8-silu", "se8:L=12", "int8", "tuned:bits=4,segments=2"])
def test_calibrate_a_file(out, activations, tensors, spec):
    path = out / "c.json"
    assert main(["calibrate", "--activations", str(activations), "--format", spec, "-o", str(path)]) == 0
    calibration = read_calibration(path)
    assert (calibration.model, calibration.format) == ("5eed" * 16, spec)
    assert (calibration.tokens, calibration.channels) == (16, 32)
    assert len(calibration.layers) == len(tensors)
    for number, x in enumerate(tensors.values()):
        fitter = Fitter(Histogram(x), steps=[percentile_step(x)])
        for method, want in (
            ("least_squares", fitter.best(parse_format(spec))),
            ("percentile", fitter.at(parse_format(spec), percentile_step(x))),
        ):
            got = calibration.layer(number, method)
            assert got.quantizer == want
            assert got.sqnr_db == pytest.approx(fitter.histogram.sqnr_db(want), abs=1e-4)
    assert os.listdir(out) == ["c.json"]


@pytest.mark.every(3)
@pytest.mark.parametrize("spec", ["se8", "se8-silu", "tuned:bits=3,segments=2"])
def test_a_percentile_that_cannot_be_had_is_a_dash(out, tmp_path, capsys, spec):
    x = np.zeros((64, 40), np.float32)
    x[3, :2] = 0.7, -0.2
    write_activations(tmp_path / "a.safetensors", {"layers.0.x": x, "layers.1.x": x + np.float32(0.1)})
    words = ("calibrate", "--activations", str(tmp_path / "a.safetensors"), "--format", spec, "--alpha", "0.9")
    assert main([*words, "-o", str(out / "c.json")]) == 0
    said = capsys.readouterr().out
    assert "-: the percentile gives no scale" in " ".join(said.split())
    calibration = read_calibration(out / "c.json")
    first, second = (cells for cells in table_rows(said, "") if cells[0] in ("0", "1"))
    assert first[-2:] == ["-", "-"]
    assert float(second[-1]) == pytest.approx(calibration.layer(1, "percentile").sqnr_db, abs=0.011)
    assert calibration.layers[0]["percentile"] is None
    words = ("gen", "encoder", "--calibration", str(out / "c.json"), "--layer", "0", "-o", str(out / "unit"))
    assert main(list(words)) == 0


def test_layers_of_different_width(out, tmp_path, rng, capsys):
    """The widths of all layers are recorded, and the file is accepted for these activations only."""
    path, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    tensors = {f"layers.{n}.x": rng.standard_normal((16, width)).astype(np.float32) for n, width in enumerate((24, 40))}
    write_activations(path, tensors)
    write_activations(other, {name: x[:, :24] for name, x in tensors.items()})
    assert main(["calibrate", "--activations", str(path), "--format", "int8", "-o", str(out / "c.json")]) == 0
    calibration = read_calibration(out / "c.json")
    assert (calibration.tokens, calibration.channels) == (16, (24, 40))
    assert list(choose(from_file_or_default(str(path)), calibration, parse_format("int8"))) == list(tensors)
    with pytest.raises(InputError, match=r"activations' 2 layers of 24 channels, but is for 2 of 24 to 40; calibrate"):
        choose(from_file_or_default(str(other)), calibration, None)


def test_calibrate_a_model_gives_what_its_activations_give(out, captured, capsys):
    words = ("--format", "se8:L=12", "--alpha", "0.99", "--scale-bits", "8")
    assert main(["calibrate", "--tokens", "64", *words, "-o", str(out / "a.json")]) == 0
    said = capsys.readouterr().out
    assert main(["calibrate", "--activations", str(captured), *words, "-o", str(out / "b.json")]) == 0
    assert (out / "a.json").read_bytes() == (out / "b.json").read_bytes()
    calibration = read_calibration(out / "a.json")
    assert {choice.format for layer in calibration.layers for choice in layer.values()} == {se8(12)}
    assert (calibration.alpha, calibration.layer(0).scale.bits) == (0.99, 8)
    rows = table_rows(said, "48 at s/4 + 64 at s + 16 at 4 s")
    assert len(rows) == 6
    for number, cells in enumerate(rows):
        best, quamba = calibration.layer(number), calibration.layer(number, "percentile")
        assert cells == [
            str(number), describe(best.quantizer), f"{best.sqnr_db:.2f}",
            f"{float(quamba.scale.step):.4g}", f"{quamba.sqnr_db:.2f}",
        ]  # fmt: skip


def table_rows(said, words):
    lines = [line for line in said.splitlines() if words in line]
    return [[cell.strip() for cell in line.replace("│", "|").strip("| ").split("|")] for line in lines]


def test_headroom_is_a_parameter_of_the_format(out, activations):
    words = ("calibrate", "--activations", str(activations), "-o")
    assert main([*words, str(out / "a.json"), "--format", "tuned:bits=4,segments=2,headroom=2.5"]) == 0
    assert main([*words, str(out / "b.json"), "--format", "tuned:bits=4,segments=2", "--headroom", "2.5"]) == 0
    assert (out / "a.json").read_bytes() == (out / "b.json").read_bytes()
    assert read_calibration(out / "b.json").format == "tuned:bits=4,segments=2,headroom=2.5"


@pytest.mark.parametrize("mode", ["runtime", "shared"])
def test_modes(out, activations, mode):
    words = ("--format", "tuned:bits=4,segments=2", "--mode", mode, "--scale-bits", "8")
    assert main(["calibrate", "--activations", str(activations), *words, "-o", str(out / "c.json")]) == 0
    calibration = read_calibration(out / "c.json")
    assert (calibration.mode, calibration.objective, calibration.format) == (mode, "x", "tuned:bits=4,segments=2")
    formats = [calibration.layer(number).format for number in range(2)]
    assert len({format.shifts for format in formats}) == 1
    assert (len(set(formats)) == 1) == (mode == "shared")


def test_the_output_as_objective(out, capsys):
    words = ("--tokens", "32", "--format", "int8", "--objective", "output")
    assert main(["calibrate", *words, "-o", str(out / "a.json")]) == 0
    said = capsys.readouterr().out
    calibration = read_calibration(out / "a.json")
    assert calibration.objective == "output"
    rows = table_rows(said, "+-128 at s")
    assert len(rows) == len(calibration.layers) == 6
    for number, cells in enumerate(rows):
        best, quamba = calibration.layer(number), calibration.layer(number, "percentile")
        assert cells[5:] == [f"{best.output_sqnr_db:.2f}", f"{quamba.output_sqnr_db:.2f}"]
        assert 10 < quamba.output_sqnr_db < 60
        assert best.output_sqnr_db >= quamba.output_sqnr_db
    assert main(["calibrate", *words[:4], "-o", str(out / "b.json")]) == 0
    plain = read_calibration(out / "b.json")
    mean = [np.mean([choice.layer(number).sqnr_db for number in range(6)]) for choice in (plain, calibration)]
    assert mean[0] >= mean[1]  # x itself is served best where it is the objective
    assert plain.layer(0).output_sqnr_db is None


def test_time_and_memory(out, activations, capsys):
    words = ("--activations", str(activations), "--format", "int8", "--json", str(out / "r.json"))
    assert main(["calibrate", *words, "-o", str(out / "c.json")]) == 0
    document = json.loads((out / "r.json").read_text())
    assert (document["origin"], document["layers"], document["tokens"], document["channels"]) == (
        str(activations), 2, 16, 32,
    )  # fmt: skip
    assert 0 <= document["seconds"] < 60
    assert 0.01 < document["peak_memory_gib"] < 100
    assert {"schema", "command", "versions", "machine", "commit"} <= set(document)
    assert "GiB" in capsys.readouterr().out


def test_soft_edge_beats_int8_on_a_real_mamba(out, captured):
    mean = {}
    for spec in ("int8", "se8:L=12"):
        assert main(["calibrate", "--activations", str(captured), "--format", spec, "-o", str(out / "c.json")]) == 0
        layers = json.loads((out / "c.json").read_text())["layers"]
        mean[spec] = np.mean([layer["least_squares"]["sqnr_db"] for layer in layers])
    assert mean["se8:L=12"] > mean["int8"] + 5  # about 38 and 30 dB
