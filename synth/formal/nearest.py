"""The definition of a format as a SystemVerilog module ``nearest``: whether a code is the right one for a number.

It is derived from :mod:`qse_hw.synth.formal.spec` alone. With a constant scale, the input's key is compared with exact
limits. With a scale set at run time, the exact position ``x * M * 2**-k``, a wide integer without rounding, is compared
with the cuts.
"""

from fractions import Fraction

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.lane.lane import K_SHAPE
from qse_hw.synth.formal import spec
from qse_hw.synth.formal.verilog import cases, constant

K_BITS = K_SHAPE.width
"""Bits of ``k``."""

OUTPUTS = ("right", "is_nan", "is_zero", "below", "above", "canonical")
"""One-bit outputs of ``nearest``."""


def nearest(format: SegmentedFormat, input: InputType, scale: Scale | None, scale_bits: int) -> str:
    """The module.

    Inputs: ``x``, ``code`` and, if ``scale`` is None, ``m`` and ``k``. Outputs: ``right``, whether ``code`` is the
    nearest level's, ties as specified (for numbers, not for NaN); ``is_nan``, ``is_zero``; ``below``, ``above``,
    whether the number lies beyond the format's range, so that it saturates; ``canonical``, whether an encoder may give
    that code; ``value``, the code's number in fine steps; ``key``, the input's; ``place``, the key or the position,
    which is compared with the limits.
    """
    width, bits = input.width, format.bits
    levels = spec.levels(format)
    value_bits = max(abs(int(level.value / spec.fine_step(format))) for level in levels).bit_length() + 1
    ends = [f"input [{width - 1}:0] x", f"input [{bits - 1}:0] code"]
    if scale is None:
        ends += [f"input [{scale_bits - 1}:0] m", f"input signed [{K_BITS - 1}:0] k"]
    place_bits, place, table, limits = (
        _by_key(format, input, scale) if scale is not None else _by_position(format, input, scale_bits)
    )
    ends += [*(f"output {name}" for name in OUTPUTS)]
    ends += [
        f"output reg signed [{value_bits - 1}:0] value",
        f"output signed [{place_bits - 1}:0] place",
        f"output signed [{width}:0] key",
    ]
    step = spec.fine_step(format)
    rows = []
    for level in levels:
        low, high = table.get(level.code, (constant(1, place_bits), constant(0, place_bits)))
        assigned = {"from": low, "to": high, "value": constant(int(level.value / step), value_bits), "known": "1"}
        rows.append((f"{bits}'d{level.code}", assigned))
    nothing = {"from": constant(1, place_bits), "to": constant(0, place_bits), "value": "0", "known": "0"}
    low, high = (constant(limit, place_bits) for limit in limits)
    return "\n".join(
        [
            f"module nearest({', '.join(ends)});",
            *_classes(input),
            place,
            f"  reg signed [{place_bits - 1}:0] from, to;",
            "  reg known;",
            "  always @* begin",
            cases("code", rows, nothing),
            "  end",
            "  assign right = from <= place && place < to;",
            "  assign canonical = known;",
            f"  assign below = !is_nan && place < {low};",
            f"  assign above = !is_nan && place >= {high};",
            "endmodule",
            "",
        ]
    )


def _classes(input: InputType) -> list[str]:
    if not input.is_float:
        return ["  assign is_nan = 1'b0;", f"  assign is_zero = x == {input.width}'d0;", "  assign key = $signed(x);"]
    infinity = spec.keys(input)[1]
    return [
        f"  wire [{input.width - 2}:0] size = x[{input.width - 2}:0];",
        f"  assign is_nan = size > {input.width - 1}'d{infinity};",
        f"  wire is_infinite = size == {input.width - 1}'d{infinity};",
        f"  assign is_zero = size == {input.width - 1}'d0;",
        f"  assign key = x[{input.width - 1}] ? -$signed({{2'b0, size}}) : $signed({{2'b0, size}});",
    ]


_Place = tuple[int, str, dict[int, tuple[str, str]], tuple[int, int]]


def _by_key(format: SegmentedFormat, input: InputType, scale: Scale) -> _Place:
    ranges = spec.ranges(format, input, scale)
    width = input.width + 1
    table = {code: (constant(a, width), constant(b, width)) for code, (a, b) in ranges.keys.items()}
    return width, "  assign place = key;", table, (ranges.low, ranges.high)


def fraction_bits_of_position(input: InputType, scale_bits: int) -> int:
    """Fraction bits of a position in half fine steps; a product that needs more is irrelevantly small."""
    return input.significand_bits + scale_bits + 1


def position_width(format: SegmentedFormat, input: InputType, scale_bits: int) -> int:
    """Bits of a position, sign included."""
    return input.significand_bits + scale_bits + fraction_bits_of_position(input, scale_bits) + _reach(format) + 2


def _by_position(format: SegmentedFormat, input: InputType, scale_bits: int) -> _Place:
    """The place is the exact position in half fine steps, with all its fraction bits."""
    product, below = position(input, scale_bits, spec.fine_step(format))
    reach, width = _reach(format), position_width(format, input, scale_bits)

    def limit(cut: spec.Cut) -> int:
        at = cut.at * 2 / spec.fine_step(format)
        assert at.denominator == 1  # every cut is a whole number of half fine steps
        return (int(at) << below) + (not cut.belongs)

    least, most = -(1 << (width - 1)), (1 << (width - 1)) - 1
    levels, limits = spec.levels(format), [limit(cut) for cut in spec.cuts(format)]
    starts = [least, *limits[1:-1], most]
    table = {
        level.code: (constant(a, width), constant(b, width))
        for level, a, b in zip(levels, starts[:-1], starts[1:], strict=True)
    }
    place = "\n".join(
        [
            *product,
            f"  wire signed [15:0] up = exponent + {below};",
            f"  wire [7:0] shift = up < 0 ? 8'd0 : up > {below + reach} ? 8'd{below + reach} : up[7:0];",
            f"  wire [{width - 1}:0] magnitude = {{{width}'d0, product}} << shift;",
            *([f"  wire signed [{width - 1}:0] beyond = {constant(most - 1, width)};"] if input.is_float else []),
            f"  wire signed [{width - 1}:0] finite = negative ? -$signed(magnitude) : $signed(magnitude);",
            "  assign place = is_infinite ? (negative ? -beyond : beyond) : finite;"
            if input.is_float
            else "  assign place = finite;",
        ]
    )
    return width, place, table, (limits[0], limits[-1])


def _reach(format: SegmentedFormat) -> int:
    """Bits of the furthest cut in half fine steps; a product shifted left by as many saturates."""
    return max(abs(int(cut.at * 2 / spec.fine_step(format))) for cut in spec.cuts(format)).bit_length() + 1


def position(input: InputType, scale_bits: int, step: Fraction) -> tuple[list[str], int]:
    """Wires ``negative``, ``product`` and ``exponent``: the number in half fine steps is product * 2**exponent.

    Returns them and :func:`fraction_bits_of_position`.
    """
    half = (2 / step).numerator.bit_length() - 1 if step <= 2 else -((step / 2).numerator.bit_length() - 1)
    significand, width = input.significand_bits, input.width
    product = f"  wire [{significand + scale_bits - 1}:0] product = significand * m;"
    if not input.is_float:
        lines = [
            f"  wire negative = x[{width - 1}];",
            f"  wire [{width - 1}:0] significand = negative ? -x : x;",
            product,
            f"  wire signed [15:0] exponent = {input.exponent + half} - k;",
        ]
        return lines, fraction_bits_of_position(input, scale_bits)
    stored, bias = width - 1 - input.exponent_bits, (1 << (input.exponent_bits - 1)) - 1
    lines = [
        f"  wire negative = x[{width - 1}];",
        f"  wire [{input.exponent_bits - 1}:0] biased = x[{width - 2}:{stored}];",
        f"  wire [{stored}:0] significand = {{biased != 0, x[{stored - 1}:0]}};",
        product,
        f"  wire signed [15:0] exponent = $signed({{8'd0, biased == 0 ? {input.exponent_bits}'d1 : biased}})"
        f" + {half - bias - stored} - k;",
    ]
    return lines, fraction_bits_of_position(input, scale_bits)
