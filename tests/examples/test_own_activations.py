"""The example that finds a format: for the bundled activations and a user's own, and what it refuses."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

import qse_hw
from qse_hw.golden.calibration.histogram import sqnr_db
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from tests.examples.run import refusal, run

NAME = "own_activations.py"


def lines(done):
    """SQNR of the held-out values by format, and the scale to be used."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = re.findall(r"^(\S+) +(-?\d+\.\d\d) +-?\d+\.\d\d  ", done.stdout, re.MULTILINE)
    sqnr = {name: float(db) for name, db in rows}
    return sqnr, float(re.search(r"to be used with scale (\S+)", done.stdout)[1])


@pytest.mark.full
def test_bundled_activations(tmp_path):
    sqnr, _ = lines(run(NAME, folder=tmp_path))
    assert list(sqnr) == ["int8", "int8-asym", "se8", "se8-silu", "tuned"]
    assert list(sqnr.values()) == sorted(sqnr.values())
    assert len(qse_hw.load_format(str(tmp_path / "format.json")).segments) > 3


def test_own_array(tmp_path, rng):
    """Signed values; the best format is really that good, on the half that it was not fitted to."""
    x = rng.standard_t(4, (50, 3, 32)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    formats = ["int8", "int8-asym", "se8:L=6", "tuned:bits=5,segments=3"]
    done = run(NAME, "x.npy", "--format", *formats, "-o", "found.json", folder=tmp_path)
    sqnr, step = lines(done)
    assert list(sqnr) == formats
    assert "written: found.json, se8:L=6," in done.stdout
    format = qse_hw.load_format(str(tmp_path / "found.json"))
    again = SegmentedQuantizer(format=format, scale=qse_hw.Scale.from_step(step))
    assert again.format == qse_hw.load_format("se8:L=6")
    assert sqnr_db(x.reshape(150, 32)[75:], again) == pytest.approx(sqnr["se8:L=6"], abs=0.0051)
    fit = qse_hw.calibrate([qse_hw.Layer(x=x.reshape(150, 32)[:75])], "se8:L=6").layer(0)
    assert fit.scale == again.scale
    assert f" {fit.sqnr_db:9.2f}  " in next(line for line in done.stdout.splitlines() if line.startswith("se8:L=6 "))
    assert json.loads((tmp_path / "found.json").read_text())["bits"] == 8


@pytest.mark.full
def test_a_held_out_file(tmp_path, rng):
    """Values four times as large saturate, which the values that formats were fitted to do not show."""
    x = np.abs(rng.normal(0, 1, (40, 16))).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", 4 * x)
    formats = ["int8-asym", "se8:L=8"]
    same, _ = lines(run(NAME, "x.npy", "--held-out", "x.npy", "--format", *formats, folder=tmp_path))
    other, _ = lines(run(NAME, "x.npy", "--held-out", "y.npy", "--format", *formats, folder=tmp_path))
    assert all(other[name] < same[name] - 3 for name in formats)


def test_a_tensor_by_its_name(tmp_path, rng):
    tensors = {name: rng.normal(0, size, 500).astype(np.float16) for name, size in (("first", 1), ("second", 100))}
    save_file(tensors, tmp_path / "x.safetensors")
    steps = [
        lines(run(NAME, "x.safetensors", *words, "--format", "int8", folder=tmp_path))[1]
        for words in ((), ("--tensor", "second"))
    ]
    assert steps[1] > 20 * steps[0]


@pytest.mark.full
def test_refused(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    save_file({"a": np.ones(3, np.int32), "b": np.full(3, np.nan, np.float32)}, tmp_path / "x.safetensors")
    np.save(tmp_path / "none.npy", np.ones((0, 3)))
    np.save(tmp_path / "row.npy", np.ones((1, 3)))
    (tmp_path / "text.npy").write_text("text")
    for words, said in (
        (("missing.npy",), r"missing.npy cannot be read: .*No such file.*"),
        (("x.txt",), r"File must be a \.npy or \.safetensors, not x.txt"),
        (("../text.npy",), r"\.\./text.npy cannot be read: .*magic.*"),
        (("../none.npy",), r"Activations must be floating point, and some, not float64 of shape \(0, 3\)"),
        (("../x.safetensors",), r"Activations must be floating point, and some, not int32 of shape \(3,\)"),
        (("../x.safetensors", "--tensor", "b"), r"Activations must be finite in float32, but have NaN or infinity"),
        (("../x.safetensors", "--tensor", "c"), r"Tensor must be one of a, b, not 'c'"),
        (("--format", "se7"), r"Layer 0: Format must be .*, not 'se7'.*|.*se7.*"),
        (("../row.npy",), r"Activations must have at least 2 rows to hold half of them out, not 1"),
        (("../row.npy", "--held-out", "missing.npy"), r"missing.npy cannot be read: .*No such file.*"),
        (("--what",), r"unrecognized arguments: --what"),
        (("--format", "int8", "-o", "none/format.json"), r"Output none/format.json cannot be written: No such file.*"),
    ):
        assert re.fullmatch(said, refusal(NAME, *words, folder=folder))
