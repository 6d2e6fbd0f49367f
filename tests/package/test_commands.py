"""Every command, once, of the installed package, in a folder that has packages called golden, sim, synth, ..."""

import pytest

from qse_hw.cli import COMMANDS

# each as small as it can be; a, c, x and the like are of tests.fuzz.sound
QUICK = (
    "quantize x.npy --format se8 --scale 0.02 -o made.npy",
    "dequantize codes.npy --format se8 --scale 3 -o made.npy",
    "doctor",
    "synth decoder --format int8 --baseline none --on cells --liberty cells.lib --no-cache",
)
LONG = (
    "gen encoder --calibration c.json --layer 0 --input s8 -o made",
    "calibrate --model mamba2-bytes --tokens 16 -o made.json",
    "capture --tokens 16 -o made.safetensors",  # of the bundled model
    "replay --activations a.safetensors --format int8 --input bf16 --lanes 1",
    "exhaust decoder --format int8",
    "report decoder --format int8 --on cells --liberty cells.lib --activations a.safetensors -o made",
    "sweep own.toml --cache kept -o made",  # on the bundled activations
    "prove decoder --format int8 --property hold",
    "mutate decoder --format int8 --mutants 1",
    "eval --model ck --tokens 512 --calibration-tokens 512 --formats int8",  # on the bundled texts
    "compare --activations a.safetensors",
    "image --model ck --calibration i.json --rows 2 --columns 2 -o made.img",
    "plan --model mamba-130m",
    "generate --tokens 2",
    "bench --parts generate",
    "replay --format int8 --input bf16 --lanes 32",  # of the bundled model
    "eval --tokens 512 --calibration-tokens 512 --formats int8,quamba2",
    "replay --whole-model mamba-130m",
)


def test_every_command_is_among_them():
    assert {line.split()[0] for line in (*QUICK, *LONG)} == set(COMMANDS) - {"demo"}  # test_demo runs it


@pytest.mark.parametrize("line", QUICK)
def test_it_runs(command, line):
    assert command(line)


@pytest.mark.full
@pytest.mark.parametrize("line", LONG)
def test_it_runs_in_full(command, line):
    assert command(line)
