"""The table of docs/accuracy.md on the published models, from what docs/public_study.py found."""

import statistics
from collections.abc import Callable
from typing import Any

from blocks import markdown

RIVALS = {
    "int8": "over INT8, best scale",
    "quamba": "over Quamba's INT8, best alpha",
    "se8-silu": "over `se8-silu`, K and zero point tuned",
    "se9-paper": "over `se9-paper`, best scale (9 bits)",
}
BEST = "tuned:segments=6"


def public(load: Callable[[str], dict[str, Any]]) -> str:
    """What six tuned segments have over other formats, and how far they are below the limit, by layer."""
    document, rows = load("public-x"), []
    most = max(len(model["layers"]) for model in document["models"].values())
    for name, model in document["models"].items():
        layers = model["layers"]
        own = [layer["sqnr_db"][BEST] for layer in layers]
        margins = {
            words: [value - layer["sqnr_db"][rival] for value, layer in zip(own, layers, strict=True)]
            for rival, words in RIVALS.items()
        }
        margins["below the limit"] = [layer["limit_sqnr_db"] - value for value, layer in zip(own, layers, strict=True)]
        for words, values in margins.items():
            cells = [f"{value:.1f}" for value in values] + [""] * (most - len(values))
            rows.append([f"{name}: tuned, 6 segments, {words}", *cells, f"{statistics.mean(values):.1f}"])
    return markdown(["dB, held-out", *(f"layer {n}" for n in range(most)), "mean"], rows)
