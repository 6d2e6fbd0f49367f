"""A JSON file of ours where another kind is expected: the message names its kind and the remedy."""

import json

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.golden.formats.presets import format_to_json, load_format
from qse_hw.golden.io.document_kinds import kind_of
from qse_hw.study.written_unit import MANIFEST_SCHEMA

PLACES = {  # words that take a file, and what it should be
    "format": ("gen decoder --format {} -o out", "Format file {}", "a format"),
    "format to quantize": ("quantize x.npy --scale 1 --format {} -o out/y.npy", "Format file {}", "a format"),
    "format to calibrate": (
        "calibrate --activations {activations} --format {} -o out/c.json", "Format file {}", "a format",
    ),
    "calibration": ("gen decoder --calibration {} --layer 0 -o out", "Calibration {}", "a calibration"),
    "calibration to replay": (
        "replay --activations {activations} --calibration {}", "Calibration {}", "a calibration",
    ),
    "formats": (
        "eval --recipe integer --calibration {} --json out/e.json", "Formats {}", "the formats of an integer model",
    ),
    "SPEC": ("sweep {} -o out", "Sweep {}", "a SPEC in TOML"),
    "activations": ("replay --activations {}", "Activations {}", "a .safetensors file, as capture writes it"),
    "array": ("quantize {} --scale 1 --format se8 -o out/y.npy", "Array file {}", "a .npy file"),
    "codes": ("dequantize {} --scale 1 --format se8 -o out/y.npy", "Array file {}", "a .npy file"),
}  # fmt: skip
KINDS = {
    "format": "a format",
    "calibration": "a calibration",
    "manifest": "a manifest of a generated unit",
    "report": "a report of replay",
    "scales": "the scales of a Mamba-1's other tensors",
    "formats": "the formats of an integer model",
    "netlist": "a netlist",
}


@pytest.fixture
def files(tmp_path, monkeypatch, calibration, capsys):
    """One file of each kind, written by its command where that is quick."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros(3, np.float32))
    assert main(["gen", "decoder", "--format", "se8", "-o", "unit"]) == 0
    capsys.readouterr()
    documents = {
        "format": format_to_json(load_format("se8")),
        "calibration": json.loads(calibration.read_text()),
        "manifest": json.loads((tmp_path / "unit" / "manifest.json").read_text()),
        "report": {"schema": "qse-hw/replay/1", "passed": True},
        "scales": {"schema": "qse-hw/quamba/1", "layers": []},
        "formats": {"schema": "qse-hw/integer/1", "layers": []},
        "netlist": {"creator": "Yosys 0.70", "modules": {}},
    }
    for name, document in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    return documents


@pytest.mark.every(18)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_a_file_of_another_kind(files, refused, activations, place, kind):
    words, where, rule = PLACES[place]
    if rule == KINDS[kind]:
        return
    command = [word.format(f"{kind}.json", activations=activations) for word in words.split()]
    said = refused(*command)
    assert said.startswith(f"{where.format(f'{kind}.json')} must be {rule}, and is {KINDS[kind]}")


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("place", "kind", "remedy"),
    [
        ("format", "manifest", "give what it has under parameters, format, as a file of its own"),
        (
            "format",
            "calibration",
            "give what it has under layers, K, least_squares, format, as a file of its own, or where the command takes "
            "it --calibration FILE with --layer K",
        ),
        ("calibration", "format", "give it as --format FILE"),
        ("SPEC", "format", "name it in the SPEC, under options, format"),
    ],
)
def test_remedies(files, refused, place, kind, remedy):
    assert refused(*PLACES[place][0].format(f"{kind}.json").split()).endswith(f"; {remedy}")


def test_the_remedy_of_a_manifest_works(files, tmp_path, capsys):
    (tmp_path / "own.json").write_text(json.dumps(files["manifest"]["parameters"]["format"]))
    assert main(["gen", "decoder", "--format", "own.json", "-o", "again"]) == 0
    again = json.loads((tmp_path / "again" / "manifest.json").read_text())
    assert again["parameters"] == files["manifest"]["parameters"]


def test_the_remedy_of_a_calibration_works_for_a_command_without_that_option(files, tmp_path):
    (tmp_path / "own.json").write_text(json.dumps(files["calibration"]["layers"][1]["least_squares"]["format"]))
    words = ("quantize", "x.npy", "--scale", "1", "-o", "codes.npy", "--format")
    assert main([*words, "calibration.json"]) == 2
    assert main([*words, "own.json"]) == 0


def test_a_manifest_where_its_folder_must_be(files, refused, activations):
    said = refused("compare", "--activations", activations, "--verilog", "unit/manifest.json")
    assert said == (
        "Folder unit/manifest.json must be one that gen wrote to, not a file; give the folder that it lies in"
    )


def test_what_is_of_no_kind():
    assert kind_of({"schema": MANIFEST_SCHEMA}) == ("manifest", KINDS["manifest"])
    for document in (None, [], "x", {}, {"schema": "other/1"}, {"schema": 7}, {"schema": "qse-hw"}):
        assert kind_of(document) is None
