"""The formats bit by bit, and values that are quantized by hand, with every number on the way."""

from fractions import Fraction
from typing import NamedTuple

from blocks import markdown

from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.formats.presets import PRESETS, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat


class Example(NamedTuple):
    """A value's bit pattern, and what quantizes it."""

    bits: int
    type: InputType
    format: SegmentedFormat
    name: str
    scale: Scale


SIGNED = Example(0x3FAF, input_type("bf16"), load_format("se8:L=12"), "se8:L=12", Scale.from_step(0.0327))
OFFSET = Example(0xBE4D, input_type("bf16"), load_format("se8-silu"), "se8-silu", Scale.from_step(0.02))


def presets() -> str:
    """A row per preset, with its parameters at their defaults."""
    rows = []
    for name in PRESETS:
        format = load_format(name)
        least, most = (number(value, format) for value in (min(format.values.values()), max(format.values.values())))
        zero = str(format.zero_point) if format.kind == "offset" else ""
        count = len(set(format.values.values()))
        rows.append([f"`{name}`", str(format.bits), format.kind, zero, str(count), f"{least} to {most}"])
    return markdown(["format", "bits", "kind", "zero point, fine steps", "values", "from ... to, in s"], rows)


def codes() -> str:
    """A row per segment of every preset: the codes of its values that are not negative, or of all of an offset one."""
    rows = []
    for name in PRESETS:
        format = load_format(name)
        for segment, start, shift in zip(format.segments, format.starts, format.shifts, strict=True):
            first = format.values[segment.first_code]
            assert first == start - format.zero_point
            last = first + ((segment.codes - 1) << shift)
            shown = [pattern(code, format) for code in (segment.first_code, segment.first_code + segment.codes - 1)]
            rows.append([
                f"`{name}`", f"`{shown[0]}` to `{shown[1]}`", str(segment.codes), step(segment),
                f"{number(first, format)} to {number(last, format)}",
            ])  # fmt: skip
    return markdown(["format", "codes", "number", "step", "values, in s"], rows)


def encode() -> str:
    """A value to its code, in a format with a sign."""
    return "\n".join(steps(SIGNED))


def decode() -> str:
    """The code back to a value."""
    return "\n".join(back(SIGNED))


def zero() -> str:
    """The same in a format with a zero point."""
    return "\n".join([*steps(OFFSET), "", "And back:", "", *back(OFFSET)])


def steps(example: Example) -> list[str]:
    """From bits to a code, a numbered list."""
    bits, type, format, name, scale = example
    x = type.decode(bits)
    sign = "-" if x.negative else ""
    product, power = x.significand * scale.M, x.exponent - scale.k + format.fraction_bits + 1
    position = truncated(example)
    lines = [
        f"The value: the {type.name} pattern `0x{bits:04x}` is {sign}{x.significand} * 2^{x.exponent} = "
        f"{float(value(example)):.12g}.",
        f"The scale: s = {float(scale.step):.6g} is stored as its reciprocal, 1/s = M * 2^-k with M = {scale.M} and "
        f"k = {scale.k}.",
        f"One product: {x.significand} * {scale.M} = {product}. In half fine steps the magnitude is "
        f"{product} * 2^{power}, because {x.exponent} - {scale.k} + F + 1 = {power} with F = {format.fraction_bits}.",
    ]  # fmt: skip
    if format.signed:
        lines.append(f"Truncated: T = {position}.")
    else:
        axis = position + 2 * format.zero_point
        lines.append(
            f"Rounded down, with the sign: {position}. The zero point is {format.zero_point} fine steps, so T = "
            f"{position} + 2 * {format.zero_point} = {axis}."
        )
        position = axis
    for segment, start, end, shift in zip(format.segments, format.starts, format.ends, format.shifts, strict=True):
        index = (position + (1 << shift) - 2 * start) >> (shift + 1)
        asked = (
            f"The segment with steps of {step(segment)} ends at {end} fine steps: {position} + {1 << shift} < 2 * {end}"
        )
        if position + (1 << shift) < 2 * end:
            lines.append(f"{asked} is true, so the value is in it.")
            break
        lines.append(f"{asked} is false, so the value is beyond it.")
    lines.append(
        f"Its number there, rounded to nearest: ({position} + {1 << shift} - 2 * {start}) >> {shift + 1} = {index}."
    )
    code = segment.first_code + index
    lines.append(
        f"The segment's first code is {segment.first_code}, so the code is {segment.first_code} + {index} = {code}: "
        f"`{pattern(code, format)}` of `{name}`."
    )
    return [f"{place}. {line}" for place, line in enumerate(lines, 1)]


def back(example: Example) -> list[str]:
    """From that code to a value, a numbered list."""
    _, _, format, _, scale = example
    code, number = coded(example)
    segment = format.segments[number]
    start, shift, index = format.starts[number], format.shifts[number], code - segment.first_code
    axis = start + (index << shift)
    fine = axis - format.zero_point
    exact = fine * scale.step / 2**format.fraction_bits
    error, half = float(abs(exact - value(example))), float(scale.step) * 2.0**segment.log2_step / 2
    zero = f" The zero point is subtracted: {axis} - {format.zero_point} = {fine}." if not format.signed else ""
    lines = [
        f"The code: {code} is number {code} - {segment.first_code} = {index} of the segment with steps of "
        f"{step(segment)}, which begins at {start} fine steps.",
        f"Fine steps: {start} + ({index} << {shift}) = {axis}.{zero} This integer is what the decoder gives.",
        f"The value: {fine} * s / 2^{format.fraction_bits} = {float(exact):.6g}. It is {error:.2g} away from the value "
        f"that was quantized; half a step is {half:.2g} here.",
    ]
    return [f"{place}. {line}" for place, line in enumerate(lines, 1)]


def value(example: Example) -> Fraction:
    """The value itself."""
    x = example.type.decode(example.bits)
    return (-1 if x.negative else 1) * x.significand * Fraction(2) ** x.exponent


def truncated(example: Example) -> int:
    """The value, or its magnitude in a format with a sign, in half fine steps, rounded down."""
    _, _, format, _, scale = example
    exact = value(example) * scale.reciprocal * 2 ** (format.fraction_bits + 1)
    return (abs(exact) if format.signed else exact).__floor__()


def coded(example: Example) -> tuple[int, int]:
    """The code without a sign, and the number of its segment."""
    format = example.format
    T = truncated(example) + (0 if format.signed else 2 * format.zero_point)
    for number, (start, end, shift) in enumerate(zip(format.starts, format.ends, format.shifts, strict=True)):
        if T + (1 << shift) < 2 * end:
            return format.segments[number].first_code + ((T + (1 << shift) - 2 * start) >> (shift + 1)), number
    raise ValueError("the example must not saturate")


def pattern(code: int, format: SegmentedFormat) -> str:
    """The code in binary: of a format with a sign the sign's bit apart, of a soft edge its SE bit, too."""
    digits = f"{code:0{format.bits}b}"
    if format.kind == "twos-complement":
        return digits
    data = 6 if format.signed else 7 if len(format.segments) > 1 else 8
    parts = digits[: int(format.signed)], digits[int(format.signed) : -data], digits[-data:]
    return " ".join(filter(None, parts))


def step(segment: Segment) -> str:
    """A segment's step in s."""
    power = segment.log2_step
    return "s" if power == 0 else f"{1 << power} s" if power > 0 else f"s/{1 << -power}"


def number(fine: int, format: SegmentedFormat) -> str:
    """Fine steps as a number of s."""
    return f"{fine / 2**format.fraction_bits:g}"
