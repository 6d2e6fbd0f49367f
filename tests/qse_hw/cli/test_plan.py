"""plan: what follows from the cycles of the mixer's model, in JSON and in words; see tests/sim/cycle/mixer."""

import json
import os
from pathlib import Path

import pytest

from qse_hw.cli import main
from qse_hw.golden.models.mamba.model import MambaConfig
from qse_hw.golden.models.mamba.shapes import SHAPES
from qse_hw.rtl_gen.accelerator.image_words import ImageMap
from qse_hw.sim.cycle.mixer.token_cycles import count_cycles
from qse_hw.study.plan import mixer_of

BUNDLED = {"d_model": 256, "n_layer": 6, "vocab_size": 256}
MAMBA1 = [name for name in SHAPES if name.startswith("mamba-")]
PUBLISHED = ", ".join(MAMBA1)
SIMULATED = Path(__file__).parents[3] / "docs" / "results" / "generate.json"
SIZES = {"rows": 16, "columns": 8, "scan_lanes": 4, "norm_lanes": 2, "hadamard_lanes": 4}
OPTIONS = [word for name, size in SIZES.items() for word in (f"--{name.replace('_', '-')}", str(size))]


def plan(out, *options):
    assert main(["plan", "--json", str(out / "plan.json"), *options]) == 0
    return json.loads((out / "plan.json").read_text())


def test_the_bundled_model_takes_as_long_as_in_simulation(out):
    report, simulated = plan(out, "--model", "mamba-bytes"), json.loads(SIMULATED.read_text())
    alone = report["one_token"]
    assert alone["cycles"] == simulated["cycles_per_token"] == 44363
    assert report["bound_cycles_per_token"] == simulated["bound_cycles_per_token"]
    assert alone["over_bound"] == alone["cycles"] / report["bound_cycles_per_token"]
    # the simulation counts beats of weights as they come in, and the last token's queue is full
    assert alone["busy"] * alone["cycles"] == pytest.approx(simulated["busy"] * simulated["cycles_per_token"], rel=1e-5)


def test_figures(out, capsys):
    words = (*OPTIONS, "--sequences", "3", "--clock", "250", "--prompt", "100", "--bus-bits", "256")
    report = plan(out, "--model", "mamba-bytes", *words)
    assert (report["schema"], report["model"], report["layers"]) == ("qse-hw/plan/2", "mamba-bytes", 6)
    assert {name: report[name] for name in SIZES} == SIZES
    mixer = mixer_of(MambaConfig(**BUNDLED), target="generic", **SIZES)
    counted = count_cycles(mixer, layers=6, tokens=100)
    weights = 6 * (1024 * 256 + 48 * 512 + 512 * 16 + 256 * 512) + 256 * 256
    bound = weights / 128
    assert (report["weights"], report["bound_cycles_per_token"]) == (weights, bound)
    products = report["product_cycles_per_token"]
    assert products == bound  # as nothing is filled up
    alone, prompt = report["one_token"], report["prompt"]
    assert (alone["cycles"], prompt["cycles"]) == (counted.alone.cycles, counted.prompt)
    assert prompt["cycles_per_token"] == counted.following.cycles
    for timing, tokens, per_token in ((alone, 1, alone["cycles"]), (prompt, 100, prompt["cycles_per_token"])):
        assert timing["seconds"] == pytest.approx(timing["cycles"] / 250e6)
        assert timing["tokens_per_second"] == pytest.approx(tokens * 250e6 / timing["cycles"])
        assert timing["over_bound"] == per_token / bound
        assert timing["busy"] == products / per_token
        assert sum(timing["parts"].values()) == per_token
        assert timing["parts"]["products"] == products
    memory, rows = report["memory"], 6 * (1024 + 48 + 512 + 256) + 256
    assert memory["bytes_per_token"] == {"weights": 128 * products, "multipliers": 4 * rows, "embedding": 260}
    total = 128 * products + 4 * rows + 260
    assert total == ImageMap(mixer).token_bytes, "as much as an accelerator reads"
    assert memory["cycles_per_token"] == -(-total // 32)
    assert memory["limit"] == "memory"
    assert memory["tokens_per_second"] == pytest.approx(250e6 / memory["cycles_per_token"])
    assert memory["bytes_per_second"] == pytest.approx(total / alone["seconds"])
    assert (report["sequences"], report["state_bits"]) == (3, 3 * 6 * 512 * 16 * 16)
    said = capsys.readouterr().out
    for word in ("mamba-bytes: 6 layers, 16 x 8 multipliers, lanes: 4 scan, 2 norm, 4 hadamard", f"{alone['cycles']:,}",
                 f"{prompt['cycles']:,} cycles", "scan and Hadamard transform", "so the memory is the limit",
                 "States of 3 sequences on chip: 2,359,296 bits."):
        assert word in said, word


def test_a_wide_bus_leaves_the_limit_to_the_engine(out):
    report = plan(out, "--model", "mamba-bytes", "--bus-bits", "1024", "--png", str(out / "p.png"))
    assert (out / "p.png").read_bytes().startswith(b"\x89PNG")
    assert report["memory"]["limit"] == "engine"
    assert report["memory"]["tokens_per_second"] == pytest.approx(report["one_token"]["tokens_per_second"])


@pytest.mark.full
@pytest.mark.parametrize("model", MAMBA1)
def test_every_shape(out, model):
    """Also those of which no memory for all layers can be made."""
    report = plan(out, "--model", model, *OPTIONS)
    assert 1 < report["prompt"]["over_bound"] < report["one_token"]["over_bound"] < 1.05


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--model", "mamba-1b"], f"Model must be one of {PUBLISHED}, or a checkpoint's folder, not 'mamba-1b'"),
        (
            ["--model", "mamba2-130m"],
            "Model must be a Mamba-1, for which there is an accelerator, not 'mamba2-130m'",
        ),
        (["--clock", "0"], "Clock must be from 0.001 to 100000 MHz, not 0.0"),
        (["--clock", "nan"], "Clock must be from 0.001 to 100000 MHz, not nan"),
        (["--clock", "inf"], "Clock must be from 0.001 to 100000 MHz, not inf"),
        (["--clock", "fast"], "argument --clock: invalid float value: 'fast'; see python -m qse_hw plan --help"),
        (["--prompt", "0"], "Prompt must be from 1 to 1000000000 tokens, not 0"),
        (["--prompt", "1" * 400], f"Prompt must be from 1 to 1000000000 tokens, not {'1' * 400}"),
        (["--bus-bits", "0"], "Bus must have from 1 to 65536 bits, not 0"),
        (["--rows", "0"], "Rows must be from 1 to 256, not 0"),
        (["--norm-lanes", "3"], "Norm lanes must divide the 8 columns of the engine, not be 3"),
        (["--sequences", "257"], "Sequences must be from 1 to 256, not 257"),
        (["--scan-lanes", "3"], "Scan lanes must divide the 16 states, not be 3"),
    ],
)
def test_bad_input(out, capsys, options, text):
    model = [] if "--model" in options else ["--model", "mamba-130m"]
    assert main(["plan", *model, *options, "--json", str(out / "plan.json")]) == 2
    assert capsys.readouterr().err == f"error: {text}\n"
    assert os.listdir(out) == []
