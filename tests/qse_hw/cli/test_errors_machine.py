"""Wrong usage, errors of the system, missing packages: one sentence on stderr, exit status 2."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from qse_hw import cli as commands
from qse_hw.cli import COMMANDS, main, run_command


@pytest.mark.parametrize("command", COMMANDS)
def test_usage(refused, capsys, command):
    assert "unrecognized arguments: --nonsense" in refused(command, *required(command), "--nonsense")
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: python -m qse_hw {command}" in capsys.readouterr().out


def required(command):
    if command in ("quantize", "dequantize"):
        return ("x.npy", "--format", "se8", "--scale", "1", "-o", "y.npy")
    return {
        "gen": ("decoder", "-o", "x"), "synth": ("decoder",), "report": ("decoder", "-o", "x"),
        "sweep": ("x.toml", "-o", "x"), "plan": ("--model", "m"), "capture": ("-o", "x"),
        "calibrate": ("-o", "x"), "image": ("--calibration", "x", "--rows", "1", "--columns", "1", "-o", "y"),
    }.get(command, ())  # fmt: skip


def test_which_command(refused, capsys):
    known = ", ".join(repr(name) for name in COMMANDS)
    said = refused("quantise")
    assert said == f"argument COMMAND: invalid choice: 'quantise' (choose from {known}); see python -m qse_hw --help"
    assert refused() == "the following arguments are required: COMMAND; see python -m qse_hw --help"
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said and text in said for name, text in COMMANDS.items())


@pytest.fixture
def failing(monkeypatch):
    """Make the doctor fail with an exception."""

    def fail(error):
        def run(args):
            raise error

        monkeypatch.setattr("qse_hw.cli.doctor.run", run)

    return fail


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device", "f"), "The system refused: [Errno 28] No space left on device: 'f'"),
        (BrokenPipeError(32, "Broken pipe"), "The system refused: [Errno 32] Broken pipe"),
        (MemoryError("Unable to allocate 9 TiB"), "Memory does not suffice: Unable to allocate 9 TiB"),
        (
            ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"),
            'Package torch.nn is not installed; get it with: pip install "qse-hw[model]"',
        ),
    ],
)
def test_what_the_machine_refuses(refused, failing, error, sentence):
    failing(error)
    assert refused("doctor") == sentence


@pytest.mark.parametrize("error", [RuntimeError("a"), ValueError(), ModuleNotFoundError("no numpy", name="numpy")])
def test_defects_are_not_hidden(failing, error):
    failing(error)
    with pytest.raises(type(error)):
        main(["doctor"])


def test_interrupted(failing, capsys):
    failing(KeyboardInterrupt())
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_program_name(capsys):
    assert run_command("gen", [], program="python -m qse_hw.gen") == 2
    assert capsys.readouterr().err.endswith("; see python -m qse_hw.gen --help\n")


def process(*words, **how):
    return subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, timeout=120, **how)


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "words",
    [
        ("qse_hw.gen", "encoder", "--scale", "nan", "-o"),
        ("qse_hw", "gen", "decoder", "--lanes", "0", "-o"),
        ("qse_hw", "calibrate", "--activations", __file__, "-o"),
    ],
)
def test_as_a_process(out, words):
    done = process(*words, out / "f")
    assert done.returncode == 2
    assert done.stdout == b""
    assert re.fullmatch(rb"error: [A-Z][^\n]+\n", done.stderr)
    assert os.listdir(out) == []


def test_help_as_a_process():
    done = process("qse_hw.gen", "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"usage: python -m qse_hw.gen [-h] ")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_a_terminal_cannot_show(tmp_path, encoding):
    np.save(tmp_path / "x.npy", np.zeros(3, np.float32))
    name = os.fsdecode(b"caf\xc3\xa9\xff.npy")
    words = ("qse_hw", "quantize", "x.npy", "--format", "se8", "--scale", "1", "-o", name)
    done = process(*words, cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\udcff.npy: 3 codes" in done.stdout
    assert sorted(os.listdir(tmp_path)) == [name, "x.npy"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-u", "-m", "qse_hw", "gen", "decoder", "-o", str(tmp_path)],
            stdout=full, stderr=subprocess.PIPE, timeout=120,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == b"error: The system refused: [Errno 28] No space left on device\n"


WITHOUT = {
    "torch": ("capture", "-o", "f"),
    "safetensors": ("compare", "--json", "f"),
    "ml_dtypes": ("bench", "--json", "f"),
    "cocotb": ("replay", "--json", "f"),
}


@pytest.mark.every(2)
@pytest.mark.parametrize("package", WITHOUT)
def test_a_missing_package(tmp_path, package):
    code = f"import sys; sys.modules[{package!r}] = None; from qse_hw.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *WITHOUT[package]], capture_output=True, cwd=tmp_path, encoding="utf-8",
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    extra = commands._EXTRAS[package]
    assert done.stderr == f'error: Package {package} is not installed; get it with: pip install "qse-hw[{extra}]"\n'
    assert os.listdir(tmp_path) == []
