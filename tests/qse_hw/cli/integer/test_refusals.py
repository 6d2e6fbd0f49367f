"""What calibrate and eval refuse with the recipe integer, and what refuses their files."""

import json

import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.models.mamba.checkpoint import save_model
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig


@pytest.mark.parametrize(("option", "value", "words"), [
    ("--bits", "norm=9,10", "Bits must be a number, or TENSOR=NUMBER,... with each tensor once, not 'norm=9,10'"),
    ("--bits", "norm=9,norm=8", "Bits must be a number, or TENSOR=NUMBER,... with each tensor once"),
    ("--bits", "-8", "Bits must be a number, or TENSOR=NUMBER,... with each tensor once, not '-8'"),
    ("--bits", "16", "Bits of all must be from 2 to 10, or 16 for a local tensor, not 16"),
    ("--bits", "h=8", "Bits' tensor must be one of norm"),
    ("--objective", "y", "Objective must be one of x, output, loss, model, not 'y'"),
])  # fmt: skip
def test_bad_objectives_and_bits_are_refused(model, out, capsys, option, value, words):
    arguments = ("calibrate", "--recipe", "integer", "--model", str(model), "--tokens", "512")
    assert main([*arguments, f"{option}={value}", "-o", str(out / "i.json")]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (out / "i.json").exists()


@pytest.mark.parametrize(("words", "message"), [
    ("calibrate --recipe quamba", "Recipe must be one of x-only, integer, not 'quamba'"),
    ("calibrate --local-bits 8", "Recipe must be integer where --local-bits is given, not x-only"),
    ("calibrate --recipe integer --alpha 1", "Recipe must be x-only where --alpha is given, not integer"),
    ("calibrate --recipe integer --activations a", "Recipe must be x-only where --activations is given, not integer"),
    ("calibrate --recipe integer --local-bits 12", "Local bits must be 8 or 16, not 12"),
    ("calibrate --recipe integer --state fp16", "State must be one of s16, s24, se8, not 'fp16'"),
    ("calibrate --recipe integer --rounding up", "State's rounding must be one of nearest, stochastic, not 'up'"),
    ("calibrate --recipe integer --weights column", "Weights must be one of row, tensor, not 'column'"),
    ("calibrate --recipe integer --residual-fraction 23", "Residual fraction must be from 0 to 22 bits, not 23"),
    ("calibrate --recipe integer --without x", "Transformation must be one of fold_norms, rotate_residual, rotate_y"),
    ("calibrate --recipe integer --without rotate_y", "Transformation rotate_y must be made, as the integer model has"),
    ("calibrate --recipe integer --tokens 511", "Tokens must be from one sequence of 512 to the text's"),
    ("calibrate --recipe integer --format int9", "Format must be"),
    ("eval --recipe integer --formats int8", "Recipe must be x-only or quamba where --formats is given, not integer"),
    ("eval --recipe integer --state int8", "Recipe must be x-only or quamba where --state is given, not integer"),
    ("eval --recipe integer --parts tensor", "Part must be one of baselines, parts, tensors, not 'tensor'"),
    ("calibrate --rounded-model r", "Recipe must be integer where --rounded-model is given, not x-only"),
    ("eval --rounded-model r", "Recipe must be integer where --rounded-model is given, not x-only"),
    ("eval --recipe integer --rounded-model r", "Calibration must be given where --rounded-model is: without one"),
    ("eval --parts tensors", "Recipe must be integer where --parts is given, not x-only"),
    ("eval --recipe integer --calibration-tokens 511", "Tokens must be from one sequence of 512 to the text's"),
])  # fmt: skip
def test_refusals(refused, out, words, message):
    command, *rest = words.split()
    target = ("-o", out / "c.json") if command == "calibrate" else ("--json", out / "e.json")
    assert message in refused(command, *rest, *target)


def test_a_rounded_model_replaces_no_model(refused, model, out):
    said = refused("calibrate", "--recipe", "integer", "--model", model, "--rounded-model", model, "-o", out / "c.json")
    assert said == f"Rounded model must have a folder of its own, not {model}, which it would replace"


def test_formats_of_another_model(refused, formats, out):
    said = refused("eval", "--recipe", "integer", "--calibration", formats, "--parts", "", "--json", out / "e.json")
    assert said.startswith("Formats must be of this checkpoint, ")
    assert said.endswith("; calibrate again")


ORDERS = "a Hadamard matrix must be of order 2^k, 12 2^k, 20 2^k or 40 2^k"


def test_widths_without_a_hadamard_matrix(refused, tmp_path, out):
    for name, sizes in {"m": {"d_model": 18}, "d": {"d_model": 12, "expand": 3}}.items():
        made = Mamba(MambaConfig(**sizes, n_layer=1, vocab_size=256)).eval()
        save_model(made, tmp_path / name, dtype=torch.float32)
    words = ("--recipe", "integer", "--model", tmp_path / "m")
    residual = f"d_model must be a width that can be rotated, not 18: {ORDERS}; "
    assert refused("calibrate", *words, "-o", out / "c.json") == (
        f"{residual}give --without rotate_residual, or pad the channels with zeros"
    )
    assert refused("eval", *words, "--json", out / "e.json") == (
        f"{residual}calibrate --without rotate_residual and give the file with --calibration, or pad the channels with "
        "zeros"
    )
    y = f"expand * d_model must be a width that can be rotated, not 36: {ORDERS}; pad the channels with zeros"
    assert refused("calibrate", *words, "--without", "rotate_residual", "-o", out / "c.json") == y
    assert refused("calibrate", *words[:3], tmp_path / "d", "-o", out / "c.json") == y


@pytest.mark.parametrize(("words", "message"), [
    ("calibrate --bits h=8", "Bits' tensor must be one of norm"),
    ("calibrate --bits norm=16", "Bits of norm must be from 2 to 10, not 16: it is an operand of a product"),
    ("calibrate --tokens 511", "Tokens must be from one sequence of 512 to the text's"),
    ("calibrate --tokens 99999999", "Tokens must be from one sequence of 512 to the text's"),
    ("eval --calibration-tokens 511", "Tokens must be from one sequence of 512 to the text's"),
    ("eval --tokens 99999999", "Tokens must be at most the text's"),
])  # fmt: skip
def test_refused_before_the_model_is_loaded(refused, model, out, monkeypatch, words, message):
    def unexpected(directory):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("qse_hw.golden.models.mamba.checkpoint.load_model", unexpected)
    command, *rest = words.split()
    target = ("-o", out / "c.json") if command == "calibrate" else ("--json", out / "e.json")
    assert refused(command, "--recipe", "integer", "--model", model, *rest, *target).startswith(message)


def test_the_other_kind_of_calibration(refused, formats, calibration, out, activations):
    for words in (
        ("gen", "encoder", "--input", "bf16", "--calibration", formats, "--layer", "0", "-o", out / "e"),
        ("replay", "--activations", activations, "--calibration", formats),
        ("eval", "--calibration", formats, "--tokens", "512", "--json", out / "e.json"),
    ):
        said = refused(*words)
        assert said.startswith(f"Calibration {formats} must be a calibration, and is the formats of an integer model; ")
        assert said.endswith("calibrate without --recipe integer, or give this file to eval --recipe integer")
    said = refused("eval", "--recipe", "integer", "--calibration", calibration, "--json", out / "e.json")
    assert said == (
        f"Formats {calibration} must be the formats of an integer model, and is a calibration; give the file that "
        "calibrate --recipe integer wrote"
    )


def test_damaged_formats(refused, formats, tmp_path, out):
    document = json.loads(formats.read_text())
    del document["layers"][1]["gate"]
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(document))
    said = refused("eval", "--recipe", "integer", "--calibration", path, "--json", out / "e.json")
    assert said.startswith(f"Formats {path}: layers/1: 'gate' is a required property")


@pytest.mark.full
def test_refusals_of_the_page_and_the_plan(refused, model, formats, calibration, report, tmp_path, out):
    page = ("report", "model", "--calibration", formats, "-o", out / "page")
    assert refused(*page).startswith("Formats must be of this checkpoint, ")
    said = refused("report", "model", "--calibration", calibration, "-o", out / "page")
    assert said.endswith("; give the file that calibrate --recipe integer wrote")
    said = refused(*page, "--model", model, "--evaluation", formats)
    assert said == f"Evaluation {formats} must be a report, and is the formats of an integer model"
    (tmp_path / "e.json").write_text(json.dumps(report | {"model": report["model"] | {"fingerprint": "5eed" * 16}}))
    said = refused(*page, "--model", model, "--evaluation", tmp_path / "e.json")
    assert f"must be of the model {report['model']['fingerprint'][:12]}, but is of 5eed5eed5eed" in said
    said = refused("plan", "--model", "mamba-130m", "--calibration", formats, "--json", out / "p.json")
    assert said == "Formats must be of the model's 24 layers, not of 2"
    said = refused("plan", "--model", "mamba-130m", "--calibration", model / "config.json", "--json", out / "p.json")
    assert said == (
        f"Formats {model / 'config.json'} must be the formats of an integer model, and is the config.json of a "
        "checkpoint; give the file that calibrate --recipe integer wrote"
    )
