"""Fitting formats to a layer, by its number of values."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.lloyd import lloyd_max
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.formats.presets import PRESETS
from qse_hw.study.bench import SEED, Report
from qse_hw.study.console import table

WORDS = "calibrating"
VALUES = (1 << 18, 1 << 20, 1 << 22)  # of a layer
REPEATS = 3


def measure(report: Report) -> dict[str, Any]:
    """Seconds to fit formats to one layer, histogram included, by its number of values; medians.

    Growth is the slope of log seconds against log values; beside it, that of n log n over the same sizes.
    """
    six, four, *presets = map(parse_format, ("tuned:segments=6", "tuned:segments=4", *PRESETS))
    work: dict[str, Callable[[Histogram], Any]] = {
        "tuned, 6 segments": lambda histogram: Fitter(histogram).least_squares(six),
        "tuned, 4 segments": lambda histogram: Fitter(histogram).least_squares(four),
        "presets": lambda histogram: [Fitter(histogram).least_squares(preset) for preset in presets],
        "Lloyd-Max": lloyd_max,
    }
    z = np.random.default_rng(SEED).standard_normal((max(VALUES) // 512, 512), np.float32) * np.float32(2)
    x = z / (1 + np.exp(-z))
    seconds: dict[str, list[list[float]]] = {name: [[] for _ in VALUES] for name in work}
    for repeat in range(REPEATS):  # taking turns, so that noise hits all alike
        for place, n in enumerate(VALUES):
            for name, fit in work.items():
                begun = time.perf_counter()
                fit(Histogram(x[: n // 512]))
                seconds[name][place].append(time.perf_counter() - begun)
            report((repeat + (place + 1) / len(VALUES)) / REPEATS)
    medians = {name: [statistics.median(times) for times in by_size] for name, by_size in seconds.items()}
    return {
        "values": list(VALUES),
        "repeats": REPEATS,
        "seconds": medians,
        "all_seconds": seconds,
        "growth": {name: _growth(times) for name, times in medians.items()},
        "growth_n_log_n": _growth([n * np.log(n) for n in VALUES]),
    }


def _growth(amounts: Sequence[float]) -> float:
    """The exponent of n that fits the amounts best."""
    return float(np.polyfit(np.log(VALUES), np.log(amounts), 1)[0])


def show(figures: dict[str, Any]) -> None:
    """A table of times and of their growth."""
    table(
        f"Fitting formats to one layer, seconds, median of {figures['repeats']}",
        ["what", *(f"{n:,} values" for n in figures["values"]), "growth: n **"],
        [
            *(
                [name, *(f"{seconds:.2f}" for seconds in times), f"{figures['growth'][name]:.2f}"]
                for name, times in figures["seconds"].items()
            ),
            ["n log n, for comparison", *("" for _ in figures["values"]), f"{figures['growth_n_log_n']:.2f}"],
        ],
        caption="each with the histogram of the values, all that grows with them",
    )
