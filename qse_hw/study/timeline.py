"""A picture of when a layer's tensors pass in the accelerator, cycle by cycle."""

import os
from collections.abc import Mapping

import matplotlib
import numpy as np
import numpy.typing as npt

matplotlib.use("Agg")  # no display needed

Integers = npt.NDArray[np.int64]

LAYERS = 2
"""Drawn: the first ones, to show how one follows the other."""
COLORS = {
    "engine": ("conv_input", "gate", "dt_low", "B", "C", "dt", "out"),
    "beside it": ("residual", "norm", "conv_sum", "x", "state", "scan", "gated", "y"),
}


def spans(times: Mapping[str, Integers], layers: int) -> dict[str, list[tuple[int, int]]]:
    """First and last cycle of every tensor in each of the layers.

    Args:
        times: the cycles in which a tap's beats passed, by tap; equally many for each layer. Of the residual stream and
            the norm there may be one vector more, of the ends.
        layers: number of layers.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    for names in COLORS.values():
        for name in names:
            extra = int(name in ("residual", "norm"))
            vectors = np.split(times[name], layers + extra)
            own = vectors[1:] if name == "residual" else vectors[:layers]
            found[name] = [(int(part[0]), int(part[-1]) + 1) for part in own]
    return found


def draw(path: str | os.PathLike[str], times: Mapping[str, Integers], layers: int, title: str) -> None:
    """Write a PNG of the first layers' spans."""
    from matplotlib.figure import Figure

    shown = min(LAYERS, layers)
    all_spans = spans(times, layers)
    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplots()
    names = [name for group in COLORS.values() for name in group]
    for color, (group, members) in enumerate(COLORS.items()):
        for name in members:
            bars = [(first, end - first) for first, end in all_spans[name][:shown]]
            axes.broken_barh(bars, (names.index(name) - 0.4, 0.8), color=f"C{color}", label=group)
            group = "_"  # one entry of the legend for each group
    for layer in range(shown):
        axes.axvline(all_spans["residual"][layer][1], color="0.6", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("cycle of the token; a line where a layer ends")
    axes.set_title(title)
    axes.legend(loc="upper right")
    figure.savefig(path, format="png", dpi=110)
