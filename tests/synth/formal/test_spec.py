"""The definition against the golden model, which it must not use."""

import ast
import inspect
from functools import cached_property
from itertools import pairwise

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import quantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.synth.formal import nearest, spec
from tests.rtl_gen.formats import ALL, SHIPPED, make, random_format, scale_for

INPUTS = ("s8", "s16", "s16e-8", "bf16", "fp16", "fp32")


def formats(rng, random=4):
    return [*(make(name) for name in ALL), *(random_format(rng) for _ in range(random))]


@pytest.mark.parametrize("module", [spec, nearest])
def test_it_knows_no_recipe(module):
    nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    golden = {name for name in names if name.startswith(("golden", "rtl_gen"))}
    formats = {f"qse_hw.golden.formats.{name}" for name in ("segmented", "inputs", "scale")}
    assert golden <= {*formats, "qse_hw.rtl_gen.lane.lane"}
    computed = {name for name, member in vars(SegmentedFormat).items() if isinstance(member, cached_property)}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert "values" in computed
    assert not computed & attributes


def test_decoded_numbers(rng):
    for format in formats(rng, 200):
        assert spec.decoded(format) == format.decoded, format


@pytest.mark.parametrize("name", ["s8", "bf16"])
def test_both_sides_of_every_border(rng, name):
    borders(input_type(name), [make(shipped) for shipped in SHIPPED], [16])


@pytest.mark.full
@pytest.mark.parametrize("name", INPUTS)
def test_both_sides_of_every_border_of_many_formats(rng, name):
    borders(input_type(name), formats(rng, 60), [16, 1])


def borders(input, formats, scale_bits):
    low, high = spec.keys(input)
    for format in formats:
        for scale in (scale_for(input, bits) for bits in scale_bits):
            ranges = spec.ranges(format, input, scale)
            near = {key for pair in ranges.keys.values() for key in pair} | {ranges.low, ranges.high, 0, low, high + 1}
            for key in {key + offset for key in near for offset in (-1, 0, 1)}:
                if low <= key <= high:
                    given = quantize(spec.pattern(key, input), input, format, scale)
                    first, end = ranges.keys[given.code]
                    assert first <= key < end, (format, scale, key)
                    assert given.saturated == (key < ranges.low or key >= ranges.high), (format, scale, key)


def test_ranges_leave_nothing_out(rng):
    input = input_type("bf16")
    for format in (make("se9-paper"), make("int8-asym"), random_format(rng)):
        ranges = spec.ranges(format, input, Scale.from_step(0.0147))
        pairs = sorted(ranges.keys.values())
        assert [pairs[0][0], pairs[-1][1] - 1] == list(spec.keys(input))
        assert all(a[1] == b[0] for a, b in pairwise(pairs))


@pytest.mark.parametrize("name", ["bf16", "fp16", "fp32", "s8e3"])
def test_keys_are_numbers_in_order(rng, name):
    input = input_type(name)
    low, high = spec.keys(input)
    keys = sorted({low, low + 1, -1, 0, 1, high - 1, high, *rng.integers(low, high, 200).tolist()})
    for key in keys:
        number = input.decode(spec.pattern(key, input))
        value = spec.number(key, input)
        if number.infinite:
            assert value == float("-inf" if number.negative else "inf")
        else:
            magnitude = number.significand * 2**number.exponent if number.exponent >= 0 else None
            exact = value * 2 ** max(0, -number.exponent)
            assert abs(exact) == (number.significand if magnitude is None else magnitude)
            assert number.significand == 0 or number.negative == (value < 0)
    assert all(spec.number(a, input) < spec.number(b, input) for a, b in pairwise(keys))
