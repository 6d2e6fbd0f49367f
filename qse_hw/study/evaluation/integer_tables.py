"""The tables of the recipe integer."""

from statistics import fmean
from typing import Any

from qse_hw.study.console import console, table

NAMES = {
    "integer-16": "integer, local tensors of 16 bits",
    "integer-8": "integer, 8 bits everywhere",
    "integer-16-nearest": "integer, local tensors of 16 bits, weights to nearest",
    "integer-8-nearest": "integer, 8 bits everywhere, weights to nearest",
    "calibration": "integer, as calibrated",
    "quamba": "Quamba, INT8",
    "quamba-se8": "Quamba, x in se8, L = 8",
    "quamba-se": "Quamba, x in se9-paper (9 bits)",
    "quamba-simulated": "Quamba, simulated in float32",
    "quamba-rotated": "the same, residual stream rotated",
    "quamba-rows": "the same, a step for every weight row",
    "quamba-rotated-rows": "the same, both",
    "quamba-smoothed": "the same, SmoothQuant's folding",
    "fp8-e4m3": "float8 e4m3 everywhere",
    "fp8-e3m4": "float8 e3m4 everywhere",
    "mxfp8": "MXFP8 (e4m3) everywhere",
}
PARTS = {
    "all": "the whole recipe, simulated",
    "without rotate_residual": "residual stream not rotated",
    "without fold_norms": "nor norms folded",
    "without rotate_y": "y not rotated",
    "without row scales": "one step for a weight matrix",
    "without soft edges": "INT8 for norm, x, dt_low, y",
}
KINDS = {
    "absmax": "INT8, peak",
    "int8": "INT8, least squares",
    "chosen": "as calibrated",
    "tensor": "INT8, one step",
    "row": "INT8, a step for every row",
}


def show_integer(document: dict[str, Any]) -> None:
    """Print all that the recipe integer measures."""
    _show_models(document)
    if "parts" in document:
        _show_parts(document["parts"])
    if "tensors" in document:
        _show_tensors(document["tensors"])
    for name, counts in document["saturated"].items():
        words = ", ".join(f"{tensor} {count:,}" for tensor, count in counts.items()) or "none"
        console.print(f"saturated values of {NAMES[name]}: {words}")
    console.print(f"bytes of a head that no longer shares the embedding's weights: {document['untied_bytes']:,}")


def _show_models(document: dict[str, Any]) -> None:
    plain = document["unquantised"]["bits_per_byte"]["mean"]
    rows = [["unquantized", "", "", f"{plain:.4f}", ""]]
    for name, entry in document["formats"].items():
        alpha = f", alpha {entry['alpha']}" if "alpha" in entry else ""
        rows.append([
            f"{NAMES[name]}{alpha}", thousandths(entry["kl"]), plain_interval(entry["kl_ratio"]),
            f"{entry['bits_per_byte']['mean']:.4f}", _marked(entry["bits_per_byte_difference"]),
        ])  # fmt: skip
    table(
        f"The whole model, windows of {document['window']} tokens: {document['windows']}",
        ["recipe", "KL, mnat/token", "over Quamba's", "bits/byte", "minus unquantized's, mbit/byte"],
        rows,
        caption="mnat, mbit: thousandths; [95 % interval over windows]; = : a difference within noise; Quamba's alpha "
        "is the best of seven on the held-out text itself; groups: a scale for each of 8 groups of channels (Quamba2)",
    )


def _show_parts(parts: dict[str, Any]) -> None:
    rows = [
        [PARTS[name], thousandths(entry["kl"]), plain_interval(entry["kl_ratio"])] for name, entry in parts.items()
    ]
    table("What each part brings, 8 bits everywhere", ["recipe", "KL, mnat/token", "over the whole's"], rows)


def _show_tensors(tensors: dict[str, Any]) -> None:
    rows = []
    for name, effect in tensors["effects"].items():
        for number, (kind, one) in enumerate(effect["kinds"].items()):
            won = " ".join(what for what, best in effect["winner"].items() if best == kind)
            rows.append([
                "" if number else name, KINDS[kind], thousandths(one["kl"]), mean_db(one["sqnr_db"]),
                won.replace("_db", "") if len(effect["kinds"]) > 1 else "",
            ])  # fmt: skip
    table(
        f"Each tensor alone, all layers, {tensors['windows']} windows",
        ["tensor", "rounded to", "KL, mnat/token", "SQNR dB, mean", "wins by"],
        rows,
    )


def mean_db(values: list[float | None]) -> str:
    """Of all layers; inf if nothing is lost in one of them."""
    finite = [value for value in values if value is not None]
    return f"{fmean(finite):.1f}" if len(finite) == len(values) else "inf"


def thousandths(estimate: dict[str, Any]) -> str:
    """Mean and interval, times 1,000."""
    return plain_interval({name: None if value is None else 1000 * value for name, value in estimate.items()})


def plain_interval(estimate: dict[str, Any] | None) -> str:
    """Mean and interval."""
    if estimate is None:
        return "-"
    interval = "" if estimate["low"] is None else f" [{estimate['low']:.3g}, {estimate['high']:.3g}]"
    return f"{estimate['mean']:.3g}{interval}"


def _marked(difference: dict[str, Any]) -> str:
    return "=" if difference["within_noise"] else thousandths({key: difference[key] for key in ("mean", "low", "high")})
