"""Every comparison with another implementation passes, and fails if the arithmetic is changed."""

import ast
import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference import hadamard as golden_hadamard
from tests.oracles import __main__ as oracles
from tests.oracles import hadamard, int8, onnx_model, published, requantize, soft_edge
from tests.oracles.__main__ import CHECKS, EXISTING, counted
from tests.oracles.comparison import Comparison, same, total


@pytest.mark.every(9)
@pytest.mark.parametrize("name", CHECKS)
def test_agreement(name):
    comparison = CHECKS[name]()
    assert comparison.passed, comparison
    assert comparison.values >= 200


def test_the_published_arithmetic_knows_nothing_of_golden():
    statements = list(ast.walk(ast.parse(Path(published.__file__).read_text())))
    imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import torch"]


def test_the_published_arithmetic_by_hand():
    x = [0.0, 0.124, 0.125, -0.125, 15.75, 15.76, -16.5, 143.0, 143.1, 144.99, 145.0, 395.0, 1e9, -float("inf")]
    values, codes = published.soft_edge(torch.tensor([*x, float("nan"), -0.0], dtype=torch.float64), 1.0)
    assert values.tolist() == [0, 0, 0.25, -0.25, 15.75, 16, -17, 143, 143, 143, 147, 395, 395, -395, 0, 0]
    assert codes.tolist() == [0, 0, 1, 257, 63, 64, 256 + 65, 191, 191, 191, 193, 255, 255, 511, 0, 0]


@pytest.mark.parametrize("spec", ["se8", "se8:L=15", "int8"])
def test_another_format_is_not_the_published_one(spec):
    comparison = soft_edge.exact("fp16", Scale.from_step(0.0176), spec)
    assert not comparison.passed
    assert comparison.differences > 1000


def test_another_scale_or_zero_point_is_noticed(monkeypatch):
    x, by = int8.finite("fp16"), Scale(M=1, k=-6, bits=1)
    oracle = "torch.fake_quantize_per_tensor_affine"
    assert int8.compare(oracle, "int8", x, by).ties == 128
    monkeypatch.setitem(int8.ZERO_POINTS, "int8-asym:zero_point=10", 11)
    assert not int8.compare(oracle, "int8-asym:zero_point=10", x, by).passed
    with pytest.raises(AssertionError, match="1/s must be exact"):
        int8.compare(oracle, "int8", x, Scale(M=46460, k=20))


@pytest.mark.parametrize("oracle", int8.ORACLES)
def test_a_difference_that_is_no_tie(monkeypatch, oracle):
    right, sums_first = int8.ORACLES[oracle]
    monkeypatch.setitem(int8.ORACLES, oracle, (lambda x, *rest: right(x, *rest) + (x == 1.0), sums_first))
    comparison = int8.compare(oracle, "int8", int8.finite("fp16"), Scale(M=1, k=-6, bits=1))
    assert (comparison.differences, comparison.ties, comparison.unexplained, comparison.passed) == (129, 128, 1, False)


def test_a_tie_at_which_nothing_differs(monkeypatch):
    right = int8.parting_ties
    monkeypatch.setattr(int8, "parting_ties", lambda *a, **o: np.append(right(*a, **o), 1.5 / 64))  # both rules say 2
    comparison = int8.compare("onnxruntime QuantizeLinear", "int8", int8.finite("fp16"), Scale(M=1, k=-6, bits=1))
    assert (comparison.differences, comparison.ties, comparison.unexplained, comparison.passed) == (128, 128, 1, False)


def test_rounding_explains_only_what_is_near_a_tie():
    assert int8.near_tie(Fraction(5, 2), 0)
    assert int8.near_tie(Fraction(5, 2) + Fraction(1, 1 << 22), 0)
    assert not int8.near_tie(Fraction(5, 2) + Fraction(1, 1 << 20), 0)
    assert not int8.near_tie(Fraction(3), 0)
    oracle = "torch.quantize_per_tensor"
    right, _ = int8.ORACLES[oracle]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(int8.ORACLES, oracle, (lambda x, *rest: right(x, *rest) + (x == 1.0), True))
        comparison = int8.compare_rounded(oracle, "int8", int8.finite("fp16"), Scale.from_step(0.0176))
    assert comparison.unexplained == 1


def test_parting_ties_by_hand():
    # of -1.5, -0.5, 0.5, 1.5 even parts from away at +-0.5; asymmetric, half up, at -1.5 and 0.5
    some = [x for x in int8.parting_ties("int8", Fraction(1), sums_first=False) if abs(x) < 2]
    assert some == [-0.5, 0.5]
    some = [x for x in int8.parting_ties("int8-asym:zero_point=10", Fraction(1), sums_first=False) if abs(x) < 2]
    assert some == [-1.5, 0.5]
    some = [x for x in int8.parting_ties("int8-asym:zero_point=131", Fraction(1), sums_first=True) if abs(x) < 2]
    assert some == [-0.5, 1.5]


def test_the_model_without_the_onnx_package():
    x = np.array([0.0, 0.5, 1.5, 2.5, -0.5, 300, -300], np.float32)
    codes = onnx_model.quantize_linear(x, np.float32(1), 0, np.int8)
    assert (codes.dtype, codes.tolist()) == (np.int8, [0, 0, 2, 2, 0, 127, -128])
    codes = onnx_model.quantize_linear(x, np.float32(0.5), 7, np.uint8)
    assert (codes.dtype, codes.tolist()) == (np.uint8, [7, 8, 10, 12, 6, 255, 0])


def test_other_matrices_are_noticed(monkeypatch):
    swapped = golden_hadamard.matrix(12)[:, ::-1]
    monkeypatch.setattr(golden_hadamard, "matrix", lambda n: swapped)
    assert not hadamard.matrices((12,), hadamard.PALEY).passed


def test_half_to_even_by_hand():
    halves = [Fraction(n, 2) for n in range(-5, 6)]
    assert [requantize.half_to_even(x) for x in halves] == [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2]
    assert requantize.half_to_even(Fraction(26, 10)) == 3
    assert requantize.rounded(np.array([-5, -3, -1, 1, 3, 5]), 1, 1).tolist() == [-2, -2, 0, 0, 2, 2]


def test_comparisons():
    x = np.arange(6)
    assert same("x", (x, x)).passed
    assert not same("x", (x, x), (x, np.flip(x))).passed
    assert not same("x", (x[:0], x[:0])).passed, "nothing was compared"
    bad = Comparison(oracle="x", values=9, differences=3, ties=2, unexplained=1)
    sum_ = total([same("x", (x, x)), bad])
    assert (sum_.values, sum_.differences, sum_.ties, sum_.unexplained, sum_.passed) == (15, 3, 2, 1, False)
    assert bad.item("name") == {
        "comparison": "name", "oracle": "x", "values": 9, "differences": 3, "ties": 2, "rounding": 0,
        "unexplained": 1, "note": "", "passed": False,
    }  # fmt: skip


def test_existing_tests_are_there(pytestconfig):
    for _, tests in EXISTING.values():
        for test in tests:
            path, _, function = test.partition("::")
            text = (pytestconfig.rootpath / path).read_text()
            assert not function or f"def {function}(" in text


def test_existing_tests_are_run(monkeypatch):
    """Also those that `make test` leaves out."""
    ran = []

    def run(command, **_):
        ran.append(command)
        return SimpleNamespace(returncode=5, stdout="")

    monkeypatch.setattr(oracles.subprocess, "run", run)
    assert not oracles.existing("name", "pytest", ("tests/some.py",))["passed"]
    assert {"--full", "--all-cases", "tests/some.py"} <= set(ran[0])


def test_counting_of_existing_tests(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="7" failures="1" errors="2" skipped="1"/></testsuites>')
    assert counted(report) == (6, 3)


def test_names_say_what_is_compared():
    assert len(CHECKS) > 40
    assert all(re.fullmatch(r"[\w\-*=:,.() ]+", name) for name in CHECKS)
