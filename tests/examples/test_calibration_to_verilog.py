"""The example from calibration to Verilog runs, and its statements are true."""

import json

import pytest

from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.study.written_unit import read_generated
from tests.examples.run import needs_verilator, refusal, run

NAME = "calibration_to_verilog.py"


@pytest.mark.full
@needs_verilator
def test_runs(tmp_path):
    done = run(NAME, "-o", "made", "--tokens", 32, "--layer", 1, "--format", "se8-silu", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    commands = [line.split()[4] for line in done.stdout.splitlines() if line.startswith("$ python -m qse_hw ")]
    assert commands == ["capture", "calibrate", "gen", "compare"]
    choice = read_calibration(tmp_path / "made" / "calibration.json").layer(1)
    unit = read_generated(tmp_path / "made" / "encoder")
    assert (unit.config.format, unit.config.scale, unit.config.lanes) == (choice.format, choice.scale, 4)
    assert f"latency {unit.latency} cycles" in done.stdout
    assert f"1/s = {choice.scale.M} * 2**-{choice.scale.k}" in done.stdout
    rows = json.loads((tmp_path / "made" / "compare.json").read_text())["rows"]
    assert {row["by"] for row in rows} >= {"qse_hw.golden.formats.scalar, a sample", "PyTorch on cpu", "qse_encoder.v"}
    assert {row["values"] for row in rows if row["what"] == "codes" and "sample" not in row["by"]} == {
        (1 << 16) + 6 * 32 * 512
    }
    last = done.stdout.splitlines()[-1]
    assert last == f"{sum(row['values'] for row in rows):,} comparisons, 0 differences"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the following arguments are required: -o/--output"),
        pytest.param(("-o", "made", "--tokens", 0), "Tokens must be at least 1, not 0", marks=pytest.mark.full),
        (("-o", "made", "--tokens", "many"),
         "argument --tokens: must be an integer, not 'many'; see python -m qse_hw capture --help"),
    ],
)  # fmt: skip
def test_refused(tmp_path, words, said):
    assert refusal(NAME, *words, folder=tmp_path) == said
