"""compare: PyTorch against golden on the same tensors, and SQNR by layer and format."""

import json

import numpy as np
import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram, sqnr_db
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.formats.presets import PRESETS
from qse_hw.golden.io.activations import write_activations
from qse_hw.golden.quantize import operators


@pytest.fixture
def compared(out, activations):
    def run():
        assert main(["compare", "--activations", str(activations), "--json", str(out / "c.json")]) == 0
        return json.loads((out / "c.json").read_text())

    return run


def test_no_differences(compared, tensors, capsys):
    document = compared()
    assert document["schema"] == "qse-hw/compare/1"
    assert {"versions", "python", "machine", "commit"} <= set(document)
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    values = sum(x.size for x in tensors.values())
    assert document["equality"] == [
        {"format": name, "device": device, "values": values, "differences": 0} for name in PRESETS for device in devices
    ]
    assert list(document["sqnr_db"]) == list(PRESETS)
    for name, layers in document["sqnr_db"].items():
        assert layers == [sqnr_db(x, Fitter(Histogram(x)).least_squares(parse_format(name))) for x in tensors.values()]
    said = capsys.readouterr().out
    for name, layers in document["sqnr_db"].items():
        assert any(name in line and all(f" {value:.1f} " in line for value in layers) for line in said.splitlines())


@pytest.mark.every(2)
@pytest.mark.parametrize("which", ["quantize", "dequantize"])
def test_a_difference_fails(out, activations, monkeypatch, which):
    sound = getattr(operators, which)

    def wrong(x, format, scale):
        result = sound(x, format, scale)
        one = result.reshape(-1)[7:8]
        one[:] = torch.where(one == 0, 1, 0)  # both are codes of every preset
        return result

    monkeypatch.setattr(operators, which, wrong)
    with pytest.raises(SystemExit) as caught:
        main(["compare", "--activations", str(activations), "--json", str(out / "c.json")])
    devices = 2 if torch.cuda.is_available() else 1
    assert caught.value.code == f"{2 * len(PRESETS) * devices} differences between PyTorch and the golden model"
    rows = json.loads((out / "c.json").read_text())["equality"]
    assert [row["differences"] for row in rows] == [2] * len(rows)


def test_nothing_lost_is_null(out, capsys):
    write_activations(out / "a.safetensors", {"layers.0.x": np.ones((3, 3), np.float32)})
    assert main(["compare", "--activations", str(out / "a.safetensors"), "--json", str(out / "c.json")]) == 0

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    document = json.loads((out / "c.json").read_text(), parse_constant=refuse)
    assert document["sqnr_db"]["se9-paper"] == [None]
    assert "inf" in capsys.readouterr().out


def test_half_precision_activations(out, tensors):
    write_activations(out / "a.safetensors", {name: x.astype(np.float16) for name, x in tensors.items()})
    assert main(["compare", "--activations", str(out / "a.safetensors"), "--json", str(out / "c.json")]) == 0
    assert {row["differences"] for row in json.loads((out / "c.json").read_text())["equality"]} == {0}


def test_a_scale_without_verilog(refused, activations, out):
    said = refused("compare", "--activations", activations, "--scale", 0.1, "--json", out / "c.json")
    assert said == "Scale 0.1 needs a generated unit: give --verilog DIR"
