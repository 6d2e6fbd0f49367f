"""The pictures of docs/accuracy.md."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter
from studies import MODELS

matplotlib.use("Agg")  # no display needed

DOCS = Path(__file__).parent
STYLES = {
    "quamba": ("INT8, Quamba", "tab:red"),
    "int8-asym": ("INT8 with zero point", "tab:orange"),
    "fp8-e3m4": ("float8 e3m4", "tab:gray"),
    "se8": ("se8", "tab:olive"),
    "se8-silu": ("se8-silu", "tab:cyan"),
    "se9-paper": ("se9-paper (9 bits)", "tab:purple"),
    "tuned:segments=4": ("tuned, 4 segments", "tab:blue"),
    "tuned:segments=6": ("tuned, 6 segments", "tab:green"),
}
STEPS = {
    "int8": "INT8",
    "int8-asym": "no sign bit",
    "tuned:segments=2,sign=0": "2nd step",
    "tuned:segments=3,sign=0": "3rd step",
    "tuned:segments=4": "4th step",
    "tuned:segments=5": "5th step",
    "tuned:segments=6": "6th step",
}
RECIPES = {
    "quamba": ("Quamba, INT8", "tab:red"),
    "quamba-se8": ("Quamba, x in se8", "tab:olive"),
    "quamba-se": ("Quamba, x in se9-paper", "tab:purple"),
    "quamba-rotated": ("Quamba, rotated", "tab:orange"),
    "quamba-rows": ("Quamba, steps for rows", "tab:orange"),
    "quamba-rotated-rows": ("Quamba, both", "tab:orange"),
    "quamba-smoothed": ("Quamba, SmoothQuant", "tab:orange"),
    "fp8-e4m3": ("float8 e4m3", "tab:gray"),
    "fp8-e3m4": ("float8 e3m4", "tab:gray"),
    "mxfp8": ("MXFP8", "tab:gray"),
    "integer-8": ("integer, 8 bits", "tab:green"),
    "integer-16": ("integer, locals 16 bits", "tab:blue"),
}
Load = Callable[[str], dict[str, Any]]


def draw_all(load: Load) -> None:
    """All of them, into docs/."""
    for model in MODELS:
        _layers(load(f"x-{model}"), DOCS / f"accuracy-{model}.png", MODELS[model])
    _gain(load, DOCS / "accuracy-gain.png")
    _kl(load, DOCS / "accuracy-kl.png", "x", STYLES)
    _kl(load, DOCS / "accuracy-integer.png", "integer", RECIPES)


def _layers(document: dict[str, Any], path: Path, title: str) -> None:
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    limit = document["limit_sqnr_db"]["held_out"]
    axes.plot(range(len(limit)), limit, color="black", lw=2, ls="--", label="limit: best 256 levels")
    for spec, (name, color) in STYLES.items():
        values = [layer["held_out"]["sqnr_db"] for layer in document["formats"][spec]["layers"]]
        axes.plot(range(len(values)), values, marker="o", color=color, label=name)
    axes.set(xlabel="layer", ylabel="SQNR of x (dB), held-out text", title=title, xticks=range(len(limit)))
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=110)


def _gain(load: Load, path: Path) -> None:
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, (model, title) in zip(figure.subplots(1, 2, sharey=True), MODELS.items(), strict=True):
        document = load(f"x-{model}")
        below = None
        for place, spec in enumerate(STEPS):
            mean = statistics.mean(layer["held_out"]["sqnr_db"] for layer in document["formats"][spec]["layers"])
            base = 25.0 if below is None else below
            axes.bar(place, mean - base, bottom=base, color="tab:gray" if below is None else "tab:green")
            if below is None:
                axes.annotate(f"{mean:.1f}", (place, mean), ha="center", va="bottom")
            else:
                axes.annotate(f"{mean - base:+.1f}", (place, base), ha="center", va="top")
            below = mean
        limit = statistics.mean(document["limit_sqnr_db"]["held_out"])
        axes.axhline(limit, color="black", ls="--", label=f"limit {limit:.1f} dB")
        axes.set_xticks(range(len(STEPS)), list(STEPS.values()), rotation=35, ha="right")
        axes.set(title=title, ylabel="mean SQNR of x (dB)", ylim=(25, limit + 2))
        axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def _kl(load: Load, path: Path, run: str, styles: dict[str, tuple[str, str]]) -> None:
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, (model, title) in zip(figure.subplots(1, 2), MODELS.items(), strict=True):
        document = load(f"{run}-{model}")
        for place, (spec, (_, color)) in enumerate(styles.items()):
            kl = document["formats"][spec]["kl"]
            spread = [[1e3 * (kl["mean"] - kl["low"])], [1e3 * (kl["high"] - kl["mean"])]]
            axes.errorbar([1e3 * kl["mean"]], [place], xerr=spread, marker="o", color=color, capsize=3)
        axes.set_yticks(range(len(styles)), [name for name, _ in styles.values()])
        axes.set(xscale="log", xlabel="KL from unquantized (mnat/token)", title=title)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.grid(alpha=0.3)
        axes.invert_yaxis()
    figure.savefig(path, dpi=110)
