"""Bad calibrations and simulators: one sentence, exit status 2, nothing written."""

import json

import pytest


def damaged(calibration, path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, int):
        path.write_bytes(calibration.read_bytes()[:content])
    elif content is not None:
        path.write_text(json.dumps(json.loads(calibration.read_text()) | content))
    return path


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, " cannot be read: No such file or directory"),
        (b"no JSON", " must be JSON: "),
        (700, " must be JSON: "),
        ({"schema": "qse-hw/calibration/1"}, ": schema: 'qse-hw/calibration/2' was expected"),
        ({"layers": []}, ": layers: [] should be non-empty"),
    ],
)
def test_calibration_files(refused, out, tmp_path, calibration, activations, content, sentence):
    path = damaged(calibration, tmp_path / "c.json", content)
    for command in (("gen", "encoder", "--layer", "0", "-o", out), ("replay", "--json", out / "r.json")):
        assert refused(*command, "--calibration", path).startswith(f"Calibration {path}{sentence}")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "f" * 64}, "Calibration must be for the activations' model 5eed5eed5eed, but is for ffffffffffff"),
        ({"channels": 31}, "Calibration must be for the activations' 2 layers of 32 channels, but is for 2 of 31"),
    ],
)
def test_calibration_for_something_else(refused, out, tmp_path, calibration, activations, change, sentence):
    path = damaged(calibration, tmp_path / "c.json", change)
    said = refused("replay", "--activations", activations, "--calibration", path, "--json", out / "r.json")
    assert said == f"{sentence}; calibrate again"


def test_calibration_for_another_format(refused, out, calibration, activations):
    replay = ("replay", "--activations", activations, "--calibration", calibration, "--json", out / "r.json")
    for other in ("int8", "se8:L=11"):
        said = refused(*replay, "--format", other)
        assert said.endswith(f"the calibration's, se8 of 48 + 64 + 16 codes in layer 0, not {other}; calibrate again")

@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--simulator", "vcs"), "Simulator must be one of verilator, icarus, not 'vcs'"),
        (("--lanes", "0"), "Lanes must be from 1 to 1024, not 0"),
        (("--lanes", "1025"), "Lanes must be from 1 to 1024, not 1025"),
        (("--input", "fp8"), "Input type must be"),
        (("--format", "int9"), "Format must be one of"),
        (("--calibration", "nowhere"), "Calibration nowhere cannot be read"),
        (("--wave", "w.ghw"), "Wave file must end in .vcd or .fst, not 'w.ghw'"),
        (("--wave", "/dev/null/w.vcd"), "Output /dev/null/w.vcd cannot be written"),
    ],
)
def test_replay_options(refused, out, monkeypatch, arguments, sentence):
    monkeypatch.setattr("qse_hw.cli.replay.from_file_or_default", lambda path: pytest.fail("too late"))
    assert refused("replay", "--json", out / "new" / "r.json", *arguments).startswith(sentence)


@pytest.mark.parametrize("program", ["verilator", "g++", "make", "perl"])
def test_a_missing_program(refused, out, monkeypatch, program):
    from qse_hw.sim.simulators import simulators as tools

    find = tools.find
    monkeypatch.setattr(tools, "find", lambda name: None if name == program else find(name))
    sentence = f"Program {program} was not found; install "
    assert refused("replay", "--json", out / "r.json").startswith(sentence)
    assert refused("bench", "--json", out / "b.json").startswith(sentence)


def test_icarus_is_missing(refused, out, monkeypatch):
    from qse_hw.sim.simulators import simulators as tools

    monkeypatch.setattr(tools, "find", lambda name: None)
    said = refused("replay", "--simulator", "icarus", "--json", out / "r.json")
    assert said.startswith("Program iverilog was not found; install Icarus Verilog (Debian: apt-get install iverilog)")
