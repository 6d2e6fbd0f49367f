"""What kernels are told of formats."""

import pytest

pytest.importorskip("torch")

from qse_hw.golden.quantize.triton.layout import decoding, digits, encoding
from tests.golden.formats import oracles


@pytest.mark.parametrize(("largest", "count"), [(1, 1), (127, 1), (128, 2), (16319, 2), (16320, 3), (32767, 3)])
def test_digits_hold_what_they_should(largest, count):
    assert digits(largest) == count
    top = largest
    for _ in range(count - 1):
        top = (top + 64) >> 7
    assert top <= 127


@pytest.mark.parametrize("name", list(oracles.ORACLES))
def test_every_code_has_one_rule(name):
    rule = decoding(oracles.make(name))
    assert rule.firsts[0] == 0
    assert list(rule.firsts) == sorted(set(rule.firsts))


def test_only_formats_whose_steps_shrink_need_the_floor():
    assert not encoding(oracles.make("se8")).shrinking
    assert not encoding(oracles.make("se9-paper")).shrinking
    assert encoding(oracles.make("eight")).shrinking
