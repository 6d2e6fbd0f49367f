"""The format: its segments and their steps, which code stands for what, how far rounding moves a value."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.quantize import array
from qse_hw.study.report.html import Html, figure, join, paragraph, section, table, tag
from qse_hw.study.report.svg import COLORS, Plot, color, power_of_two, powers, ticks

BEYOND = 0.06  # of the range of values, on either side, that the picture of rounding errors shows besides
CELL = 20  # height of a code in the picture of the codes


def section_format(format: SegmentedFormat, scale: Scale | None) -> Html:
    """The section; ``scale``: the unit's, None if it is set at run time or unknown."""
    int8 = load_format("int8")
    others = [] if format == int8 else [int8]
    kinds = {
        "sign-magnitude": "The top bit of a code is the sign; the rest says how far from 0 the value lies.",
        "twos-complement": "A code is the value itself, in two's complement.",
        "offset": f"A code counts from the floor, {format.zero_point} fine steps below 0.",
    }
    beside = " The dashed line is plain INT8 at the same s." if others else ""
    step = f" Here s = {float(scale.step):.6g}." if scale is not None else ""
    return section(
        "format",
        f"The format: {format.name}",
        paragraph(
            f"{format.bits} bits, {len(format.values)} values, up to {format.reach:g} s; s is the scale's step.{step} "
            f"{kinds[format.kind]} Rounding is to nearest, half {'away from zero' if format.signed else 'up'}; values "
            "beyond the reach saturate."
        ),
        _segments(format, scale),
        figure(axis(format, others), f"How far apart neighbouring values are, over the range of values.{beside}"),
        figure(
            code_map(format),
            "Every code, the first in the upper left corner, in the color of its segment; negative values are paler, "
            "codes without a value are empty. Pointed at, a code tells its value.",
        ),
        figure(
            errors(format, others),
            "The golden model's rounding error half-way between neighbouring values, where it is largest, and beyond "
            f"the reach, where it grows with the value.{beside}",
        ),
    )


def owners(format: SegmentedFormat) -> dict[int, int]:
    """The segment of every code that has a value, redundant ones included."""
    field = (1 << format.code_field_bits) - 1
    aliases = dict(format.aliases)
    owner = {}
    for code in format.decoded:
        if format.kind == "twos-complement":
            owner[code] = 0
            continue
        index = aliases.get(code & field, code & field)
        places = enumerate(format.segments)
        owner[code] = next(n for n, part in places if part.first_code <= index < part.first_code + part.codes)
    return owner


def spans(format: SegmentedFormat) -> list[tuple[int, float, float]]:
    """Segment, begin and end in s of every stretch of the axis of values, ascending."""
    unit = 2.0**format.fraction_bits
    up = [
        (number, (start - format.zero_point) / unit, (end - format.zero_point) / unit)
        for number, (start, end) in enumerate(zip(format.starts, format.ends, strict=True))
    ]
    down = [(number, -end, -begin) for number, begin, end in reversed(up)] if format.signed else []
    return [*down, *up]


def extent(formats: list[SegmentedFormat], margin: float) -> tuple[float, float]:
    """The range of values in s that pictures show: all that any of the formats has, and a margin on either side."""
    low = min(min(format.values.values()) / 2.0**format.fraction_bits for format in formats)
    high = max(format.reach for format in formats)
    return low - margin * (high - low), high + margin * (high - low)


def axis(format: SegmentedFormat, others: list[SegmentedFormat]) -> Html:
    """The picture of the steps over the range of values."""
    x = extent([format, *others], 0.02)
    steps = [2.0**part.log2_step for one in (format, *others) for part in one.segments]
    floor = min(steps) / 2
    alt = f"Steps of the segments of {format.name} over the range of values"
    plot = Plot(alt, x=x, y=(floor, max(steps) * 2), log=True, height=250)
    for number, begin, end in spans(format):
        part = format.segments[number]
        words = f"segment {number}: {part.codes} codes, step {power_of_two(part.log2_step)} s, {begin:g} s to {end:g} s"
        plot.box((begin, end), (floor, 2.0**part.log2_step), color(number), words)
    plot.axes("value / s", "step / s", x_ticks=ticks(*x), y_ticks=powers(floor, max(steps) * 2))
    for other in others:
        points = [(place, 2.0 ** other.segments[n].log2_step) for n, *ends in spans(other) for place in ends]
        plot.line(points, "other")
    return plot.svg()


def code_map(format: SegmentedFormat) -> Html:
    """The picture of the codes."""
    count = 1 << format.bits
    columns = 1 << (format.bits + 1) // 2
    size, lines = (Plot.width - 64) / columns, count // columns
    tall = max(CELL * 16 / lines, 4.0)
    alt = f"Which segment each code of {format.name} belongs to"
    plot = Plot(alt, x=(0, 1), y=(0, 1), height=round(tall * lines) + 28)
    digits = -(-format.bits // 4)
    segments, unit = owners(format), 2.0**format.fraction_bits
    for code in range(count):
        line, column = divmod(code, columns)
        place = (50 + column * size, 24 + line * tall)
        if code not in segments:
            plot.rectangle(*place, size - 1, tall - 1, "none", f"{code:#0{digits + 2}x}: no value")
            continue
        value = format.decoded[code]
        again = "" if code in format.values else ", redundant"
        words = f"{code:#0{digits + 2}x}: {value / unit:g} s, segment {segments[code]}{again}"
        kind = color(segments[code]) + (" faint" if value < 0 else "")
        plot.rectangle(*place, size - 1, tall - 1, kind, words)
    every = max(1, lines // 16)
    for line in range(0, lines, every):
        plot.write(f"{line * columns:#0{digits + 2}x}", 44, 24 + (line + 0.5) * tall + 4, anchor="end")
    plot.legend([(f"segment {number}", color(number)) for number in range(min(len(format.segments), COLORS))])
    return plot.svg()


def rounding(format: SegmentedFormat, x: tuple[float, float]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Places in s, ascending: half-way between neighbouring values, and beyond to the ends of ``x``; their errors."""
    values = np.unique(np.array(list(format.values.values()))) / 2.0**format.fraction_bits
    middles = (values[:-1] + values[1:]) / 2
    ends = 2 * values[[0, -1]] - middles[[0, -1]]  # as far beyond the outermost values
    places = np.concatenate([np.linspace(x[0], ends[0], 40), middles, np.linspace(ends[1], x[1], 40)])
    one = Scale.from_step(1.0)
    decoded = array.dequantize(array.quantize(places, format, one), format, one)
    return places, np.abs(decoded.astype(np.float64) - places)


def errors(format: SegmentedFormat, others: list[SegmentedFormat]) -> Html:
    """The picture of the rounding errors."""
    x = extent([format, *others], BEYOND)
    curves = [(one, *rounding(one, x)) for one in (format, *others)]
    low = 2.0 ** (min(part.log2_step for one in (format, *others) for part in one.segments) - 2)
    high = max(float(errors.max()) for *_, errors in curves) * 1.3
    plot = Plot(f"Rounding error of {format.name} over the range of values", x=x, y=(low, high), log=True)
    plot.axes("value / s", "error / s", x_ticks=ticks(*x), y_ticks=powers(low, high))
    for number, (_, places, errors) in reversed(list(enumerate(curves))):
        plot.line(zip(places, np.maximum(errors, low), strict=True), "other" if number else "c1")
    plot.legend([(one.name, "other" if number else "c1") for number, (one, *_) in enumerate(curves)])
    return plot.svg()


def _segments(format: SegmentedFormat, scale: Scale | None) -> Html:
    unit = 2.0**format.fraction_bits
    width = -(-format.bits // 4)
    rows = []
    for number, (part, start, shift) in enumerate(zip(format.segments, format.starts, format.shifts, strict=True)):
        first, last = ((start + (index << shift) - format.zero_point) / unit for index in (0, part.codes - 1))
        codes = f"{part.first_code:0{width}x} to {part.first_code + part.codes - 1:0{width}x}"
        words = [power_of_two(part.log2_step), f"{first:g} to {last:g}"]
        if scale is not None:
            step = float(scale.step)
            words += [f"{2.0**part.log2_step * step:.4g}", f"{first * step:.4g} to {last * step:.4g}"]
        swatch = tag("span", class_=f"swatch {color(number)}")
        rows.append([join((swatch, str(number)), ""), str(part.codes), codes, *words])
    headings = ["segment", "codes", "codes, hex" + (", without sign" if format.kind == "sign-magnitude" else "")]
    headings += ["step / s", "values / s", *(["step", "values"] if scale is not None else [])]
    return table("Segments, from 0 on" if format.signed else "Segments, from the floor on", headings, rows)
