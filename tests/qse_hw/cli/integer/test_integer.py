"""calibrate and eval with the recipe integer: the file, the report, its tables."""

import copy
import json
import math

import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.evaluate.score import score
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.document import read_formats, write_formats
from qse_hw.golden.models.integer.error_feedback import round_weights
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.shared import shared_formats
from qse_hw.golden.models.integer.simulation import run
from qse_hw.golden.models.integer.transformations import Transformations
from qse_hw.golden.models.mamba.checkpoint import fingerprint, load_model, save_model
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.study.evaluation.integer_tables import NAMES, PARTS
from qse_hw.study.evaluation.report import show
from qse_hw.study.integer_formats import describe, storage
from qse_hw.study.sources import TEXTS
from tests.golden.models.integer import small
from tests.qse_hw.cli.integer import FEW
from tests.qse_hw.study.report.checker import check

HELD_OUT = TEXTS / "held-out.txt"


def evaluated(out, capsys, *words):
    assert main(["eval", "--recipe", "integer", *map(str, words), "--json", str(out / "e.json")]) == 0
    return json.loads((out / "e.json").read_text(), parse_constant=pytest.fail), capsys.readouterr().out


def test_calibrate_writes_what_the_calibrator_chooses(model, formats):
    ids = read_text(None).ids
    assert read_formats(formats) == calibrate_integer(
        load_model(model), ids, tokens=700, options=Options(spec="se8:L=8")
    )


def test_options_of_calibrate(model, out, capsys):
    options = ("--local-bits", "16", "--state", "s24", "--rounding", "stochastic", "--weights", "tensor")
    options += ("--residual-fraction", "8", "--without", "rotate_residual")
    words = ("--recipe", "integer", "--model", str(model), "--tokens", "512", "--format", "int8", *options)
    assert main(["calibrate", *words, "--json", str(out / "j.json"), "-o", str(out / "i.json")]) == 0
    chosen = read_formats(out / "i.json")
    assert chosen.transformations == Transformations(rotate_residual=False)
    assert (chosen.weights, chosen.residual.exponent, chosen.tokens) == ("tensor", -8, 512)
    layer = chosen.layers[0]
    assert (layer.state.bits, layer.state.rounding, layer.conv_input.bits, layer.x.format.name) == (
        24, "stochastic", 16, "int8"
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "s24, in units of 2^" in said
    assert "stochastic rounding" in said
    line = next(line for line in said.splitlines() if line.startswith("│ in_proj "))
    assert [cell.strip() for cell in line.split("│")[2:5]] == ["weight", "8", "2,048"]  # 2 layers, 64 x 16
    report = json.loads((out / "j.json").read_text())
    assert (report["schema"], report["layers"], report["tokens"]) == ("qse-hw/calibrate/1", 2, 512)


@pytest.mark.full
def test_formats_that_layers_share(model, out, refused):
    words = ("--recipe", "integer", "--model", model, "--tokens", "512", "--format", "tuned:segments=2", "--mode")
    assert main(["calibrate", *map(str, words), "shared", "--local-bits", "16", "-o", str(out / "i.json")]) == 0
    chosen = read_formats(out / "i.json")
    options = Options(spec="tuned:segments=2", local_bits=16, mode="shared")
    assert chosen == calibrate_integer(load_model(model), read_text(None).ids, tokens=512, options=options)
    assert shared_formats(chosen).segmented["norm"] == chosen.layers[1].norm.format == chosen.norm_f.format
    (out / "i.json").unlink()
    said = refused("calibrate", *words, "runtime", "-o", out / "c.json")
    assert said == "Mode of an integer model must be one of free, shared, not 'runtime'"


def test_objective_and_bits_of_calibrate(model, out):
    words = ("--recipe", "integer", "--model", str(model), "--tokens", "512", "--format", "tuned:segments=2")
    words += ("--objective", "output", "--bits", "norm=9, gate=16", "-o", str(out / "i.json"))
    assert main(["calibrate", *words]) == 0
    options = Options(spec="tuned:segments=2", objective="output", bits={"norm": 9, "gate": 16})
    chosen = read_formats(out / "i.json")
    assert chosen == calibrate_integer(load_model(model), read_text(None).ids, tokens=512, options=options)
    assert (chosen.layers[1].norm.format.bits, chosen.layers[1].gate.bits) == (9, 16)


@pytest.mark.full
def test_report(report, model, formats):
    assert [report[key] for key in ("schema", "recipe", "reference", "windows", "tasks")] == [
        "qse-hw/eval/2", "integer", "quamba", 2, {}
    ]  # fmt: skip
    entries = report["formats"]
    assert {name: entry["group"] for name, entry in entries.items()} == {
        "calibration": "integer",
        **dict.fromkeys(("quamba", "quamba-se8", "quamba-se"), "quamba"),
        **dict.fromkeys(
            ("quamba-simulated", "quamba-rotated", "quamba-rows", "quamba-rotated-rows", "quamba-smoothed",
             "fp8-e4m3", "fp8-e3m4", "mxfp8"),
            "baseline",
        ),
    }  # fmt: skip
    assert set(entries) <= set(NAMES)
    for name in ("quamba", "quamba-se8", "quamba-se"):
        swept = entries[name]["swept"]
        assert len(swept) == 7
        assert swept[str(entries[name]["alpha"])] == min(swept.values()) == pytest.approx(entries[name]["kl"]["mean"])
    assert entries["quamba"]["kl_ratio"] == {"mean": 1, "low": None, "high": None}
    loaded = load_model(model)
    windows = read_text(str(HELD_OUT)).ids[:1024].view(2, 512)
    integer = IntegerMamba.of(loaded, read_formats(formats))
    scores = score(loaded, {"integer": integer}, windows, vocab_size=256)
    kl = scores.kl["integer"].sum() / (2 * 511)
    assert entries["calibration"]["kl"]["mean"] == pytest.approx(kl)
    assert entries["calibration"]["kl_ratio"]["mean"] == pytest.approx(kl / entries["quamba"]["kl"]["mean"])
    for name, ratio in entries["calibration"]["kl_ratios"].items():
        assert ratio["mean"] == pytest.approx(kl / entries[name]["kl"]["mean"])
    totals = {}
    for (_, name), count in integer.saturated.items():
        totals[name] = totals.get(name, 0) + count
    assert report["saturated"] == {"calibration": {name: count for name, count in totals.items() if count}}
    assert report["untied_bytes"] == 256 * 16


@pytest.mark.full
def test_tensors_of_the_report(report):
    tensors = report["tensors"]
    assert tensors["windows"] == 2
    assert {"x", "y", "norm", "state", "gated", "in_proj", "head", "A"} <= set(tensors["effects"])
    for effect in tensors["effects"].values():
        kinds = effect["kinds"]
        assert effect["winner"]["kl"] == min(kinds, key=lambda kind: kinds[kind]["kl"]["mean"])
        means = {
            kind: math.inf if None in one["sqnr_db"] else sum(one["sqnr_db"]) / len(one["sqnr_db"])
            for kind, one in kinds.items()
        }
        assert effect["winner"]["sqnr_db"] == max(means, key=means.get)


@pytest.mark.full
def test_tables(report, capsys):
    made = copy.deepcopy(report)
    interval = {"mean": 0.00012, "low": 0.0001, "high": 0.00014}
    made["formats"]["calibration"] |= {"kl": interval, "kl_ratio": {"mean": 0.11, "low": 0.1, "high": 0.12}}
    made["parts"] = {name: made["formats"]["quamba"] for name in PARTS}
    show(made)
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if line.startswith("│ integer, as calibrated "))
    assert "0.12 [0.1, 0.14]" in row
    assert "0.11 [0.1, 0.12]" in row
    assert f"│ {NAMES['quamba']}, alpha {made['formats']['quamba']['alpha']} " in said
    for words in PARTS.values():
        assert f"│ {words} " in said
    assert "bytes of a head that no longer shares the embedding's weights: 4,096" in said


@pytest.mark.full
def test_without_a_calibration(model, out, capsys):
    document, said = evaluated(out, capsys, "--model", model, *FEW, "--parts", "parts")
    entries = document["formats"]
    integers = ["integer-16", "integer-8", "integer-16-nearest", "integer-8-nearest"]
    assert list(entries) == [*integers, "quamba", "quamba-se8", "quamba-se"]
    assert entries["integer-16"]["kl"]["mean"] < entries["quamba"]["kl"]["mean"]
    assert entries["integer-16"]["kl"]["mean"] < entries["integer-16-nearest"]["kl"]["mean"]
    assert list(document["saturated"]) == integers
    assert list(document["parts"]) == list(PARTS)
    assert "saturated values of integer, 8 bits everywhere: " in said


@pytest.mark.full
def test_a_checkpoint_with_rounded_weights(model, out, capsys):
    words = ("--recipe", "integer", "--model", model, "--tokens", "512", "--format", "se8:L=8", "--rounded-model")
    assert main(["calibrate", *map(str, words), str(out / "r"), "-o", str(out / "c.json")]) == 0
    formats, loaded = read_formats(out / "c.json"), load_model(model)
    expected = round_weights(loaded, read_text(None).ids, tokens=512)
    rounded = load_model(out / "r")
    assert formats.model == fingerprint(rounded) == fingerprint(expected)
    document, _ = evaluated(
        out, capsys, "--model", model, *FEW, "--parts", "",
        "--calibration", out / "c.json", "--rounded-model", out / "r",
    )  # fmt: skip
    windows = read_text(str(HELD_OUT)).ids[:1024].view(2, 512)
    scores = score(loaded, {"integer": IntegerMamba.of(rounded, formats)}, windows, vocab_size=256)
    kl = scores.kl["integer"].sum() / (2 * 511)
    assert document["formats"]["calibration"]["kl"]["mean"] == pytest.approx(kl), "beside the model as it was"


def test_formats_are_written_as_python_writes_them(formats, tmp_path):
    write_formats(tmp_path / "again.json", read_formats(formats))
    assert (tmp_path / "again.json").read_text() == formats.read_text()


def test_report_about_the_model(model, formats, report, tmp_path, out, capsys):
    (tmp_path / "e.json").write_text(json.dumps(report))
    words = ("--calibration", formats, "--model", model, "--evaluation", tmp_path / "e.json", "-o", out / "page")
    assert main(["report", "model", *map(str, words)]) == 0
    assert capsys.readouterr().out == f"{out / 'page' / 'index.html'}\n"
    page = check(out / "page" / "index.html")
    sections = [section["aria-labelledby"] for section in page.all("section")]
    assert sections == ["about", "formats", "storage", "accuracy", "made"]
    loaded = read_formats(formats)
    for layer in loaded.layers:
        for name in (*layer.OPERANDS, *layer.LOCALS, "state", "A"):
            assert describe(getattr(layer, name))[1] in page.text
    assert NAMES["quamba-rotated-rows"] in page.text
    assert f"{1000 * report['formats']['calibration']['kl']['mean']:.3g}" in page.text
    assert main(["report", "model", *map(str, words[:4]), "-o", str(out / "page")]) == 0  # replaces it
    assert "accuracy" not in [one["aria-labelledby"] for one in check(out / "page" / "index.html").all("section")]


def test_bytes_of_the_plan(model, formats, out, capsys):
    lanes = ("--scan-lanes", 1, "--norm-lanes", 1, "--hadamard-lanes", 1)
    words = ("--model", model, "--calibration", formats, *lanes, "--json", out / "p.json")
    assert main(["plan", *map(str, words)]) == 0
    parts = {one["name"]: one for one in json.loads((out / "p.json").read_text())["storage"]}
    assert (parts["in_proj"]["bits"], parts["in_proj"]["bytes"]) == (8, 2 * 64 * 16)
    assert (parts["SSM state"]["bits"], parts["SSM state"]["bytes"]) == (16, 2 * 2 * 32 * 4)
    assert (parts["delta"]["bits"], parts["delta"]["values"], parts["delta"]["bytes"]) == (18, 64, 144)
    assert (parts["head"]["kind"], parts["head"]["bytes"]) == ("weight", 256 * 16)
    assert any(line.startswith("│ x_proj ") for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("kind", list(small.KINDS))
def test_storage_has_every_tensor(kind):
    made = small.formats(kind)
    config, layer = small.KINDS[kind][0], made.layers[0]
    parts = {one.name: one for one in storage(made, config)}
    assert {*layer.OPERANDS, *layer.LOCALS, *layer.FIXED} <= set(parts)
    for name, value in tensors_seen(kind).items():
        assert parts[name].values == 2 * value, name


def tensors_seen(kind):
    """Channels of every tensor, as the simulation shows them."""
    seen = {}

    def see(layer, name, value):
        if name not in ("state", "inflow", "norm_f"):
            seen[name] = value.shape[-1]
        return value

    with torch.no_grad():
        run(small.model(kind), small.text()[:4].view(1, 4), see)
    return seen


@pytest.mark.full
def test_a_mamba2(tmp_path, out, capsys):
    """Quamba2 is granted scales for groups of channels, beside the percentiles."""
    made = Mamba(Mamba2Config(d_model=16, n_layer=2, vocab_size=256, d_state=8, headdim=16, chunk=8)).eval()
    initialize(made, 3)
    save_model(made, tmp_path / "m", dtype=torch.float32)
    words = ("--model", str(tmp_path / "m"), "--recipe", "integer")
    assert main(["calibrate", *words, "--tokens", "512", "--format", "se8:L=8", "-o", str(tmp_path / "i.json")]) == 0
    document, said = evaluated(out, capsys, *words[:2], *FEW, "--calibration", tmp_path / "i.json", "--parts", "")
    assert set(document["formats"]["quamba"]["swept"]) >= {"groups", "0.9995"}
    assert "groups" not in document["formats"]["quamba-se8"]["swept"]
    assert document["model"]["architecture"] == "mamba2"
    assert "integer, as calibrated" in said
