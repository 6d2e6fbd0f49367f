"""Quantizers of any kind: on arrays and tensors alike, to the nearest level, ties as documented."""

import ml_dtypes
import numpy as np
import pytest
import torch

from qse_hw.golden.calibration.candidates import float8_levels
from qse_hw.golden.calibration.quantizers import CodebookQuantizer, GroupedQuantizer, SegmentedQuantizer
from qse_hw.golden.calibration.spec import FLOAT8
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale

HALVES = np.arange(1 << 16, dtype=np.uint16)
FP16 = HALVES.view(np.float16)
BF16 = HALVES.view(ml_dtypes.bfloat16)


def bits(values):
    return np.asarray(values).view(np.uint32)


def same(array, tensor):
    assert array.dtype == np.float32
    assert tensor.dtype == torch.float32
    assert array.shape == tuple(tensor.shape)
    assert np.array_equal(bits(array), bits(tensor.numpy()))


def floats(rng, count=20_000):
    """Any float32 at all, and the special ones."""
    patterns = rng.integers(1 << 32, size=count, dtype=np.uint32)
    special = [0, 1 << 31, 1, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F7FFFFF, 0xFF7FFFFF, 0x80000001]
    near_one = np.float32(rng.standard_normal(count)).view(np.uint32)
    return np.concatenate([patterns, near_one, np.array(special, np.uint32)]).view(np.float32)


def codebook(rng, levels=256):
    return CodebookQuantizer.nearest(np.unique(rng.standard_normal(levels).astype(np.float32)))


@pytest.mark.parametrize("name", ["int8", "int8-asym", "se8:L=12", "se8-silu", "se9-paper"])
def test_segmented_on_arrays_and_tensors(rng, name):
    quantizer = SegmentedQuantizer(format=load_format(name), scale=Scale.from_step(0.0203))
    for x in (FP16, floats(rng)):
        same(quantizer.array(x), quantizer.tensor(torch.from_numpy(x.copy())))
    finest = quantizer.scale.step / 2**quantizer.format.fraction_bits
    inside = rng.uniform(-0.1, 1, 1000).astype(np.float32)  # where every format has codes; s/4 .. s apart
    assert np.abs(quantizer.array(inside) - inside).max() <= float(quantizer.scale.step) / 2 + 1e-7
    assert (np.round(quantizer.array(inside) / float(finest)) != 0).any()


def test_codebook_on_arrays_and_tensors(rng):
    book = codebook(rng)
    x = floats(rng)
    same(book.array(x), book.tensor(torch.from_numpy(x)))
    same(book.array(FP16), book.tensor(torch.from_numpy(FP16.copy())))
    same(book.array(BF16), book.tensor(torch.from_numpy(HALVES.view(np.int16).copy()).view(torch.bfloat16)))
    wide = np.concatenate([rng.standard_normal(999), [1e300, -1e300, np.nan, np.inf, -np.inf, 5e-324, -0.0]])
    same(book.array(wide), book.tensor(torch.from_numpy(wide)))


def test_codebook_of_any_shape(rng):
    book = codebook(rng)
    x = rng.standard_normal((7, 10, 6)).astype(np.float32)
    whole = book.array(x)
    assert np.array_equal(whole.reshape(-1), book.array(x.reshape(-1)))
    for view in (x.transpose(2, 0, 1), x[::2, 1:, ::3], x[:0], x[:, :, :0], x[3, 4, 5, ...]):
        same(book.array(view), book.tensor(torch.from_numpy(x).as_strided(
            view.shape, [stride // 4 for stride in view.strides], (view.ctypes.data - x.ctypes.data) // 4
        )))  # fmt: skip
    assert np.array_equal(bits(book.array(x.transpose(2, 0, 1))), bits(whole.transpose(2, 0, 1).copy()))
    scalar = np.array(0.3, np.float32)
    same(np.asarray(book.array(scalar)), book.tensor(torch.tensor(0.3)))


def test_codebook_detaches():
    book = CodebookQuantizer.nearest(np.array([-1.0, 0.5]))
    x = torch.tensor([0.2, -3.0], requires_grad=True)
    assert not book.tensor(x).requires_grad
    assert book.tensor(x).tolist() == [0.5, -1.0]


def test_nan_stays_and_infinities_have_the_outermost_levels():
    book = CodebookQuantizer.nearest(np.array([-3.0, -0.25, 0.5, 7.0]))
    values = book.array(np.array([np.nan, -np.inf, np.inf], np.float32))
    assert np.isnan(values[0])
    assert values[1:].tolist() == [-3.0, 7.0]


@pytest.mark.parametrize("magnitude", [1.0, 1e-41, 1e38])
def test_nearest_is_nearest_and_ties_go_up(rng, magnitude):
    levels = np.unique((rng.uniform(-3, 3, 41) * magnitude).astype(np.float32))
    book = CodebookQuantizer.nearest(levels)
    edges = np.concatenate([levels, book.thresholds])
    x = np.concatenate([edges, np.nextafter(edges, -np.float32(np.inf)), np.nextafter(edges, np.float32(np.inf))])
    x = np.concatenate([x, (rng.uniform(-4 if magnitude < 1e38 else -3, 3, 3000) * magnitude).astype(np.float32)])
    distances = np.abs(x[:, None].astype(np.float64) - levels)  # exact, or as good: float32s within 2**53 of each other
    last = len(levels) - 1 - distances[:, ::-1].argmin(axis=1)  # the upper of two that are as near
    assert np.array_equal(book.array(x), levels[last])


def test_ties_go_up_or_down_as_told():
    levels = np.array([-2.0, 0.0, 1.0, 4.0])
    ties = np.array([-1.0, 0.5, 2.5], np.float32)
    up, down = np.nextafter(ties, np.float32(9)), np.nextafter(ties, np.float32(-9))
    assert CodebookQuantizer.nearest(levels).array(ties).tolist() == [0, 1, 4]
    mixed = CodebookQuantizer.nearest(levels, ties_down=np.array([True, False, True]))
    assert mixed.array(ties).tolist() == [-2, 1, 1]
    assert mixed.array(up).tolist() == [0, 1, 4]
    assert mixed.array(down).tolist() == [-2, 0, 1]
    # the middle of neighbouring float32s is no float32: there is no tie to tell about
    one, next_ = np.float32(1), np.nextafter(np.float32(1), np.float32(2))
    for ties_down in (None, np.array([True]), np.array([False])):
        close = CodebookQuantizer.nearest(np.array([one, next_]), ties_down=ties_down)
        assert close.array(np.array([one, next_])).tolist() == [one, next_]


@pytest.mark.parametrize("tiny", [1e-20, -1e-20, 1e-45])
def test_a_level_beside_which_the_middle_is_no_float64(tiny):
    book = CodebookQuantizer.nearest(np.array([tiny, 3.0]))
    assert book.array(np.array([1.5], np.float32)) == np.float32(tiny if tiny > 0 else 3.0)
    down = CodebookQuantizer.nearest(np.array([tiny, 3.0]), ties_down=np.array([True]))
    assert down.array(np.array([1.5], np.float32)) == np.float32(tiny if tiny > 0 else 3.0)  # no tie
    mirrored = CodebookQuantizer.nearest(np.array([-3.0, tiny]))
    assert mirrored.array(np.array([-1.5], np.float32)) == np.float32(-3.0 if tiny > 0 else tiny)


@pytest.mark.parametrize("dtype", FLOAT8.values())
def test_float8_is_the_cast(rng, dtype):
    levels, ties_down = float8_levels(dtype)
    float8 = getattr(ml_dtypes, dtype)
    top = float(ml_dtypes.finfo(float8).max)
    assert (levels[0], levels[-1], len(levels)) == (-top, top, len(np.unique(levels)))
    assert 0 in levels
    book = CodebookQuantizer.nearest(levels, ties_down=ties_down)
    edges = np.concatenate([levels, book.thresholds, (levels[1:] + levels[:-1]) / 2])
    around = [edges, np.nextafter(edges, np.float32(np.inf)), np.nextafter(edges, np.float32(-np.inf))]
    inside = rng.uniform(-top, top, 5000), top * rng.standard_normal(5000) * 2.0 ** rng.integers(-20, 0, 5000)
    for x in (FP16.astype(np.float32), BF16.astype(np.float32), np.concatenate([*around, *inside]).astype(np.float32)):
        finite = x[np.isfinite(x)]
        clamped = np.clip(finite, -top, top)
        assert np.array_equal(book.array(finite), clamped.astype(float8).astype(np.float32))
        assert np.array_equal(book.array(finite), book.tensor(torch.from_numpy(finite)).numpy())
    evens = levels.astype(float8).view(np.uint8) % 2 == 0
    middles = ((levels[1:].astype(np.float64) + levels[:-1]) / 2).astype(np.float32)
    assert np.array_equal(book.array(middles), np.where(evens[:-1], levels[:-1], levels[1:]))
    assert {True, False} == set(ties_down.tolist())


def test_grouped_is_each_group_by_itself(rng):
    quantizers = (
        SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(0.1)),
        codebook(rng, 16),
        SegmentedQuantizer(format=load_format("se8"), scale=Scale.from_step(0.003)),
    )
    groups = rng.permutation(np.arange(11) % 3)
    x = rng.standard_normal((5, 4, 11)).astype(np.float32)
    grouped = GroupedQuantizer(quantizers, groups)
    got = grouped.array(x)
    for channel, group in enumerate(groups):
        assert np.array_equal(got[..., channel], quantizers[group].array(x[..., channel]))
    same(got, grouped.tensor(torch.from_numpy(x)))
    same(grouped.array(x[0, 0]), grouped.tensor(torch.from_numpy(x[0, 0])))


def test_tensors_stay_on_their_device(rng):
    x = torch.empty((2, 3), device="meta")  # a device that is not the default, and has no values
    grouped = GroupedQuantizer((codebook(rng, 4), codebook(rng, 5)), np.array([0, 1, 0]))
    for quantizer in (codebook(rng, 16), grouped):
        decoded = quantizer.tensor(x)
        assert (decoded.device.type, decoded.shape, decoded.dtype) == ("meta", (2, 3), torch.float32)


def test_grouped_gives_float32_whatever_the_default_is(rng):
    grouped = GroupedQuantizer((codebook(rng, 4), codebook(rng, 5)), np.array([0, 1, 0]))
    x = torch.ones(2, 3)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert grouped.tensor(x).dtype == torch.float32
    finally:
        torch.set_default_dtype(before)
