"""generate: every form's text and tokens, what is refused; the Verilog is in tests/sim/accelerator and below."""

import json

import numpy as np
import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.models.integer.document import read_formats, write_formats
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.mamba.checkpoint import load_model, save_model
from tests.golden.models.integer import small

BYTES = 256


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small byte-level Mamba-1, its formats, shared and not, and those of another model."""
    folder = tmp_path_factory.mktemp("generate")
    save_model(small.byte_model(), folder / "model", dtype=torch.float32)
    for name, options in {"shared": {"mode": "shared", "local_bits": 16}, "coded": {"mode": "shared"}}.items():
        write_formats(folder / f"{name}.json", small.byte_formats(**options))
    write_formats(folder / "other.json", small.formats())
    return folder


def run(files, *words):
    return main(["generate", "--model", str(files / "model"), *words])


def test_integers_and_float(files, tmp_path, capsys):
    calibration, path = files / "coded.json", tmp_path / "made.json"
    assert run(files, "--calibration", str(calibration), "--prompt", "ab", "--tokens", "5", "--json", str(path)) == 0
    document = json.loads(path.read_text())
    model = load_model(files / "model")
    expected = {}
    forms = {"float32": model, "integers": IntegerMamba.of(model, read_formats(calibration))}
    for name, form in forms.items():
        ids = [*b"ab"]
        for _ in range(5):
            with torch.no_grad():
                ids.append(int(np.argmax(form(torch.tensor([ids]))[0, -1].numpy())))
        expected[name] = ids[2:]
    assert {name: form["tokens"] for name, form in document["forms"].items()} == expected
    assert document["tokens"] == expected["integers"]
    assert document["text"] == bytes(expected["integers"]).decode(errors="replace")
    assert (document["schema"], document["prompt"]) == ("qse-hw/generate/1", "ab")
    said = capsys.readouterr().out
    assert "float32: ab" in said
    assert "integers: ab" in said


@pytest.mark.full
def test_verilog(files, tmp_path, capsys):
    path = tmp_path / "made.json"
    words = ["--calibration", str(files / "shared.json"), "--tokens", "3", "--rtl", "--rows", "4", "--columns", "4"]
    words += ["--scan-lanes", "2", "--hadamard-lanes", "2", "--png", str(tmp_path / "made.png"), "--json", str(path)]
    assert run(files, *words) == 0
    document = json.loads(path.read_text())
    assert document["tokens"] == document["forms"]["verilog"]["tokens"] == document["forms"]["integers"]["tokens"]
    assert document["mismatches"] == 0
    assert document["values_compared"] == (4 + 3 - 1) * (2 * (24 * 3 + 48 * 8 + 3 + 8 + 192) + 48 + BYTES)
    weights = 2 * (24 * 96 + 48 * (3 + 8) + 3 * 48 + 48 * 24) + 24 * BYTES
    assert document["bound_cycles_per_token"] == weights / 16
    assert document["over_bound"] == document["cycles_per_token"] / document["bound_cycles_per_token"] > 1
    assert (tmp_path / "made.png").read_bytes().startswith(b"\x89PNG")
    assert "0 mismatches" in capsys.readouterr().out


@pytest.mark.full
def test_behind_its_buses(files, tmp_path, capsys):
    path = tmp_path / "made.json"
    words = ["--calibration", str(files / "shared.json"), "--tokens", "3", "--rtl", "--rows", "4", "--columns", "4"]
    words += ["--scan-lanes", "2", "--hadamard-lanes", "2", "--bus-bits", "64", "--latency", "25", "--json", str(path)]
    assert run(files, *words) == 0
    document = json.loads(path.read_text())
    assert document["tokens"] == document["forms"]["verilog"]["tokens"] == document["forms"]["integers"]["tokens"]
    assert document["mismatches"] == 0
    memory = document["memory"]
    tiles = 2 * (24 * 6 + 3 * 12 + 12 + 6 * 12) + -(-BYTES // 4) * 6
    assert memory["bytes_per_token"] == 16 * tiles + 4 * (2 * (3 * 48 + 3 + 8 + 24) + BYTES) + 24 + 4
    assert memory["over_bound"] == document["cycles_per_token"] * 8 / memory["bytes_per_token"] > 1
    assert "memory of 64 bits, 25 cycles away" in capsys.readouterr().out


REFUSED = [
    (["--bus-bits", "64"], "Option --bus-bits is of the Verilog: give --rtl, too"),
    (["--rtl", "--latency", "9"], "Option --latency is of the memory: give --bus-bits, too"),
    (["--rtl", "--bus-bits", "64", "--latency", "0"], "Latency must be from 1 to 10000, not 0"),
    (["--calibration", "IN/shared.json", "--rtl", "--scan-lanes", "4", "--bus-bits", "96"],
     "Bus bits must be 64 or 128, not 96"),
    (["--prompt", "a\udcff"], "Prompt must be UTF-8, not 'a\\udcff'"),
    (["--tokens", "0"], "Tokens must be at least 1, not 0"),
    (["--rows", "4"], "Option --rows is of the Verilog: give --rtl, too"),
    (["--png", "x.png"], "Option --png is of the Verilog: give --rtl, too"),
    (["--netlist", "ecp5"], "Option --netlist is of the Verilog: give --rtl, too"),
    (["--rtl", "--netlist", "x"], "Target must be one of ecp5, ice40, gowin, cells"),
    (["--calibration", "IN/other.json"], "Formats must be of this checkpoint"),
    (["--calibration", "IN/coded.json", "--rtl"], "calibrate with --local-bits 16"),
    (["--calibration", "IN/shared.json", "--rtl", "--columns", "6"], "must divide the 6 columns of the engine"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sentence"), REFUSED, ids=lambda value: " ".join(value)[:40])
def test_refusals(files, words, sentence, tmp_path, capsys):
    words = [word.replace("IN/", f"{files}/") for word in words]
    assert run(files, *words, "--json", str(tmp_path / "made.json")) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert sentence in said.err
    assert "float32:" not in said.out
    assert not (tmp_path / "made.json").exists()
