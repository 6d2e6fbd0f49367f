"""What a design space has: points, fronts, fitted formats and scales, and what is left out."""

import json
from dataclasses import asdict

import pytest

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import write_calibration
from qse_hw.golden.formats.presets import format_from_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.io.files import write_json
from qse_hw.study.sweep import plan
from tests.qse_hw.cli.sweep.specs import SMALL, SPEC


@pytest.mark.full
def test_a_space(sweep, fake, tmp_path, capsys):
    document = sweep(SPEC)
    assert len(fake) == 12  # parallel encoders have no run-time scale; se8:L=8 and what se8 became may be the same
    points = {(point["name"], point["target"]): point for point in document["points"]}
    assert set(points) == {(f"encoder {f} s16e-10 arch=fused", t) for f in ("int8", "se8", "se8:L=8")
                           for t in ("ecp5:45k-6", "ice40:up5k")} | {
        (f"encoder {f} bf16 arch=fused", "ecp5:45k-6") for f in ("int8", "se8", "se8:L=8")
    }  # fmt: skip
    reasons = {(one["name"].split()[-1], one["target"]): one["reason"] for one in document["skipped"]}
    assert len(document["skipped"]) == 6 + 3
    assert reasons["arch=fused", "ice40:up5k"] == "Unit must fit ice40:up5k"
    assert "constant" in reasons["arch=parallel", None]
    # no silicon on an FPGA; what is best everywhere is on the front, what is worse in both figures is not
    assert [target["objectives"] for target in document["targets"].values()] == [["sqnr_db", "comb"]] * 2
    best = max(document["points"], key=lambda point: point["objectives"]["sqnr_db"])
    assert best["front"]
    assert points["encoder int8 s16e-10 arch=fused", "ice40:up5k"]["front"]
    fixed, free = (points[f"encoder {f} bf16 arch=fused", "ecp5:45k-6"] for f in ("se8:L=8", "se8"))
    assert free["objectives"]["sqnr_db"] > fixed["objectives"]["sqnr_db"] + 0.1
    assert not fixed["front"]  # the same area
    assert format_from_json(free["parameters"]["format"]) != load_format("se8")  # what was fitted was built
    page = (tmp_path / "out" / "sweep.md").read_text()
    assert "| encoder se8:L=8 bf16 arch=fused |" in page
    assert page.count("Unit must fit ice40:up5k") == 3
    assert "Pareto front" in capsys.readouterr().out


@pytest.mark.full
def test_kinds_of_scales(sweep, fake):
    """A number is the scale of all layers; runtime and fitted stand for each layer's own."""
    spec = SMALL.replace('"runtime"', '[0.3, "runtime", "fitted"]').replace(', "ice40:up5k"', "")
    spec = spec.replace('"bf16", "s16e-10"', '"bf16"')
    by_scale = {point["options"]["scale"]: point for point in sweep(spec)["points"]}
    assert by_scale["0.3"]["parameters"]["scale"] == asdict(Scale.from_step(0.3))
    assert by_scale["runtime"]["parameters"]["scale"] == "runtime"
    assert by_scale["fitted"]["accuracy"] == by_scale["runtime"]["accuracy"]
    assert by_scale["0.3"]["objectives"]["sqnr_db"] < by_scale["runtime"]["objectives"]["sqnr_db"] - 5


def test_a_calibration(sweep, fake, tmp_path, tensors, capsys):
    spec = SMALL.replace('"int8"', '"se8:L=8", "calibration"').replace(', "ice40:up5k"', "")
    spec = spec.replace('"bf16", "s16e-10"', '"bf16"')
    layers = [Layer(x=x) for x in tensors.values()]
    write_calibration(tmp_path / "c.json", calibrate(layers, "se8:L=8"))
    points = {point["name"]: point for point in sweep(spec, "--calibration", str(tmp_path / "c.json"))["points"]}
    fitted, given = (points[f"encoder {name} bf16"] for name in ("se8:L=8", "calibration"))
    assert given["parameters"] == fitted["parameters"]
    assert given["accuracy"] == fitted["accuracy"]
    assert len(fake) == 1  # it is the same unit
    before = sweep(spec)
    assert [one["reason"] for one in before["skipped"]] == ["Format calibration needs one: give --calibration FILE"]
    sweep(SPEC, "--calibration", str(tmp_path / "c.json"), status=2)
    assert json.loads((tmp_path / "out" / "sweep.json").read_text()) == before
    assert "Formats must include calibration where --calibration is given" in capsys.readouterr().err


def test_a_format_file_lies_beside_the_spec(sweep, fake, tmp_path):
    """Its path is relative to the SPEC, like the Liberty file's, not to the folder where the sweep was started."""
    write_json(tmp_path / "mine.json", plan.format_to_json(load_format("se8:L=12")))
    spec = SMALL.replace('"int8"', '"mine.json"')
    first = sweep(spec)
    assert {point["options"]["format"] for point in first["points"]} == {"mine.json"}
    assert {point["parameters"]["format"]["name"] for point in first["points"]} == {"se8"}
    count = len(fake)
    write_json(tmp_path / "mine.json", plan.format_to_json(load_format("se8:L=13")))
    second = sweep(spec)
    assert len(fake) > count, "another format under the same name is measured anew"
    assert second["points"][0]["accuracy"] != first["points"][0]["accuracy"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"ice40:up5k"', '"ice40:up6k"', "Device of ice40 must be one of hx8k, up5k, not 'up6k'"),
        ('"ice40:up5k"', '"ecp5:45k-6"', "Targets must differ, not ecp5:45k-6, ecp5:45k-6"),
        ('["fused", "parallel"]', '"parallel"', "Sweep must have a point that can be built; encoder int8 bf16: "),
        ('["sqnr_db"]', "[]", "objectives/maximise: "),
    ],
)  # fmt: skip
def test_refused(sweep, fake, capsys, tmp_path, old, new, sentence):
    assert sweep(SPEC.replace(old, new), status=2) == []
    assert not (tmp_path / "out").exists()
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert sentence in said
    assert fake == []


def test_objectives_that_no_target_has(sweep, fake, capsys):
    spec = SMALL.replace('maximise = ["sqnr_db"]', "").replace('"comb", ', "")
    assert sweep(spec, status=2) == []
    assert "must include one that target ecp5:45k-6 has, not only silicon" in capsys.readouterr().err
