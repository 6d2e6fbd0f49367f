"""The pictures of docs/functions.md: each function's error over its inputs, and where segments meet."""

from fractions import Fraction
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.accuracy import errors
from qse_hw.golden.functions.design import design
from qse_hw.study.report.function import borders

matplotlib.use("Agg")  # no display needed

DOCS = Path(__file__).parent
UNITS = {
    "softplus": {"output": "s17e-12"},
    "silu": {"output": "s17e-12"},
    "exp2": {"output": "s14e-12", "high": Fraction(0)},
    "rsqrt": {"output": "s16e-12", "low": Fraction(1, 16)},
}


def draw_all() -> None:
    """All of them, into docs/: error 2^-12, which is a step of the output."""
    for function, given in UNITS.items():
        values = {**given, "input": input_type("s16e-11"), "output": input_type(str(given["output"]))}
        unit = design(function=function, error=Fraction(1, 4096), **values)  # type: ignore[arg-type]
        x, away = errors(unit)
        figure = Figure(figsize=(9, 5), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True)
        inputs = [one * 2.0**-11 for one in x]
        top.plot(inputs, [unit(one) * 2.0**-12 for one in x], lw=1.2)
        bottom.plot(inputs, away, lw=0.2)
        for axis in (top, bottom):
            for border in borders(unit):
                axis.axvline(border, color="tab:orange", lw=0.4)
        top.set(title=f"{function}, {unit.polynomial.segments} segments", ylabel=function)
        bottom.set(xlabel="input", ylabel="error / step of 2^-12", ylim=(-1.1, 1.1))
        figure.savefig(DOCS / f"functions-{function}.png", dpi=90)


if __name__ == "__main__":
    draw_all()
