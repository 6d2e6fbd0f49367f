"""The demo's picture: where the values of a layer lie and which segment they fall into; SQNR by layer and format."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.io.files import replacing

matplotlib.use("Agg")  # no display needed


def draw(
    path: str | os.PathLike[str],
    x: npt.NDArray[Any],
    choice: LayerCalibration,
    sqnr_db: Mapping[str, Sequence[float]],
    *,
    title: str,
) -> None:
    """Write a PNG.

    Args:
        path: the file.
        x: the layer's values.
        choice: format and scale whose segments are drawn.
        sqnr_db: per format, SQNR of every layer.
        title: of the histogram.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _histogram(left, x, choice, title)
    for name, values in sqnr_db.items():
        right.plot(range(len(values)), values, marker="o", label=name)
    right.set(xlabel="layer", ylabel="SQNR (dB)", title="SQNR, each format at its least-squares scale")
    right.set_xticks(range(len(next(iter(sqnr_db.values())))))
    right.grid(alpha=0.3)
    right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    with replacing(path) as part, part.open("wb") as file:
        figure.savefig(file, format="png", dpi=110)


def _histogram(axes: Any, x: npt.NDArray[Any], choice: LayerCalibration, title: str) -> None:
    format, step = choice.format, float(choice.scale.step)
    low, high = float(x.min()), float(x.max())
    bins = np.linspace(low, high, 300)
    axes.hist(x.reshape(-1), bins=bins, color="0.25", log=True)
    fine = step / 2.0**format.fraction_bits
    colors = ("tab:green", "tab:blue", "tab:orange", "tab:purple", "tab:brown", "tab:olive")
    for number, (segment, start, end) in enumerate(zip(format.segments, format.starts, format.ends, strict=True)):
        step_name = {0: "s"}.get(segment.log2_step, f"{2.0**segment.log2_step:g} s")
        label = f"segment {number}: {segment.codes} codes at {step_name}"
        begin, stop = ((edge - format.zero_point) * fine for edge in (start, end))
        sides = [(begin, stop)]
        if format.signed:
            sides.append((-stop, -begin))
        for side, (left, right) in enumerate(sides):
            clipped = max(left, low), min(right, high)
            if clipped[0] < clipped[1]:
                axes.axvspan(*clipped, color=colors[number % len(colors)], alpha=0.3, lw=0, zorder=0,
                             label=label if side == 0 else None)  # fmt: skip
    axes.set(xlabel="x (SSM input)", ylabel="values", title=title, xlim=(low, high))
    axes.legend()
