"""The function unit's options, facts and vectors."""

from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import emit, manifest, write
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.rtl_gen.units.options import from_json, read, to_json
from tests.golden.functions.units import KINDS
from tests.rtl_gen.functions.test_function import config

WORDS = {"function": "softplus", "input": "s10e-6", "output": "s10e-7", "error": "2^-7"}


def test_from_words():
    made = FunctionConfig(**read(FunctionConfig, WORDS))
    assert made == config(KINDS[1])
    assert made.label == "softplus s10e-6 s10e-7 error=2^-7"
    assert (made.degree, made.borders, made.multiplier, made.lanes, made.target) == (1, "auto", "dsp", 1, "generic")


@pytest.mark.parametrize(
    ("text", "value"),
    [("2^-7", Fraction(1, 128)), ("-2^3", Fraction(-8)), ("0.25", Fraction(1, 4)), ("1/3", Fraction(1, 3)),
     ("-5", Fraction(-5)), ("1e-3", Fraction(1, 1000))],
)  # fmt: skip
def test_numbers(text, value):
    assert read(FunctionConfig, WORDS | {"low": text})["low"] == value


@pytest.mark.parametrize("text", ["", "x", "2^", "2^-9999", "1/0", "nan", "inf", "1e999", "2**-3", " 1", "1_0"])
def test_no_numbers(text):
    with pytest.raises(InputError, match=r"^Number must be written like 0\.001, -3/8 or 2\^-12, not "):
        read(FunctionConfig, WORDS | {"low": text})


def test_json_round_trip():
    made = config(KINDS[4], degree=2, lanes=2)
    document = to_json(made)
    assert document["error"] == "1/128"
    assert (document["low"], document["high"]) == (None, "0")
    assert FunctionConfig(**from_json(FunctionConfig, document)) == made


def test_facts():
    unit = emit(config(KINDS[1]))
    document = manifest(unit)
    accuracy = document["accuracy"]
    assert accuracy["bound"] == 2.0**-7
    assert 2.0**-8 < accuracy["error"] <= accuracy["bound"]
    assert accuracy["error_in_steps"] == pytest.approx(accuracy["error"] * 2**7)
    assert (accuracy["every_input"], accuracy["monotone"]) == (True, True)
    assert 0.3 < accuracy["correctly_rounded"] < 1
    assert document["domain"] == {"low": -8.0, "high": 254 / 64}
    assert document["latency"] == unit.latency == 6
    assert len(document["segments"]["starts"]) == len(document["segments"]["coefficients"])


@pytest.mark.full
def test_vectors_of_wide_inputs_reach_every_segment():
    unit = config({"function": "rsqrt", "input": "s20e-12", "output": "s14e-8", "bits": 7})
    x, (_, outside) = unit.patterns(), unit.expected(unit.patterns())
    x = np.where(x >> 19, x.astype(np.int64) - (1 << 20), x)
    arguments, _, _ = unit.arithmetic.reduction.reduce_array(x[~outside])
    starts = np.array(unit.arithmetic.polynomial.starts)
    assert set(np.searchsorted(starts, arguments, side="right") - 1) == set(range(len(starts)))
    assert outside.any()


def test_the_same_bytes_again(tmp_path):
    for name in "ab":
        write(config(KINDS[5]), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        if path.suffix != ".npz":
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
