"""eval on files of activations: fitted to one, judged on the other; no model, no text."""

import json
import math
import re

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import write_calibration
from qse_hw.golden.calibration.histogram import sqnr_db
from qse_hw.golden.io.activations import write_activations
from tests.qse_hw.conftest import MODEL


@pytest.fixture(scope="module")
def other():
    """Values of the same layers, somewhat larger."""
    z = np.random.default_rng(6).standard_normal((2, 40, 32), np.float32) * np.float32(2.5)
    return {f"layers.{i}.x": x for i, x in enumerate(z / (1 + np.exp(-z)))}


@pytest.fixture
def held_out(other, tmp_path):
    path = tmp_path / "b.safetensors"
    write_activations(path, other, {"model": MODEL})
    return path


def test_judged_on_what_it_was_not_fitted_to(activations, held_out, calibration, tensors, other, out, capsys):
    words = ["eval", "--activations", str(activations), "--held-out", str(held_out), "--calibration", str(calibration)]
    words += ["--formats", "int8,se8:L=12,lloyd-max", "--json", str(out / "e.json")]
    assert main(words) == 0
    document = json.loads((out / "e.json").read_text(), parse_constant=pytest.fail)
    assert (document["schema"], document["layers"], document["channels"]) == ("qse-hw/eval-activations/1", 2, 32)
    assert document["activations"] == {
        "calibration": {"file": str(activations), "tokens": 16, "model": MODEL},
        "held_out": {"file": str(held_out), "tokens": 40, "model": MODEL},
    }
    assert list(document["formats"]) == ["int8", "se8:L=12", "lloyd-max", "calibration"]
    for spec in ("int8", "se8:L=12", "calibration"):
        fit = calibrate([Layer(x=x) for x in tensors.values()], "se8:L=12" if spec == "calibration" else spec)
        for layer, row in enumerate(document["formats"][spec]["layers"]):
            quantizer = fit.layer(layer).quantizer
            for key, values in (("calibration", tensors), ("held_out", other)):
                expected = sqnr_db(values[f"layers.{layer}.x"], quantizer)
                assert row[key]["sqnr_db"] == pytest.approx(expected, abs=1e-9)
                limit = document["limit_sqnr_db"][key][layer]
                assert row[key]["distance_db"] == pytest.approx(limit - expected, abs=1e-9)
    lloyd = document["formats"]["lloyd-max"]["layers"]
    assert all(row["calibration"]["distance_db"] == 0 < row["held_out"]["distance_db"] for row in lloyd)
    said = capsys.readouterr().out
    assert "SQNR of x in dB by layer, held-out activations" in said
    assert f"fitted to 16 tokens of {activations}" in said.replace("\n", " ")
    assert math.isfinite(document["formats"]["int8"]["worst"]["held_out"]["distance_db"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--held-out", "A"], r"Activations must be given as two files, .*, but only --held-out is"),
        (["--activations", "A"], r"Activations must be given as two files, .*, but only --activations is"),
        (["--activations", "A", "--held-out", "A"], r"Activations must differ: nothing is held out if both"),
        (["--activations", "A", "--held-out", "B", "--text", "A"], r"Model must be evaluated for --text, not a"),
        (["--activations", "A", "--held-out", "B", "--tasks", "x"], r"Model must be evaluated for --tasks, not a file"),
        (["--activations", "A", "--held-out", "B", "--recipe", "quamba"], r"Recipe must be x-only where --activations"),
        (["--activations", "A", "--held-out", "B", "--formats", "x"], r"Format must be one of .*"),
        (["--activations", "A", "--held-out", "B", "--mode", "x"], r"Mode must be one of .*"),
        (["--activations", "A", "--held-out", "nowhere"], r"Activations nowhere cannot be read: .*"),
        (["--activations", "A", "--held-out", "C"], r"Held-out activations must be of the same layers and .*"),
        (["--activations", "A", "--held-out", "D"], r"Held-out activations must be of model 5eed5eed5eed, .*"),
        (["--activations", "B", "--held-out", "A", "--json", "A"], r"Output .* must be another file than .*"),
    ],
)
def test_refused(words, text, activations, held_out, other, tmp_path, refused):
    write_activations(tmp_path / "c.safetensors", {"layers.0.x": other["layers.0.x"]})
    write_activations(tmp_path / "d.safetensors", other, {"model": "0" * 64})
    paths = {"A": activations, "B": held_out, "C": tmp_path / "c.safetensors", "D": tmp_path / "d.safetensors"}
    said = refused("eval", *(paths.get(word, word) for word in words))
    assert re.match(text, said), said


def test_a_calibration_of_other_activations_is_refused(activations, held_out, other, tmp_path, refused):
    calibration = calibrate([Layer(x=other["layers.0.x"])], "se8")
    write_calibration(tmp_path / "c.json", calibration)
    files = ("--activations", activations, "--held-out", held_out, "--calibration", tmp_path / "c.json")
    said = refused("eval", *files, "--formats", "int8")
    assert said.startswith("Calibration must be for the activations' 2 layers of 32 channels, but is for 1 of 32")
