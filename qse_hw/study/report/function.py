"""The function: its values, the error of every input and where segments meet."""

from collections.abc import Iterator

from qse_hw.golden.functions.accuracy import accuracy, errors
from qse_hw.golden.functions.constraints import exhaustive
from qse_hw.golden.functions.unit import FunctionUnit
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.study.report.html import Html, figure, paragraph, section
from qse_hw.study.report.svg import Plot, ticks

COLUMNS = 560
"""Of the pictures: in each the least and the largest value of its inputs is drawn."""


def section_function(config: FunctionConfig) -> Html:
    """The section."""
    unit, measured = config.arithmetic, accuracy(config.arithmetic)
    step = 2.0**config.output.exponent
    at = measured.at * 2.0**config.input.exponent
    words = (
        f"{unit.polynomial.segments} segments of degree {unit.polynomial.degree}. The largest error is "
        f"{float(measured.error) * step:.4g}, or {float(measured.error):.4g} steps of the output, for the input "
        f"{at:g}; {float(config.error):.4g} is allowed."
    )
    if measured.correct is None:
        return section("function", "The function", paragraph(f"{words} It is a bound, proved segment by segment."))
    monotone = " Outputs rise and fall only where the function does." if measured.monotone else ""
    words += (
        f" All inputs of the domain were looked at; {measured.correct:.1%} of the outputs are the nearest.{monotone}"
    )
    values, away = curves(unit)
    return section(
        "function",
        "The function",
        paragraph(words),
        figure(_plot(unit, values, "output", "The unit's outputs over its inputs"), "The unit's outputs."),
        figure(
            _plot(unit, away, "error / step of the output", "The error of every output, in steps of the output"),
            "The error of every output: per column of the picture the range of its inputs' errors. Vertical lines are "
            "borders between segments.",
        ),
    )


def curves(unit: FunctionUnit) -> tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]:
    """Input, and the least and the largest output, or error, of a column's inputs; for up to 65,536 of them."""
    assert exhaustive(unit.low, unit.high)
    x, away = errors(unit)
    step_in, step_out = 2.0**unit.reduction.input.exponent, 2.0**unit.output.exponent
    size = max(1, len(x) // COLUMNS)
    values, mistakes = [], []
    for begin in range(0, len(x), size):
        inputs, part = x[begin : begin + size], away[begin : begin + size]
        outputs = [unit(one) * step_out for one in (inputs[0], inputs[-1])]
        values.append((inputs[0] * step_in, min(outputs), max(outputs)))
        mistakes.append((inputs[0] * step_in, min(part), max(part)))
    return values, mistakes


def borders(unit: FunctionUnit) -> Iterator[float]:
    """Inputs of the domain at which another segment begins; of a function with powers those of the largest."""
    reduction, step = unit.reduction, 2.0**unit.reduction.input.exponent
    for start in unit.polynomial.starts[1:]:
        if reduction.kind == "direct":
            inputs = [start - (1 << (reduction.input.width - 1))]
        elif reduction.kind == "even":
            inputs = [start, -start]
        elif reduction.kind == "exponential":
            period = 1 << reduction.fraction_bits
            inputs = [number * period + start for number in range(unit.low // period, unit.high // period + 1)]
        else:
            inputs = [start >> shift for shift in range(0, reduction.argument_bits, 2)]
        yield from (one * step for one in sorted(set(inputs)) if unit.low < one <= unit.high)


def _plot(unit: FunctionUnit, curve: list[tuple[float, float, float]], name: str, alt: str) -> Html:
    low, high = min(one[1] for one in curve), max(one[2] for one in curve)
    room = (high - low) * 0.05 or 1.0
    x = (curve[0][0], curve[-1][0])
    plot = Plot(alt, x=x, y=(low - room, high + room))
    plot.axes("input", name, x_ticks=ticks(*x), y_ticks=ticks(low, high))
    for border in borders(unit):
        if x[0] <= border <= x[1]:
            plot.line([(border, low - room), (border, high + room)], "other")
    plot.line((point for at, least, most in curve for point in ((at, least), (at, most))), "c1")
    return plot.svg()
