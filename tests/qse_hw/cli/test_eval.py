"""eval: the report, its tables, what it accepts; the figures themselves are tested with qse_hw.golden.evaluate."""

import copy
import json
import math
import sys
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from qse_hw.cli import eval as command
from qse_hw.cli import main
from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.spec import parse_candidate, parse_candidates
from qse_hw.golden.evaluate.layers import fit, measure
from qse_hw.golden.evaluate.recipes import x_only
from qse_hw.golden.evaluate.score import score
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, fingerprint, load_model, save_model
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.golden.models.mamba.stream import layers_of
from qse_hw.study.evaluation.report import show

TASKS = Path(__file__).parents[2] / "golden" / "evaluate" / "tasks"
CONFIGS = {
    "mamba1": MambaConfig(d_model=16, n_layer=2, vocab_size=256),
    "mamba2": Mamba2Config(d_model=16, n_layer=2, vocab_size=256, d_state=8, headdim=16, chunk=8),
}
FEW = ["--tokens", "1024", "--calibration-tokens", "64"]


def write_model(folder: Path, config, damage=None) -> Path:
    model = Mamba(config).eval().requires_grad_(False)
    initialize(model, 3)
    model.backbone.embedding.weight.mul_(20)  # so that predictions are not all alike
    if damage is not None:
        damage(model)
    save_model(model, folder, dtype=torch.float32)
    return folder


@pytest.fixture(scope="session", params=list(CONFIGS))
def any_model(request, tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("any"), CONFIGS[request.param])


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), CONFIGS["mamba1"])


@pytest.fixture
def evaluated(out, capsys):
    def run(*argv):
        words = ["eval", *map(str, argv), "--json", str(out / "e.json")]
        assert main(words) == 0
        return json.loads((out / "e.json").read_text(), parse_constant=pytest.fail), capsys.readouterr().out

    return run


@pytest.mark.every(2)
def test_report(evaluated, any_model, out):
    document, said = evaluated("--model", any_model, *FEW, "--formats", "se8,int8", "--reference", "int8")
    assert document["schema"] == "qse-hw/eval/2"
    assert document["command"] == (
        f"python -m qse_hw eval --model {any_model} --tokens 1024 --calibration-tokens 64 --formats se8,int8 "
        f"--reference int8 --json {out / 'e.json'}"
    )
    assert {"versions", "python", "machine", "commit", "seed", "resamples"} <= set(document)
    model = load_model(any_model)
    assert document["model"] == {
        "fingerprint": fingerprint(model),
        "architecture": model.config.architecture,
        "layers": 2,
        "vocabulary": 256,
    }
    texts = {name: (command.TEXTS / f"{name}.txt").read_bytes() for name in ("calibration", "held-out")}
    for key, name, tokens in (("calibration", "calibration", 64), ("held_out", "held-out", 1024)):
        entry = document["texts"][key]
        assert (entry["name"], entry["bytes"], entry["tokens"]) == (f"bundled {name}.txt", len(texts[name]), tokens)
        assert entry["sha256"] in (command.TEXTS / "README.md").read_text()
    assert [document[key] for key in ("recipe", "mode", "window", "windows", "reference", "tasks")] == [
        "x-only", "free", 512, 2, "int8", {}
    ]  # fmt: skip

    ids = {name: torch.tensor(list(text)) for name, text in texts.items()}
    candidates, fitted = fit(layers_of(model), ids["calibration"], parse_candidates("se8,int8"), tokens=64)
    measured = measure(layers_of(model), ids["held-out"], candidates, tokens=1024)
    forwards = x_only(model)({name: [one.quantizer for one in layers] for name, layers in candidates.items()})
    scores = score(model, forwards, ids["held-out"][:1024].view(2, 512), vocab_size=256)
    assert document["limit_sqnr_db"] == {"calibration": fitted.limit_db, "held_out": measured.limit_db}
    tokens = 2 * 511
    assert document["unquantised"]["bits_per_byte"]["mean"] == pytest.approx(scores.nll.sum() / tokens / math.log(2))
    assert list(document["formats"]) == ["se8", "int8"]
    for spec, entry in document["formats"].items():
        assert entry["bits"] == 8
        for layer, row in enumerate(entry["layers"]):
            assert row["detail"] == candidates[spec][layer].detail
            for key, losses in (("calibration", fitted), ("held_out", measured)):
                assert row[key] == {
                    "sqnr_db": losses.sqnr_db[spec][layer],
                    "distance_db": losses.distance_db(spec)[layer],
                }
        worst = entry["worst"]["held_out"]
        assert (worst["layer"], worst["distance_db"]) == measured.worst(spec)
        assert entry["kl"]["mean"] == pytest.approx(scores.kl[spec].sum() / tokens)
        assert entry["kl"]["low"] is None  # two windows cannot tell
        gap = (scores.kl[spec] - scores.kl["int8"]).sum() / tokens
        assert entry["kl_difference"] == {"mean": pytest.approx(gap), "low": None, "high": None, "within_noise": True}
        bits = scores.candidate_nll[spec].sum() / tokens / math.log(2)
        assert entry["bits_per_byte"]["mean"] == entry["bits_per_token"] == pytest.approx(bits)
        assert entry["perplexity"] == pytest.approx(2**bits)
        more = entry["bits_per_byte_difference"]
        assert more["mean"] == pytest.approx(bits - document["unquantised"]["bits_per_token"], abs=1e-12)
        assert more["within_noise"] is True
    assert "with so few windows every difference may be noise" in said
    for spec in ("se8", "int8"):
        worst = f"(layer {document['formats'][spec]['worst']['held_out']['layer']})"
        assert any(line.startswith(f"│ {spec} ") and worst in line for line in said.splitlines())


@pytest.mark.full
@pytest.mark.every(2)
def test_calibration(evaluated, any_model, out, capsys):
    """eval takes a calibration as calibrate wrote it, and only with its own checkpoint."""
    text = command.TEXTS / "calibration.txt"
    words = ["--model", str(any_model), "--text", str(text), "--tokens", "64", "--format", "tuned:segments=2,bits=4"]
    assert main(["calibrate", *words, "-o", str(out / "c.json")]) == 0
    more = ("--formats", "int8,tuned:segments=2,bits=4", "--calibration", out / "c.json")
    document, _ = evaluated("--model", any_model, *FEW, *more)
    assert list(document["formats"]) == ["int8", "tuned:segments=2,bits=4", "calibration"]
    fitted, given = document["formats"]["tuned:segments=2,bits=4"], document["formats"]["calibration"]
    assert fitted["layers"] == given["layers"]
    assert fitted["kl"] == given["kl"]
    assert main(["eval", *map(str, (*FEW, *more))]) == 2  # the bundled model
    assert "Calibration must be for the checkpoint's " in capsys.readouterr().err


@pytest.mark.full
def test_scales_are_kept(evaluated, any_model, out):
    """The scales of the other tensors, written by one run and read by the next, which gives the same."""
    words = ("--model", any_model, "--tokens", "512", "--calibration-tokens", "512", "--formats", "se8:L=8")
    words += ("--recipe", "quamba", "--scales", out / "scales.json")
    first, _ = evaluated(*words)
    written = (out / "scales.json").read_text()
    second, _ = evaluated(*words)
    assert first["formats"] == second["formats"]
    assert (out / "scales.json").read_text() == written


@pytest.mark.full
def test_bundled_model(evaluated):
    document, _ = evaluated("--tokens", "512", "--calibration-tokens", "64", "--formats", "int8,se8:L=8")
    assert document["model"]["fingerprint"] == fingerprint(load_model(BUNDLED))
    assert document["reference"] == "int8"
    assert 0 < document["formats"]["se8:L=8"]["kl"]["mean"] < document["formats"]["int8"]["kl"]["mean"]
    assert 1.5 < document["unquantised"]["bits_per_byte"]["mean"] < 2


@pytest.mark.full
def test_intervals_and_marks(evaluated, model):
    few = ["--model", model, "--tokens", "4096", "--calibration-tokens", "64", "--formats", "int8,quamba,se8:L=8"]
    document, said = evaluated(*few)
    assert document["reference"] == "quamba"
    quamba, se8 = document["formats"]["quamba"], document["formats"]["se8:L=8"]
    assert 0 < se8["kl"]["low"] < se8["kl"]["mean"] < se8["kl"]["high"] < quamba["kl"]["low"]
    assert se8["kl_difference"]["high"] < 0
    assert se8["kl_difference"]["within_noise"] is False
    assert quamba["kl_difference"] == {"mean": 0, "low": 0, "high": 0, "within_noise": True}
    row = [line for line in said.splitlines() if line.startswith("│ se8:L=8 ")][-1]
    assert f"{1000 * se8['kl_difference']['mean']:+.3g} [" in row


@pytest.mark.full
def test_equals_sign_where_differences_are_noise(evaluated, model, capsys):
    document, _ = evaluated("--model", model, "--tokens", "4096", "--calibration-tokens", "64", "--formats", "int8,se8")
    for noise, sign in ((True, " = "), (False, " +2 [1, 3] ")):
        made = copy.deepcopy(document)
        difference = {"mean": 0.002, "low": 0.001, "high": 0.003, "within_noise": noise}
        made["formats"]["se8"]["kl_difference"] = difference
        show(made)
        row = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│ se8 ")][-1]
        assert row.split("│")[4].center(40).count(sign) == 1


@pytest.mark.full
@pytest.mark.parametrize("option", [[], ["--x-proj-input", "int8", "--state", "fp16"]])
def test_quamba_recipe(evaluated, model, option):
    few = ["--model", model, "--tokens", "512", "--calibration-tokens", "512", "--formats", "int8,se8"]
    plain, _ = evaluated(*few)
    document, said = evaluated(*few, "--recipe", "quamba", *option)
    assert [document[key] for key in ("recipe", "x_proj_input", "state")] == [
        "quamba", *(option[1::2] or ["code", "fp32"])
    ]  # fmt: skip
    for spec in ("int8", "se8"):
        assert document["formats"][spec]["layers"] == plain["formats"][spec]["layers"]
        assert document["formats"][spec]["kl"]["mean"] > plain["formats"][spec]["kl"]["mean"]
    assert "recipe: quamba" in said


def test_texts_of_ones_own(evaluated, model, tmp_path):
    for name, letter in (("a.txt", "a"), ("b.txt", "b")):
        (tmp_path / name).write_text(f"{letter} quiet flows the Don, " * 40)
    few = ["--model", model, "--formats", "int8,lloyd-max"]
    document, _ = evaluated(*few, "--calibration-text", tmp_path / "a.txt", "--text", tmp_path / "b.txt")
    assert {key: (text["name"], text["tokens"]) for key, text in document["texts"].items()} == {
        "calibration": ("a.txt", 920),
        "held_out": ("b.txt", 512),
    }
    assert [row["calibration"]["distance_db"] for row in document["formats"]["lloyd-max"]["layers"]] == [0, 0]
    assert all(row["held_out"]["distance_db"] > 0 for row in document["formats"]["lloyd-max"]["layers"])


def test_default_formats_are_known():
    formats = [spec.name for spec in parse_candidates(command.FORMATS)]
    assert len(formats) == 14
    assert {"quamba", "lloyd-max", "tuned:segments=6"} <= set(formats)
    x = np.random.default_rng(1).normal(size=(8, 8)).astype(np.float32)
    assert Sample(x).fit(parse_candidate("fp8-e4m3")).bits == 8


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    for path in TASKS.iterdir():
        (folder / path.name).write_text(path.read_text().replace("FOLDER", str(folder)))
    return folder


@pytest.mark.full
def test_tasks(evaluated, model, folder):
    document, said = evaluated(
        "--model", model, "--tokens", "512", "--calibration-tokens", "64", "--formats", "int8,se8",
        "--tasks", "tiny_choice,tiny_prose", "--task-path", folder, "--limit", "3",
    )  # fmt: skip
    assert list(document["tasks"]) == ["unquantised", "int8", "se8"]
    for name, rows in document["tasks"].items():
        assert [(row["task"], row["metric"], row["questions"]) for row in rows] == [
            ("tiny_choice", "acc", 3), ("tiny_choice", "acc_norm", 3),
            ("tiny_prose", "word_perplexity", 3), ("tiny_prose", "bits_per_byte", 3),
        ]  # fmt: skip
        for row, plain in zip(rows, document["tasks"]["unquantised"], strict=True):
            assert row["difference"] == row["value"] - plain["value"]
            if row["task"] == "tiny_choice":
                assert row["within_noise"] is True
            elif name != "unquantised":
                assert row["within_noise"] is None
                assert 0 < abs(row["difference"]) < 0.1 * plain["value"]
    assert "tiny_choice, 3 questions" in said
    assert any(line.startswith("│ se8 ") and " = " in line and "±" in line for line in said.splitlines())


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--formats", "se7"], "Format must be"),
        (["--formats", "int8", "--reference", "se8"], "Reference must be among the formats, int8, and se8 is not"),
        (["--mode", "own"], "Mode must be one of free, runtime, shared, not 'own'"),
        (["--recipe", "w4"], "Recipe must be one of x-only, quamba, not 'w4'"),
        (["--state", "fp16"], "Recipe must be quamba where --x-proj-input or --state is given"),
        (["--tokens", "0"], "Tokens must be at least 1, not 0"),
        (["--tokens", "511"], "Tokens must be at least one window of 512, not 511"),
        (["--tokens", "65526"], "Tokens must be at most the text's 65525, not 65526"),
        (["--calibration-tokens", "0"], "Calibration tokens must be at least 1, not 0"),
        (["--calibration-tokens", "65500"], "Calibration tokens must be at most the text's 65499, not 65500"),
        (["--limit", "3"], "Tasks must be named where --task-path or --limit is given"),
        (["--tasks", "piqa", "--limit", "0"], "Limit must be at least 1 question per task, not 0"),
        (["--model", "nowhere"], "nowhere"),
        (["--text", "nowhere"], "Text nowhere cannot be read"),
    ],
)
def test_refusals(refused, argv, message, out):
    assert message in refused("eval", *argv, "--json", out / "e.json")


def test_short_texts(refused, tmp_path, out):
    short = tmp_path / "short.txt"
    short.write_text("b" * 511)
    assert "Text shorter than one window: it must have at least 512 tokens, not 511" in refused(
        "eval", "--text", short, "--json", out / "e.json"
    )
    said = refused("eval", "--calibration-text", short, "--formats", "int8", "--recipe", "quamba", *FEW[:2])
    assert "Calibration tokens must be at least one sequence of 512, not 511" in said


def test_zero_activations_name_the_layer(refused, tmp_path, out):
    def damage(model):
        model.blocks[1].mixer.conv1d.weight.zero_()
        model.blocks[1].mixer.conv1d.bias.zero_()

    model = write_model(tmp_path, CONFIGS["mamba1"], damage)
    assert "Layer 1, x: Activations must not all be zero" in refused(
        "eval", "--model", model, "--formats", "int8", "--json", out / "e.json", *FEW
    )


@pytest.mark.full
def test_missing_task_data(refused, folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # it may have been imported before
    for task in ("tiny_missing", "hellaswag"):
        said = refused("eval", "--tasks", task, "--task-path", folder)
        assert f"Task {task} must have its data on this machine" in said
    assert "Task nonsense must be one the harness knows" in refused(
        "eval", "--tasks", "nonsense", "--task-path", folder
    )


def test_missing_package(refused, monkeypatch):
    monkeypatch.delitem(sys.modules, "qse_hw.golden.evaluate.lm_eval", raising=False)
    monkeypatch.setitem(sys.modules, "lm_eval.api.instance", None)  # importing it now raises
    said = refused("eval", "--tasks", "piqa").replace(".api.instance", "")
    assert said == 'Package lm_eval is not installed; get it with: pip install "qse-hw[tasks]"'


def test_nothing_held_out(capsys):
    assert main(["eval", "--text", str(command.TEXTS / "calibration.txt")]) == 2
    assert capsys.readouterr().err.startswith("error: Texts must differ: nothing is held out")


def test_tokenizer(evaluated, tmp_path):
    """With other tokens than bytes, perplexity and bits per token are shown; bits per byte count the text's bytes."""
    words = ["[UNK]", "quiet", "flows", "the", "Don"]
    plain = Tokenizer(models.WordLevel({word: id for id, word in enumerate(words)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="[UNK]").save_pretrained(tmp_path)
    write_model(tmp_path, MambaConfig(d_model=16, n_layer=1, vocab_size=5))
    text = tmp_path / "text.txt"
    drawn = np.random.default_rng(4).choice(words[1:], 600)
    text.write_text(" ".join(drawn))
    (tmp_path / "other.txt").write_text(" ".join(drawn[::-1]))
    few = ("--calibration-text", tmp_path / "other.txt", "--formats", "int8", "--calibration-tokens", 64)
    document, said = evaluated("--model", tmp_path, "--text", text, *few)
    assert document["texts"]["held_out"]["tokens"] == 512
    plain = document["unquantised"]
    assert plain["bits_per_byte"]["mean"] == pytest.approx(plain["bits_per_token"] * 600 / text.stat().st_size)
    assert plain["perplexity"] == pytest.approx(2 ** plain["bits_per_token"])
    assert "perplexity" in said
    assert f"{plain['perplexity']:.3f}" in said
