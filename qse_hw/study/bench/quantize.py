"""Quantizing NumPy arrays, beside plain INT8 and a float8 cast."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array
from qse_hw.study.bench import SEED, Report
from qse_hw.study.console import table

WORDS = "quantizing"
VALUES = 8_000_000
REPEATS = 7


def measure(report: Report) -> dict[str, Any]:
    """Seconds to quantize 8 M fp32 values, medians; the candidates take turns, so that noise hits all alike."""
    import ml_dtypes

    x = np.random.default_rng(SEED).standard_normal(VALUES, np.float32)
    format, scale = load_format("se8"), Scale.from_step(0.02)
    reciprocal = np.float32(float(scale.reciprocal))
    candidates: dict[str, Callable[[], Any]] = {
        "se8, NumPy": lambda: array.quantize(x, format, scale),
        "INT8, plain NumPy": lambda: np.clip(np.rint(x * reciprocal), -128, 127).astype(np.int8),
        "float8_e4m3fn, ml_dtypes cast": lambda: x.astype(ml_dtypes.float8_e4m3fn),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(REPEATS + 1):
        for name, work in candidates.items():
            begun = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}  # the first warms up
    ratios = {
        name: {baseline: medians[baseline] / medians[name] for baseline in medians if not baseline.startswith("se8")}
        for name in medians
        if name.startswith("se8")
    }
    return {"values": VALUES, "seconds": medians, "all_seconds": seconds, "speed_relative_to": ratios}


def show(figures: dict[str, Any]) -> None:
    """A table of times, and of speeds relative to the baselines."""
    baselines = [name for name in figures["seconds"] if not name.startswith("se8")]
    table(
        f"Quantizing {figures['values']:,} fp32 values, median of {REPEATS}",
        ["what", "ms", *(f"speed / {name}" for name in baselines)],
        [
            [
                name, f"{seconds * 1e3:.1f}",
                *(f"{figures['seconds'][baseline] / seconds:.2f}" for baseline in baselines),
            ]
            for name, seconds in figures["seconds"].items()
        ],
    )  # fmt: skip
