"""The linear unit's arithmetic: scalar, arrays and the PyTorch recipe are equal; how memories are laid out."""

import itertools

import numpy as np
import pytest
import torch

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8, int8_asym
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.models.quamba import integer
from qse_hw.golden.models.quamba.layers import XProjection
from qse_hw.golden.quantize.tensor import quantize
from qse_hw.golden.reference.linear import (
    MAX_ACCUMULATOR,
    Tiling,
    accumulate,
    axis_values,
    check_scale,
    linear,
    linear_scalar,
    max_bias,
    pack_biases,
    pack_weights,
    requantize,
    requantize_scalar,
    zero_point_bias,
)
from tests.golden.formats import oracles

SMALL = Tiling(inputs=7, outputs=6, rows=3, columns=2)


def around_decisions(M, k):
    """Accumulators around every half, where M and k allow, and the ends of int32."""
    halves = (np.arange(-262, 263) << k) // (2 * M) if k < 50 else np.zeros(1, np.int64)
    near = (halves[:, None] + np.arange(-2, 3)).reshape(-1)
    ends = np.array([-(2**31), 1 - 2**31, -1, 0, 1, 2**31 - 2, 2**31 - 1])
    return np.unique(np.concatenate([near[np.abs(near) < 2**31], ends]))


@pytest.mark.parametrize("M", [0, 1, 2, 3, 128, 32768, 40961, 65535])
@pytest.mark.parametrize("k", [0, 1, 2, 7, 15, 16, 22, 30, 31, 32, 46, 47, 48, 49, 62, 63])
def test_requantize(M, k):
    a = around_decisions(max(M, 1), k)
    values, saturated = requantize(a, M, k)
    want = [requantize_scalar(int(x), M, k) for x in a]
    assert values.tolist() == [one.value for one in want]
    assert saturated.tolist() == [one.saturated for one in want]
    if M >= 1 << 15:
        recipe = integer.requantize(torch.from_numpy(a.astype(np.int32)), Scale(M=M, k=k))
        assert values.tolist() == recipe.tolist()


def test_requantized_ties():
    assert [requantize_scalar(a, 1, 1).value for a in (-5, -3, -1, 1, 3, 5, 253, 255)] == [-2, -2, 0, 0, 2, 2, 126, 127]
    assert [requantize_scalar(a, 1, 1).saturated for a in (-258, -257, 254, 255)] == [True, False, False, True]


@pytest.mark.parametrize("name", [*oracles.SHIPPED, *oracles.DOCUMENTS])
def test_arrays_equal_the_scalar(name, rng):
    format = oracles.make(name)
    for trial in range(4):
        weights = rng.integers(-128, 128, (6, 7))
        codes = rng.integers(0, 1 << format.bits, (5, 7))
        biases = rng.integers(-10000, 10000, 6)
        scale = Scale.from_step((1.5, 17.3, 900.0, 1e6)[trial])
        values, saturated = linear(codes, weights, biases, format, scale)
        for vector, value, flags in zip(codes.tolist(), values.tolist(), saturated.tolist(), strict=True):
            want = linear_scalar(vector, weights.tolist(), biases.tolist(), format, scale)
            assert (value, flags) == ([one.value for one in want], [one.saturated for one in want])


@pytest.mark.parametrize("name", oracles.SHIPPED)
def test_equals_the_recipe(name, rng):
    """The x_proj of a quantized block: decoded integers, exact sums, requantization."""
    format, step = oracles.make(name), 0.0176
    scale, output = Scale.from_step(step), Scale.from_step(0.01)
    weight = torch.from_numpy(rng.normal(0, 0.2, (6, 40)).astype(np.float32))
    block = XProjection(weight, SegmentedQuantizer(format=format, scale=scale), scale, output, "code", "test")
    x = torch.from_numpy(rng.normal(0, 1, (50, 40)).astype(np.float32))
    codes = quantize(x, format, scale).numpy()
    weights = block.linear.codes.numpy()
    values, saturated = linear(codes, weights, zero_point_bias(weights, format), format, block.by)
    assert values.tolist() == block(x)[1].tolist()
    assert saturated.any()
    assert not saturated.all()


@pytest.mark.parametrize("name", ["se8-silu", "sticky-offset", "int8-asym"])
def test_the_bias_takes_the_zero_point_away(name, rng):
    format = oracles.make(name)
    codes, weights = rng.integers(0, 1 << format.bits, (9, 7)), rng.integers(-128, 128, (6, 7))
    decoded = decode_table(format)[0][codes].astype(np.int64)
    sums = accumulate(codes, weights, zero_point_bias(weights, format), format)
    assert sums.tolist() == (decoded @ weights.T).tolist()


def test_codes_without_a_value_count_as_zero():
    format = oracles.make("sticky-offset")
    bad = np.flatnonzero(~decode_table(format)[1])
    assert axis_values(format)[bad].tolist() == [format.zero_point] * len(bad)
    one = Scale(M=1, k=0, bits=1)
    assert linear_scalar(bad[:1].tolist(), [[3]], [-3 * format.zero_point], format, one)[0].value == 0


def test_bound():
    """Just enough: the worst weights, codes and bias reach the end of int32 and no further."""
    format = oracles.make("se8")
    limit = max_bias(format, SMALL)
    peak = int(np.abs(axis_values(format)).max())
    assert limit == MAX_ACCUMULATOR - 8 * peak * 128  # 4 beats of 2
    assert max_bias(int8(), Tiling(inputs=65536, outputs=1, rows=1, columns=1)) == MAX_ACCUMULATOR - 2**30
    text = (
        "Accumulators must fit into int32, but 65536 inputs of format se8, up to 784 fine steps each, reach 6576668672 "
        "with weights of 128; use a format with a smaller reach or split the inputs"
    )
    with pytest.raises(InputError, match=text):
        max_bias(format, Tiling(inputs=65536, outputs=1, rows=1, columns=1))


def test_the_bound_has_room_for_the_zero_point():
    format = oracles.make("se8-silu")
    peak = int(axis_values(format).max())
    inputs = MAX_ACCUMULATOR // (128 * (peak + format.zero_point))
    tiling = Tiling(inputs=inputs, outputs=1, rows=1, columns=1)
    assert max_bias(format, tiling) >= 128 * inputs * format.zero_point
    with pytest.raises(InputError, match="Accumulators must fit"):
        max_bias(format, Tiling(inputs=inputs + 1, outputs=1, rows=1, columns=1))


@pytest.mark.parametrize(
    ("scale", "want"),
    [
        (Scale(M=40000, k=0), (40000, 0)),
        (Scale(M=40000, k=63), (40000, 63)),
        (Scale(M=40000, k=110), (40000, 63)),
        (Scale(M=200, k=5, bits=8), (200, 5)),
    ],
)
def test_scales(scale, want):
    assert check_scale(scale) == want


def test_bad_scales():
    with pytest.raises(InputError, match="scale must have at most 16 bits, not 17"):
        check_scale(Scale(M=1 << 16, k=3, bits=17))
    with pytest.raises(InputError, match="scale must have a k of at least 0, not -1"):
        check_scale(Scale(M=1 << 15, k=-1))


@pytest.mark.parametrize(
    ("shape", "want"),  # beats, tiles, cycles, lanes
    [
        ((7, 6, 3, 2), (4, 2, 8, 1)),
        ((8, 6, 6, 4), (2, 1, 2, 3)),
        ((3, 4, 4, 3), (1, 1, 1, 4)),
        ((1, 1, 1, 1), (1, 1, 1, 1)),
        ((512, 48, 16, 16), (32, 3, 96, 1)),
        ((10, 14, 7, 5), (2, 2, 4, 7)),
    ],
)
def test_tiling(shape, want):
    tiling = Tiling(**dict(zip(("inputs", "outputs", "rows", "columns"), shape, strict=True)))
    assert (tiling.beats, tiling.tiles, tiling.cycles, tiling.lanes) == want
    assert tiling.rows % tiling.lanes == 0
    assert tiling.rows // tiling.lanes <= tiling.beats


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"inputs": 0}, InputError, "Inputs must be from 1 to 65536, not 0"),
        ({"outputs": 65537}, InputError, "Outputs must be from 1 to 65536, not 65537"),
        ({"columns": 8}, InputError, "Columns must be from 1 to the 7 inputs, not 8"),
        ({"columns": 0}, InputError, "Columns must be from 1 to the 7 inputs, not 0"),
        ({"rows": 4}, InputError, "Rows must divide the 6 outputs, not 4; or pad the matrix with rows of zeros"),
        ({"rows": 0}, InputError, "Rows must divide the 6 outputs, not 0"),
        ({"rows": -1}, InputError, "Rows must divide the 6 outputs, not -1"),
        ({"inputs": 300, "outputs": 4, "rows": 4, "columns": 257}, InputError,
         "Rows times columns must be at most 1024, not 4 times 257"),
        ({"inputs": 7.0}, TypeError, "Inputs must be an integer, not 7.0"),
    ],
)  # fmt: skip
def test_bad_tilings(change, error, text):
    with pytest.raises(error, match=text):
        Tiling(**{"inputs": 7, "outputs": 6, "rows": 3, "columns": 2} | change)


def test_weights_in_memory(rng):
    """Every word has an address of its own; within a tile the row counts fastest, then the beat."""
    weights = rng.integers(-128, 128, (6, 7))
    addresses, words = pack_weights(weights, SMALL)
    memory = dict(zip(addresses.tolist(), words.view(np.int8).tolist(), strict=True))
    assert len(memory) == 6 * 4
    want = {}
    for row, beat in itertools.product(range(6), range(4)):
        word = weights[row, 2 * beat : 2 * beat + 2].tolist()
        want[(row // 3 * 4 + beat) * 4 + row % 3] = [*word, 0][:2]
    assert memory == want


def test_biases_in_memory():
    tiling = Tiling(inputs=8, outputs=12, rows=6, columns=4)
    biases = np.arange(-6, 6) * 1000
    addresses, words = pack_biases(biases, tiling, int8())
    assert tiling.lanes == 3
    assert addresses.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]
    assert words.view("<i4")[:, 0].tolist() == biases.tolist()


def test_bad_words():
    with pytest.raises(InputError, match=r"Weights must have shape \(6, 7\), not \(6, 8\)"):
        pack_weights(np.zeros((6, 8), int), SMALL)
    with pytest.raises(InputError, match="Weights must be from -128 to 127, not 0 to 128"):
        pack_weights(np.eye(6, 7, dtype=int) * 128, SMALL)
    with pytest.raises(InputError, match=r"Biases must have shape \(6,\), not \(7,\)"):
        pack_biases(np.zeros(7, int), SMALL, int8())
    limit = max_bias(int8(), SMALL)
    for bias in (-limit, limit):
        pack_biases(np.full(6, bias), SMALL, int8())
    with pytest.raises(InputError, match=f"Biases must be from -{limit} to {limit}, not 0 to {limit + 1}"):
        pack_biases(np.arange(6) // 5 * (limit + 1), SMALL, int8())


def test_results_have_their_dtypes(rng):
    codes, weights = rng.integers(0, 256, (3, 7)), rng.integers(-128, 128, (6, 7))
    biases = np.zeros(6, np.int64)
    assert accumulate(codes, weights, biases, int8()).dtype == np.int32
    values, clamped = linear(codes, weights, biases, int8(), Scale(M=40000, k=20))
    assert (values.dtype, clamped.dtype) == (np.int8, np.bool_)
    assert zero_point_bias(weights, int8_asym()).dtype == np.int64
    assert all(type(count) is int for count in (SMALL.beats, SMALL.tiles, SMALL.cycles, SMALL.lanes))


def test_the_largest_sums_are_taken():
    for bias in (MAX_ACCUMULATOR, -MAX_ACCUMULATOR):
        (result,) = linear_scalar([0], [[0]], [bias], int8(), Scale(M=1 << 15, k=46))
        assert result.value == (1 if bias > 0 else -1)
        assert not result.saturated


def test_the_largest_weights_have_words():
    weights = np.full((6, 7), -128)
    weights[::2] = 127
    _, words = pack_weights(weights, SMALL)
    assert {int(byte) for byte in words.view(np.int8).reshape(-1)} == {-128, 127, 0}


@pytest.mark.parametrize("bias", [-(2**63), np.uint64(2**63)])
def test_biases_beyond_int64s_magnitudes_are_refused(bias):
    biases = np.zeros(6, np.array(bias).dtype)
    biases[2] = bias
    with pytest.raises(InputError, match="Biases must be from "):
        pack_biases(biases, SMALL, int8())
