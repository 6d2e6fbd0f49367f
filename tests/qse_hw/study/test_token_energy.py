"""synth model --energy: a small model and its baseline on standard cells, and what is refused."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.document import write_formats
from qse_hw.golden.models.mamba.checkpoint import save_model
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.model import ModelConfig
from qse_hw.study.token_energy import text_tokens
from qse_hw.synth import model_energy
from qse_hw.synth.cells.replay import Recording, Replayed
from qse_hw.synth.flow import Point
from qse_hw.synth.targets import split, target
from tests.golden.models.integer import small
from tests.synth.small import SMALL
from tests.synth.units import SMALL as UNIT

TEXT = b"abac"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small byte-level Mamba-1, its formats twice, a text."""
    folder = tmp_path_factory.mktemp("energy")
    save_model(small.byte_model(), folder / "model", dtype=torch.float32)
    for name, spec in (("soft", "se8:L=8"), ("plain", "int8")):
        write_formats(folder / f"{name}.json", small.byte_formats(spec=spec, mode="shared", local_bits=16))
    (folder / "text").write_bytes(TEXT)
    return folder


def words(files, *more):
    given = ["--model", str(files / "model"), "--calibration", str(files / "soft.json")]
    given += ["--baseline", str(files / "plain.json"), "--rows", "1", "--columns", "1"]
    given += ["--on", "cells", "--liberty", str(SMALL)]
    return ["synth", "model", *given, "--energy", str(files / "text"), *more]


@pytest.mark.full
def test_beside_the_baseline(files, tmp_path, capsys):
    """The netlists are replayed on their own activations, or this fails; the parts add up; memories are named."""
    report = tmp_path / "r.json"
    assert main(words(files, "--tokens", "1", "--no-cache", "--json", str(report))) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "uJ/token" in said
    assert "the macros, of which a token reads" in said
    results = json.loads(report.read_text())["results"]
    ours, plain = (result["energy_per_token"] for result in results)
    for one, result in zip((ours, plain), results, strict=True):
        assert (one["tokens"], one["cycles"]) == (1, result["cycles_per_token"])
        for glitches in (0, 1):
            parts = [one[part][glitches] for part in ("switching", "internal", "clock")]
            assert min(parts) > 0
            assert one["energy"][glitches] == pytest.approx(sum(parts))
        assert one["energy"][0] < one["energy"][1]
        assert one["clock"][0] == one["clock"][1]
        assert {macro["name"]: macro["words"] * macro["bits"] for macro in one["macros"]} == result["macros"]
    assert ours["ratio"]["energy"] == [one / other for one, other in zip(ours["energy"], plain["energy"], strict=True)]


def config(files, **more):
    calibration = str(files / "soft.json")
    return ModelConfig(model=str(files / "model"), calibration=calibration, rows=1, columns=1, **more)


def test_a_netlist_that_is_another(monkeypatch):
    """What the replay finds to differ is refused, with the output that differs most often."""

    def record(*_):
        return Recording(np.zeros((9, 1), np.uint8), {}), 5

    class Differing:
        def __init__(self, mapped):
            assert "o__payload" in mapped.outputs

        def __call__(self, recording, *, begin, stride, when):
            assert (len(recording.rows), begin, when) == (9, 5, {"o__payload": "o__valid"})
            return Replayed({}, {}, {"o__valid": 2, "o__payload": 3})

    monkeypatch.setattr(model_energy, "record", record)
    monkeypatch.setattr(model_energy, "Replay", Differing)
    point = Point(UNIT, target("cells", liberty=SMALL))
    with pytest.raises(RuntimeError, match=r"^the netlist's o__payload is not the Verilog's in 3 cycles$"):
        model_energy._measure(point, np.zeros((1, 1), np.uint8), list(TEXT))


def test_which_outputs_matter_when():
    names = ["o__payload", "o__valid", "saturated", "x__payload", "macro1_wr_data", "macro1_wr_en", "macro2_wr_addr"]
    assert model_energy.matters_when(names) == {"o__payload": "o__valid", "macro1_wr_data": "macro1_wr_en"}


@pytest.mark.full
def test_accesses(files, tmp_path):
    """The scan writes each state once per token."""
    made = config(files)
    unit = emit(made)
    words = model_energy.parameter_words(made.integers, made.mixer)
    recording, begin = model_energy.record(unit, words, list(TEXT), tmp_path)
    macros = split.macros(tmp_path, unit.config.top)
    ports = {name: [0] for name in recording.places if name.endswith(("_rd_en", "_wr_en"))}
    counted = model_energy.accesses(macros, recording, ports, begin=begin, tokens=len(TEXT) - 1)
    (states,) = [one for one in counted if "selective_scan.states" in one["name"]]
    assert (states["words"], states["bits"], states["writes"]) == (2 * 48 * 4, 16, 2 * 48 * 4)
    parameters = [one for one in counted if "parameters" in one["name"]]
    assert [one["writes"] for one in parameters] == [0] * len(parameters) != []


def test_refused(files):
    (files / "short").write_bytes(b"ab")

    def refusal(file, tokens, **more):
        point = Point(SimpleNamespace(config=config(files, **more)), target("cells", liberty=SMALL))
        with pytest.raises(InputError) as refused:
            text_tokens(str(files / file), [point], tokens)
        return str(refused.value)

    assert refusal("short", 2).endswith("must have 3 tokens or more, not 2")
    assert refusal("text", 0) == "Tokens must be at least 1, not 0"
    assert refusal("text", 1, taps=True) == "Energy must be of a model without taps; leave --taps out"
    assert "cannot be read" in refusal("nowhere", 1)


def test_whose_energy_it_is(files):
    """Of models with streams on cells; each with as many tokens of the text as are simulated."""
    configs = [config(files), SimpleNamespace(unit="decoder")]
    targets = [target("cells", liberty=SMALL), target("ecp5")]
    points = [Point(SimpleNamespace(config=config), on) for config in configs for on in targets]
    assert text_tokens(str(files / "text"), points, 2) == {0: [*b"aba"]}
    assert len(text_tokens("", points, 3)[0]) == 4  # of the bundled text
