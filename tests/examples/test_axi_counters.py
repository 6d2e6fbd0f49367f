"""The example of a simulated AXI design runs, agrees with golden, and fails if it does not agree."""

import re

import pytest

from tests.examples.run import EXAMPLES, needs_verilator, refusal, run

NAME = "axi_counters.py"


@pytest.mark.full
@needs_verilator
def test_runs(tmp_path):
    done = run(NAME, "--values", 333, "-L", 4, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    counts = {name: (int(read), int(golden)) for name, read, golden in
              re.findall(r"^([A-Z0-9_]+) +(\d+) +(\d+)$", done.stdout, re.MULTILINE)}  # fmt: skip
    segments = [f"SEGMENT{n}_VALUES" for n in range(3)]
    assert list(counts) == ["VALUES", "SATURATED", "NAN", *segments]
    assert all(read == golden for read, golden in counts.values())
    assert counts["VALUES"][0] == sum(counts[name][0] for name in segments) == 333
    assert (counts["SATURATED"][0], counts["NAN"][0]) == (3, 1)
    assert "sticky flags: saturated 1, NaN 1" in done.stdout
    assert done.stdout.splitlines()[-1] == "hardware and golden agree, codes included"
    assert list(tmp_path.iterdir()) == []


@needs_verilator
@pytest.mark.full
def test_another_scale_in_the_hardware_is_noticed(tmp_path):
    text = (EXAMPLES / NAME).read_text()
    changed = text.replace('setting["k"])', 'setting["k"] + 1)')
    assert changed != text
    (tmp_path / NAME).write_text(changed)
    done = run(tmp_path / NAME, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: hardware and golden differ\n"


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--values", 7), "Values must be from 8 to 100000, not 7"),
        (("--values", "few"), "argument --values: invalid int value: 'few'"),
        (("-L", 16), "Format se8: L must be from 1 to 15, not 16"),
    ],
)
def test_refused(tmp_path, words, said):
    assert refusal(NAME, *words, folder=tmp_path) == said
