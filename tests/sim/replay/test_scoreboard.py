"""The scoreboard: prediction from what was seen, and comparison that counts everything."""

import numpy as np
import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import dequantize, quantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.sim.packing import pack, unpack
from qse_hw.sim.replay.scoreboard import as_inputs, compare, describe_flags, predict
from tests.golden.formats import oracles


def packed(rows, width=9):
    return pack(np.array(rows), width)


GOOD = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [300, 301, 302]]


def test_equal():
    assert compare("code", packed(GOOD), packed(GOOD), 9, 3) == (0, 0, 0, "")


@pytest.mark.parametrize("bit", range(9))
@pytest.mark.parametrize(("row", "lane"), [(0, 0), (2, 1), (3, 2)])
def test_any_single_bit(bit, row, lane):
    bad = [list(beat) for beat in GOOD]
    bad[row][lane] ^= 1 << bit
    difference = compare("code", packed(bad), packed(GOOD), 9, 3)
    assert difference[:3] == (1, 0, 0)
    assert difference.first == f"code, beat {row}, lane {lane}: {bad[row][lane]:#x}, not {GOOD[row][lane]:#x}"


def test_every_value_counts():
    bad = [[1, 0, 0], [4, 5, 6], [0, 0, 0], [300, 301, 302]]
    assert compare("code", packed(bad), packed(GOOD), 9, 3)[:3] == (5, 0, 0)


def test_a_silent_dut():
    silent = np.zeros((0, 4), np.uint8)
    assert compare("code", silent, packed(GOOD), 9, 3) == (0, 4, 0, "code: 0 beats, not 4")


def test_a_dut_that_never_stops():
    difference = compare("code", packed(GOOD + GOOD), packed(GOOD), 9, 3)
    assert difference == (0, 0, 4, "code: 4 beats more than the 4 expected")


def test_a_dropped_beat():
    difference = compare("code", packed(GOOD[:1] + GOOD[2:]), packed(GOOD), 9, 3)
    assert difference.missing == 1
    assert difference.wrong == 6  # the rest is out of place


def test_nothing_expected_nothing_came():
    nothing = np.zeros((0, 0), np.uint8)
    assert compare("code", np.zeros((0, 4), np.uint8), nothing, 9, 3) == (0, 0, 0, "")


def test_more_than_one_part():
    many = np.arange(30000).reshape(-1, 3) % 512
    bad = many.copy()
    bad[[0, 4095, 4096, 9999]] ^= 1
    assert compare("code", packed(bad), packed(many), 9, 3)[:3] == (12, 0, 0)


@pytest.mark.parametrize("name", ["se8", "se9-paper", "int8"])
def test_prediction_is_the_scalar_models(name, rng):
    """Scales change between beats; each beat is predicted at its own."""
    format, input, lanes = oracles.make(name), input_type("fp16"), 3
    bits = rng.integers(0, 1 << 16, (60, lanes))
    bits[5:8] = [[0x7C00, 0xFC00, 0x7E00], [0xFE00, 0, 0x8000], [1, 0x8001, 0x3C00]]
    scales = [Scale(M=40000, k=17), Scale(M=50000, k=16), Scale(M=40000, k=17)]
    used = [scales[0]] * 5 + [scales[1]] * 20 + [scales[2]] * 35
    signed = [(scale.M - 65536, scale.k) for scale in used]  # as a monitor reads M
    got = predict(pack(bits, 16), signed, format, input, lanes, 16, 13)
    want = [[quantize(x, input, format, s) for x in beat] for beat, s in zip(bits.tolist(), used, strict=True)]
    assert unpack(got.codes, format.bits, lanes).tolist() == [[value.code for value in beat] for beat in want]
    values = [[dequantize(value.code, format) % (1 << 13) for value in beat] for beat in want]
    assert unpack(got.values, 13, lanes).tolist() == values
    assert got.saturated == sum(value.saturated for beat in want for value in beat) > 0
    assert got.nan == sum(value.nan for beat in want for value in beat) > 0


def test_many_beats_at_one_scale(rng):
    format, input = oracles.make("se8"), input_type("s8")
    bits = rng.integers(0, 256, (10000, 2))
    got = predict(pack(bits, 8), [(1, 2)] * 10000, format, input, 2, 1, 10)
    scale = Scale(M=1, k=2, bits=1)
    codes = {x: quantize(x, input, format, scale).code for x in range(256)}
    assert unpack(got.codes, 8, 2).tolist() == [[codes[x] for x in beat] for beat in bits.tolist()]


def test_nothing_accepted():
    got = predict(np.zeros((0, 6), np.uint8), [], oracles.make("se8"), input_type("fp16"), 3, 16, 10)
    assert (len(got.codes), len(got.values), got.saturated, got.nan) == (0, 0, 0, 0)


def test_flags():
    want = {"saturated": 1, "nan": 0, "saturation_count": 5}
    assert describe_flags(want, want) == []
    got = {"saturated": 1, "nan": 1, "saturation_count": 4}
    assert describe_flags(got, want) == ["nan is 1, not 0", "saturation_count is 4, not 5"]


@pytest.mark.parametrize(("shape", "lanes", "beats"), [((7,), 3, 3), ((2, 3), 3, 2), ((1,), 64, 1), ((0,), 4, 0)])
def test_inputs_are_padded_with_zeros(shape, lanes, beats):
    x = np.arange(1, 1 + np.prod(shape, dtype=int), dtype=np.uint32).reshape(shape)
    got = unpack(as_inputs(x, input_type("fp16"), lanes), 16, lanes)
    assert got.shape == (beats, lanes)
    assert got.reshape(-1).tolist() == [*x.reshape(-1).tolist()] + [0] * (beats * lanes - x.size)
