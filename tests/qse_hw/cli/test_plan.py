"""plan: what follows from the units' figures, in JSON and in words; those are checked in tests/sim/cycle/test_throughput.py."""

import json
import os

import pytest

from qse_hw.cli import main
from qse_hw.golden.models.mamba.shapes import SHAPES

MAMBA1 = [name for name in SHAPES if name.startswith("mamba-")]
PUBLISHED = ", ".join(MAMBA1)


def plan(out, *options):
    assert main(["plan", "--json", str(out / "plan.json"), *options]) == 0
    return json.loads((out / "plan.json").read_text())


def test_figures(out, capsys):
    report = plan(out, "--model", "mamba-130m", "--lanes", "16", "--clock", "250", "--tile", "8x32", "--prompt", "100")
    assert (report["schema"], report["model"], report["layers"]) == ("qse-hw/plan/1", "mamba-130m", 24)
    assert (report["d_inner"], report["lanes"], report["tile"], report["clock_mhz"]) == (1536, 16, "8x32", 250)
    units = {unit["name"]: unit for unit in report["units"]}
    assert [*units] == ["encoder of x", "x_proj", "decoder of x", "Hadamard of y", "encoder of y"]
    assert [unit["interval"] for unit in units.values()] == [96, 48 * 10, 96, 96, 96]
    for unit in units.values():
        assert unit["cycles_per_token"] == 24 * unit["interval"]
        assert unit["busy"] == unit["interval"] / 480
    load, path = report["load_cycles_per_layer"], report["path_cycles_per_layer"]
    assert load == 80 * 48
    delays = [unit["delay"] for unit in units.values()]
    assert path == (96 + delays[0] + delays[1]) + (96 + delays[3] + delays[4])
    prompt, alone = report["prompt"], report["one_token"]
    for timing, cycles, tokens, bottleneck in (
        (prompt, load + path + 99 * 480, 100, "x_proj"),
        (alone["shared"], load + path, 1, "weights"),
        (alone["resident"], path, 1, "x_proj"),
    ):
        assert timing["cycles"] == 24 * cycles
        assert timing["seconds"] == pytest.approx(24 * cycles / 250e6)
        assert timing["tokens_per_second"] == pytest.approx(tokens * 250e6 / 24 / cycles)
        assert timing["bottleneck"] == bottleneck
    assert prompt["tokens"] == 100
    assert {"scan", "dt_proj", "in_proj", "out_proj"} <= set(report["not_modelled"])
    said = capsys.readouterr().out
    for word in ("mamba-130m: 24 layers", "1536:80 8x32", f"{path:,} cycles", f"{prompt['cycles']:,} cycles",
                 "bottleneck: x_proj", "bottleneck: weights", "Not modelled", "scan", "in_proj", "11,520"):
        assert word in said, word


@pytest.mark.parametrize("model", MAMBA1)
def test_every_shape(out, model):
    report = plan(out, "--model", model)
    config = SHAPES[model]
    x_proj = next(unit for unit in report["units"] if unit["name"] == "x_proj")
    assert x_proj["interval"] == config.d_inner // 16 * ((config.dt_rank + 32) // 16)
    assert report["prompt"]["tokens"] == 512
    assert report["prompt"]["bottleneck"] == "x_proj"


def test_few_lanes_are_the_bottleneck(out):
    report = plan(out, "--model", "mamba-130m", "--lanes", "1", "--tile", "80x12")
    assert report["prompt"]["bottleneck"] == "encoder of x"
    assert report["units"][0]["busy"] == 1


def test_projections(out):
    report = plan(out, "--model", "mamba-130m", "--projections")
    units = {unit["name"]: unit["interval"] for unit in report["units"]}
    assert [*units] == [
        "in_proj", "encoder of x", "x_proj", "decoder of x", "Hadamard of y", "encoder of y", "out_proj"
    ]  # fmt: skip
    assert units["in_proj"] == 768 * 3072 // 256
    assert units["out_proj"] == 768 * 1536 // 256
    assert report["prompt"]["bottleneck"] == "in_proj"
    assert report["load_cycles_per_layer"] == 3072 * 768 // 16
    assert not {"in_proj", "out_proj"} & set(report["not_modelled"])


def test_a_checkpoint(out):
    report = plan(out, "--model", "mamba-bytes")
    assert (report["d_inner"], report["layers"]) == (512, 6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--model", "mamba-1b"], f"Model must be one of {PUBLISHED}, or a checkpoint's folder, not 'mamba-1b'"),
        (["--model", "mamba2-130m"], "Model must be a Mamba-1, whose x_proj is what is planned, not 'mamba2-130m'"),
        (["--clock", "0"], "Clock must be a positive number of MHz, not 0.0"),
        (["--clock", "nan"], "Clock must be a positive number of MHz, not nan"),
        (["--clock", "inf"], "Clock must be a positive number of MHz, not inf"),
        (["--clock", "fast"], "argument --clock: invalid float value: 'fast'; see python -m qse_hw plan --help"),
        (["--prompt", "0"], "Prompt must be at least 1 token, not 0"),
        (["--tile", "16"], "Tile must be ROWSxCOLUMNS, as in 16x16, not '16'"),
        (["--tile", "16x-1"], "Tile must be ROWSxCOLUMNS, as in 16x16, not '16x-1'"),
        (["--tile", "7x16"], "Rows must divide the 80 outputs, not 7; or pad the matrix with rows of zeros"),
        (["--tile", "80x16"], "Rows times columns must be at most 1024, not 80 times 16"),
        (["--tile", "0x16"], "Rows must divide the 80 outputs, not 0; or pad the matrix with rows of zeros"),
        (["--lanes", "0"], "Lanes must be from 1 to 1024, not 0"),
    ],
)
def test_bad_input(out, capsys, options, text):
    model = [] if "--model" in options else ["--model", "mamba-130m"]
    assert main(["plan", *model, *options, "--json", str(out / "plan.json")]) == 2
    assert capsys.readouterr().err == f"error: {text}\n"
    assert os.listdir(out) == []


def test_lanes_that_the_transform_cannot_have(out, capsys):
    assert main(["plan", "--model", "mamba-130m", "--lanes", "3"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Lanes must divide 128 (size 1536 is 12 * 128), not 3")
    assert said.count("\n") == 1
