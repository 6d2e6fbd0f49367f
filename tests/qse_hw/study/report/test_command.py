"""report: the page's content, its folder, what is refused; with stand-ins for tools and simulator."""

import hashlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.cli import report as command
from qse_hw.cli.units import unit_config
from qse_hw.golden.io.activations import write_activations
from tests.qse_hw.study.report.checker import check
from tests.qse_hw.study.report.conftest import EMIT, NAME

LIBERTY = Path(__file__).parents[3] / "synth" / "assets" / "small.lib"
BF16 = ("encoder", "--format", "se8:L=12", "--input", "bf16", "--scale", "0.03")


def test_an_encoder(report, activations, out, capsys):
    place = out / "page"
    assert report(*BF16, "--on", "ecp5", "ice40:up5k", "--seeds", 2, "--activations", activations, "-o", place) == 0
    assert capsys.readouterr().out.endswith(f"{place / 'index.html'}\n")
    page = check(place / "index.html")
    manifest = json.loads((place / "verilog" / "manifest.json").read_text())
    for port in manifest["ports"]:
        assert f"    .{port['name']}({port['name']})" in page.text
        assert port["meaning"] in page.text
    assert f"{manifest['latency']} cycles" in page.text
    for path in (place / "verilog").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() in page.text
        assert f"{path.stat().st_size:,}" in page.text
    for figure in (
        "7,001",
        "7,002",
        "7,003",
        "7,004",
        "811",
        "216.5 (211.5 to 221.5)",
        "217.5 (212.5 to 222.5)",
        "1.25",
    ):
        assert figure in page.text
    assert "the median of 2 placements" in page.text
    assert "65,536 values" in page.text
    assert "passed" in page.text
    assert "the same file as beside this page" in page.text
    assert manifest["versions"]["amaranth"] in page.text
    assert "python -m qse_hw prove encoder --format se8:L=12 --input bf16 --scale 0.03" in page.text
    assert {path.name for path in out.iterdir()} == {"page"}


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "words",
    [
        ("decoder", "--format", "se9-paper"),
        ("encoder", "--format", "int8", "--scale", "runtime", "--lanes", 3),
        ("encoder", "--input", "s16", "--scale", 59),
    ],
)
def test_sections(report, activations, out, words):
    sections = ["about", "format", "accuracy", "cost", "evidence", "files", "made"]
    assert report(*words, "--activations", activations, "--seeds", 1, "-o", out) == 0
    page = check(out / "index.html")
    assert [section["aria-labelledby"] for section in page.all("section")] == sections
    assert "so there is no column" in page.text  # nobody knows the scale that these values meet


def test_a_unit_without_a_format(report, out, monkeypatch):
    monkeypatch.setattr("qse_hw.study.report.evidence.self_checked", lambda config, verilog, progress: None)
    assert report("hadamard", "--size", 4, "-o", out) == 0
    page = check(out / "index.html")
    assert [section["aria-labelledby"] for section in page.all("section")] == [
        "about",
        "cost",
        "evidence",
        "files",
        "made",
    ]
    assert "format and accuracy do not apply" in page.text
    assert "ran no simulation" in page.text


def test_names_are_text(report, out, tmp_path, tensors, hostile):
    """Neither a format's name nor a file's becomes markup."""
    file = tmp_path / '<img src=x onerror="1">&.safetensors'
    write_activations(file, tensors)
    assert report("decoder", "--format", hostile, "--activations", file, "-o", out) == 0
    page = check(out / "index.html")  # which has neither scripts nor images
    assert NAME in page.text
    assert file.name in page.text
    assert "lane0.<i>sum</i>" in page.text
    assert page.all("title")[0] == {}


def test_names_that_are_no_text(report, out, tmp_path, tensors):
    file = tmp_path / "\udcff.safetensors"
    write_activations(file, tensors)
    assert report("decoder", "--format", "se9-paper", "--activations", file, "-o", out) == 0
    check(out / "index.html")


def test_energy(report, activations, out, monkeypatch):
    """Of standard cells with stimuli; the figures themselves are tested elsewhere."""
    from qse_hw.synth.targets.cells import Cells

    measured = []

    def measure_energy(points, stimuli, *, cache, step):
        measured.extend(point.target.name for point in points)
        assert all({*made} == {"real", "shuffled", "uniform"} for made in stimuli)
        parts = {"values": 12345, "toggles": [31.5, 47.5], "energy": [5.5, 8.25], "leakage": 61e-9}
        return [[{"stimulus": stimulus, **parts} for stimulus in made] for made in stimuli]

    monkeypatch.setattr("qse_hw.synth.energy.measure_energy", measure_energy)
    words = ("--on", "ecp5", "cells", "--liberty", LIBERTY, "--activations", activations, "--seeds", 1)
    assert report(*BF16, *words, "-o", out) == 0
    page = check(out / "index.html")
    assert measured == [Cells(liberty=LIBERTY).name] * 2  # the unit and int8
    for figure in ("12,345", "31.5-47.5", "5.5-8.2", "61.0", "shuffled"):
        assert figure in page.text
    assert report("decoder", "--format", "se9-paper", *words, "-o", out) == 0
    assert "Energy per value" not in check(out / "index.html").text


def test_a_layer_of_a_calibration(report, activations, calibration, out):
    words = ("decoder", "--calibration", calibration, "--layer", 1, "--activations", activations)
    assert report(*words, "-o", out) == 0
    page = check(out / "index.html")
    assert "as calibrated" in page.text
    assert f"--calibration {shlex.quote(str(calibration))} --layer 1" in page.text


def test_the_same_again(report, activations, out):
    """Two runs give the same page, except for the date, which occurs once."""
    texts = []
    for name in ("a", "b"):
        assert report(*BF16, "--activations", activations, "-o", out / name) == 0
        texts.append((out / name / "index.html").read_text())
    dates = re.findall(r"\b20\d\d-\d\d-\d\d\b", texts[0])
    assert len(dates) == 1
    assert texts[0].replace(dates[0], "") == re.sub(r"\b20\d\d-\d\d-\d\d\b", "", texts[1])


def test_a_difference_fails_and_is_told(report, activations, out):
    with pytest.raises(SystemExit) as caught:
        report(*BF16, "--activations", activations, "-o", out, differences=3)
    assert caught.value.code == "the Verilog of encoder se8:L=12 bf16 is wrong: pattern 0x1: code 0x2, not 0x3"
    page = check(out / "index.html")
    assert "failed: pattern 0x1: code 0x2, not 0x3" in page.text
    assert "passed" not in page.text.partition("What it is")[2]  # where the style is over


def test_other_verilog_is_told(report, activations, out):
    assert report(*BF16, "--activations", activations, "-o", out, other=True) == 0
    assert "NOT the file beside this page" in check(out / "index.html").text


def test_an_interrupted_run_leaves_the_earlier_page(report, activations, out, monkeypatch):
    assert report(*BF16, "--activations", activations, "-o", out / "page") == 0
    before = (out / "page" / "index.html").read_bytes()

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_page", interrupted)
    assert report(*BF16, "--activations", activations, "-o", out / "page") == 130
    assert (out / "page" / "index.html").read_bytes() == before
    assert [path.name for path in out.iterdir()] == ["page"]


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "the following arguments are required: UNIT; see python -m qse_hw report --help"),
        (("multiplier",), "Unit must be one of encoder, decoder, linear, "),
        (("decoder",), "the following arguments are required: -o/--output; see python -m qse_hw report decoder --help"),
        (("decoder", "--seeds", "0", "-o", "OUT"), "Seeds must be from 1 to 1000, not 0"),
        (("decoder", "--on", "spartan", "-o", "OUT"), "Target must be one of "),
        (("decoder", "--on", "ecp5:9k-1", "-o", "OUT"), "Device of ecp5 must be one of "),
        (("decoder", "--format", "int9", "-o", "OUT"), "Format must be one of "),
        (("decoder", "--on", "cells", "--liberty", "nowhere.lib", "-o", "OUT"), "Liberty"),
        (("hadamard", "--size", "4", "--target", "ecp5", "--on", "gowin", "-o", "OUT"), "Unit hadamard 4 s8 ecp5 is"),
        (("decoder", "-o", "/dev/null"), "Output /dev/null must be a folder, not a device; choose another place"),
        (("decoder", "-o", "/dev/null/x"), "Output /dev/null/x cannot be written: "),
        (("decoder", "-o", "."), "Output . must not be the folder that one is in; choose another place"),
        (("decoder", "-o", "a\0b"), "Output a"),
    ],
)  # fmt: skip
def test_refused(refused, out, words, sentence):
    assert refused("report", *(str(out / "page") if word == "OUT" else word for word in words)).startswith(sentence)


def test_activations_of_another_model_or_none(refused, out, tmp_path, calibration, monkeypatch):
    file = tmp_path / "a.safetensors"
    write_activations(file, {"layers.0.x": np.ones((3, 32), np.float32)})
    words = ("decoder", "--calibration", calibration, "--layer", "0", "--activations", file, "-o", out / "page")
    monkeypatch.setattr("qse_hw.rtl_gen.emit.emit.emit", EMIT)
    assert refused("report", *words).startswith("Calibration must be for the activations' 1 layers of 32 channels")
    assert refused("report", *words[:-4], "--activations", "nowhere", "-o", out / "page").startswith(
        "Activations nowhere cannot be read: "
    )


@pytest.mark.parametrize(
    "words",
    [
        (
            "encoder",
            "--format",
            "se8:L=4",
            "--scale",
            "0.5",
            "--input",
            "s16e-8",
            "--pipeline",
            "0",
            "--arch",
            "parallel",
        ),
        ("hadamard", "--size", "12", "--transpose"),
        ("linear", "--inputs", "8", "--outputs", "4", "--rows", "2"),
        ("quantizer",),
    ],
)
def test_the_command_that_is_named_makes_the_same_unit(words, monkeypatch):
    """The command on the page is the one that was typed, without options at their defaults."""
    seen = []
    monkeypatch.setattr(command, "run", seen.append)
    assert main(["report", *words, "--on", "ecp5", "--seeds", "2", "-o", "x"]) == 0
    again = shlex.split(command.command_line(seen[0]))
    assert again[:4] == ["python", "-m", "qse_hw", "report"]
    assert main(again[3:]) == 0
    assert unit_config(seen[0]) == unit_config(seen[1])
    assert (seen[0].on, seen[0].seeds) == (seen[1].on, seen[1].seeds)


@pytest.mark.full
@pytest.mark.parametrize(
    "words",
    [
        ("encoder", "--input", "bf16", "--scale", "0.03"),
        ("hadamard", "--size", "4"),
        ("linear", "--inputs", "4", "--outputs", "2"),
    ],
)
def test_nothing_given(words, activations, out):
    """With the real tools."""
    given = [] if words[0] == "hadamard" else ["--activations", str(activations)]
    assert main(["report", *words, "--seeds", "1", *given, "-o", str(out)]) == 0
    page = check(out / "index.html")
    assert "passed" in page.text
    assert re.search(r"compared\s*[1-9][\d,]* (values|beats)", page.text)
