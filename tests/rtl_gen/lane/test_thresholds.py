"""Thresholds on the input: by brute force over every input, against the golden model's saturation."""

import pytest

from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.lane.piecewise import regions
from qse_hw.rtl_gen.lane.thresholds import least_input

SCALES = [Scale.from_step(2.0**-8), Scale.from_step(0.0041)]


def ordinals(input, signed: bool) -> list[tuple[int, int]]:
    """(ordinal, pattern) of every input that is a number, ascending; ``signed``: of either sign."""
    if not input.is_float:
        limit = 1 << (input.width - 1)
        return [(n, n % (1 << input.width)) for n in range(-limit if signed else 0, limit)]
    sign = 1 << (input.width - 1)
    infinity = ((1 << input.exponent_bits) - 1) << input.fraction_bits
    negative = [(~n, n | sign) for n in range(infinity, -1, -1)] if signed else []
    return [*negative, *((n, n) for n in range(infinity + 1))]


@pytest.mark.every(9)
@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("input", ["s12e-11", "s12e4", "fp16"])
@pytest.mark.parametrize("name", ["int8", "int8:narrow_range=1", "int8-asym", "se8", "se9-paper"])
def test_least_inputs_are_those_where_saturation_ends_and_begins(name, input, scale):
    format, type = load_format(name), input_type(input)
    magnitude = format.kind == "sign-magnitude"
    outcomes = [
        (ordinal, scalar.quantize(pattern, type, format, scale).saturated)
        for ordinal, pattern in ordinals(type, signed=not magnitude)
    ]
    upper = [ordinal for ordinal, saturated in outcomes if ordinal >= 0 and saturated]
    beyond = outcomes[-1][0] + 1
    if magnitude and not type.is_float:
        beyond += 1  # the magnitude of the most negative input
        lowest = scalar.quantize(1 << (type.width - 1), type, format, scale)
        upper += [beyond - 1] * lowest.saturated
    assert least_input(format, type, scale, regions(format)[-1].first) == min(upper, default=beyond)
    if not magnitude:
        inside = [ordinal for ordinal, saturated in outcomes if not saturated]
        assert least_input(format, type, scale, regions(format)[1].first) == min(inside)
