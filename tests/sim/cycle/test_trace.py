"""Traces: how values are held, what is zero by definition, and how a difference is told."""

import numpy as np
import pytest

from qse_hw.sim.cycle.trace import as_port, first_difference, masked


def trace():
    return {
        "o__payload": np.arange(12, dtype=np.uint8).reshape(4, 3),
        "o__valid": np.array([True, False, True, True]),
        "scale_k": np.array([-1, 0, 1, 2]),
    }


def test_equal():
    assert first_difference(trace(), trace()) == ""
    assert first_difference({}, {}) == ""


@pytest.mark.parametrize(
    ("name", "where", "value", "text"),
    [
        ("o__payload", (2, 1), 77, "cycle 2: o__payload is [ 6 77  8], not [6 7 8]"),
        ("o__valid", 3, False, "cycle 3: o__valid is False, not True"),
        ("scale_k", 0, 1, "cycle 0: scale_k is 1, not -1"),
    ],
)
def test_one_difference(name, where, value, text):
    changed = trace()
    changed[name][where] = value
    assert first_difference(changed, trace()) == text


def test_the_earliest_of_several_is_told():
    changed = trace()
    changed["o__payload"][3] = 0
    changed["scale_k"][2] = 7
    changed["o__valid"][3] = False
    assert first_difference(changed, trace()) == "cycle 2: scale_k is 7, not 1"


def test_patterns_are_compared_whatever_the_dtype():
    wide = {"n": np.array([2**60 + 1, 5], np.uint64)}
    assert first_difference({"n": wide["n"].astype(np.int64)}, wide) == ""
    assert first_difference({"n": np.array([2**60, 5])}, wide).startswith("cycle 0")  # equal as float64


def test_ports_and_shapes():
    less = trace()
    del less["o__valid"]
    assert first_difference(less, trace()) == "ports o__valid are in one trace only"
    assert first_difference(trace(), less) == "ports o__valid are in one trace only"
    short = trace()
    short["scale_k"] = short["scale_k"][:3]
    assert first_difference(short, trace()) == "scale_k has shape (3,), not (4,)"


@pytest.mark.parametrize(
    ("name", "width", "signed", "values", "want"),
    [
        ("clear", 1, False, [1, 0], np.array([True, False])),
        ("count", 64, False, [2**64 - 1, 3], np.array([2**64 - 1, 3], np.uint64)),
        ("scale_k", 9, True, [-256, 255], np.array([-256, 255], np.int64)),
        ("o__payload", 12, False, [0xABC, 1], np.array([[0xBC, 0xA], [1, 0]], np.uint8)),
        ("o__payload", 8, True, [-1, 1], np.array([[255], [1]], np.uint8)),
        ("data", 72, False, [1 << 64, 2], np.array([[0] * 8 + [1], [2] + [0] * 8], np.uint8)),
    ],
)
def test_as_port(name, width, signed, values, want):
    got = as_port(name, width, signed, values)
    assert got.dtype == want.dtype
    assert got.tolist() == want.tolist()


def test_masked():
    got = masked(trace())
    assert got["o__payload"].tolist() == [[0, 1, 2], [0, 0, 0], [6, 7, 8], [9, 10, 11]]
    assert got["scale_k"].tolist() == [-1, 0, 1, 2]
