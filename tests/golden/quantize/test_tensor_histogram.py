"""Counts of plain operations, and where their tables go."""

import pytest
import torch

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import tensor

SCALE = Scale.from_step(1.0)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_float8_counts_as_the_same_numbers(dtype):
    x = torch.arange(256, dtype=torch.uint8).view(dtype)
    codes, counts = tensor.quantize_histogram(x, load_format("se8"), SCALE)
    wide, same = tensor.quantize_histogram(x.float(), load_format("se8"), SCALE)
    assert torch.equal(codes, wide)
    assert torch.equal(counts, same)
    assert counts[-1] > 0, "NaN"


def test_segments_without_values_are_counted():
    format = load_format("se8")
    _, counts = tensor.quantize_histogram(torch.zeros(5), format, SCALE)
    assert counts.tolist() == [5, *[0] * (len(format.segments) - 1), 0, 0]


def test_tables_go_where_the_values_are(monkeypatch):
    """On a CPU a table that stays there is not noticed; on a GPU it is an error."""

    class Table(torch.Tensor):
        def to(self, *args, **kwargs):
            told.append(args[:1])
            return self.as_subclass(torch.Tensor).to(*args, **kwargs)

    told, from_numpy = [], torch.from_numpy
    tensor._on_device.cache_clear()
    monkeypatch.setattr(torch, "from_numpy", lambda array: from_numpy(array).as_subclass(Table))
    format, x = load_format("se8"), torch.linspace(-9, 9, 40, dtype=torch.float64)
    codes, _ = tensor.quantize_histogram(x, format, SCALE)
    tensor.dequantize(codes, format, SCALE)
    tensor.linear(codes, torch.ones((3, 40), dtype=torch.int8), format)
    assert len(told) > 7
    assert set(told) == {(x.device,)}
