"""bench --parts decode-integer on tiny models: what is timed, after a check of the logits."""

import json
import statistics

import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.models.integer.decode import IntegerDecoder
from qse_hw.golden.models.integer.step import library
from qse_hw.golden.models.mamba import generate
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.study.bench import decode_integer

SIZES = {"d_model": 16, "n_layer": 1, "vocab_size": 256, "d_state": 4}
CONFIGS = {"mamba-bytes": MambaConfig(**SIZES), "mamba2-bytes": Mamba2Config(**SIZES, headdim=16)}
FLOATS = ["float32", "float32, torch.compile", "float16", "float16, torch.compile"]


def tiny(name: str) -> Mamba:
    made = Mamba(CONFIGS[name]).eval()
    initialize(made, 3)
    return made


@pytest.fixture
def small(monkeypatch):
    """Tiny models; the code that torch.compile would compile runs as it is."""
    monkeypatch.setattr(decode_integer, "load_model", tiny)
    monkeypatch.setattr(decode_integer, "TOKENS", 3)
    monkeypatch.setattr(decode_integer, "REPEATS", 3)
    monkeypatch.setattr(torch, "compile", lambda region, **how: region)
    generate.fused.cache_clear()
    yield
    generate.fused.cache_clear()


@pytest.mark.skipif(not library.available(), reason="needs g++")
def test_figures(small, out, capsys):
    threads = torch.get_num_threads()
    assert main(["bench", "--parts", "decode-integer", "--json", str(out / "b.json")]) == 0
    assert torch.get_num_threads() == threads
    figures = json.loads((out / "b.json").read_text())["decode-integer"]
    assert (figures["threads"], figures["batch"], figures["tokens"], figures["repeats"]) == (1, 1, 3, 3)
    assert [*figures["models"]] == [*CONFIGS]
    for of in figures["models"].values():
        every = of["all"]
        assert [*every] == ["integer", *FLOATS]
        busy = {name: statistics.median(one["processor_seconds"]) for name, one in every.items()}
        for name, one in every.items():
            assert len(one["seconds"]) == len(one["processor_seconds"]) == 3
            assert of["tokens_per_second"][name] == 3 / statistics.median(one["seconds"])
            assert of["tokens_per_processor_second"][name] == 3 / busy[name]
        fastest = min(FLOATS, key=busy.get)
        assert of["fastest_float"] == fastest
        assert of["speed_over_fastest_float"] == busy[fastest] / busy["integer"]
    said = capsys.readouterr().out
    for words in ("mamba2-bytes, batch 1, one thread, median of 3 times 3 tokens", *FLOATS):
        assert words in said


@pytest.mark.skipif(not library.available(), reason="needs g++")
def test_wrong_logits_make_no_figures(small, out, monkeypatch):
    right = IntegerDecoder.step
    monkeypatch.setattr(IntegerDecoder, "step", lambda decoder, ids: right(decoder, ids) + 1)
    with pytest.raises(SystemExit, match=r"^the integer decoder's logits differ from the model's; no figures$"):
        main(["bench", "--parts", "decode-integer", "--json", str(out / "b.json")])
    assert not (out / "b.json").exists()


def test_without_a_compiler(refused, small, out, monkeypatch):
    monkeypatch.setattr(library, "_library", lambda: "Program g++ was not found; install one")
    assert refused("bench", "--parts", "decode-integer", "--json", out / "b.json").startswith("Program g++ was not ")
