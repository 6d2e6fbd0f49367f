"""bench --parts tensors: what is timed, after a check of the results."""

import json
import statistics

import pytest

torch = pytest.importorskip("torch")

from qse_hw.cli import main  # noqa: E402
from qse_hw.golden.quantize import operators  # noqa: E402
from qse_hw.study.bench import tensors  # noqa: E402


@pytest.fixture
def small(monkeypatch):
    """Few values; the code that torch.compile would compile runs as it is."""
    monkeypatch.setattr(tensors, "VALUES", {"cpu": 1 << 14})
    monkeypatch.setattr(tensors, "REPEATS", {"cpu": 2})
    monkeypatch.setattr(torch, "compile", lambda function: function)


def test_figures(small, out, capsys):
    assert main(["bench", "--parts", "tensors", "--json", str(out / "b.json")]) == 0
    figures = json.loads((out / "b.json").read_text())["tensors"]
    assert figures["device"] == "cpu"
    assert [*figures["cases"]] == ["quantize bfloat16", "dequantize bfloat16", "quantize float32", "dequantize float32"]
    for name, case in figures["cases"].items():
        assert case["values"] == 1 << 14
        assert case["bytes_per_value"] == (3 if "bfloat16" in name else 5)
        assert {"int8", "se8", "se8-silu", "float8_e4m3fn cast"} < {*case["milliseconds"]}
        assert ("torch.quantize_per_tensor" in case["milliseconds"]) == ("float32" in name)
        copy = case["milliseconds"][tensors.COPY]
        assert case["of_copy"][tensors.COPY] == 1
        assert case["copy_bytes_per_second"] == pytest.approx((1 << 14) * case["bytes_per_value"] / copy * 1e3)
        for contender, every in case["all_milliseconds"].items():
            assert len(every) == 2
            assert case["milliseconds"][contender] == statistics.median(every) > 0
            assert case["of_copy"][contender] == copy / case["milliseconds"][contender]
    assert "To quantize bfloat16: 16,384 values on cpu" in capsys.readouterr().out


def test_wrong_codes_make_no_figures(small, out, monkeypatch):
    right = operators.quantize
    monkeypatch.setattr(operators, "quantize", lambda *given: right(*given) ^ 1)
    with pytest.raises(SystemExit, match=r"^the operator's codes differ from those of golden.quantize.tensor; run"):
        main(["bench", "--parts", "tensors", "--json", str(out / "b.json")])
    assert not list(out.iterdir())


@pytest.mark.full
def test_what_pytorch_compiles(small, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(tensors, "VALUES", {"cpu": 1 << 14})
    monkeypatch.setattr(tensors, "REPEATS", {"cpu": 1})
    assert tensors.measure(lambda share: None)["cases"]
