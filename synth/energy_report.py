"""The energies of a report as rows of tables: of units per value, of whole models per token."""

from collections.abc import Mapping, Sequence
from typing import Any

ENERGY_HEADINGS = ("unit", "target", "data", "values", "toggles/value", "pJ/value", "leakage/nW")
TOKEN_HEADINGS = (
    "model", "target", "tokens", "cycles/token", "toggles/token", "switching/uJ", "internal/uJ", "clock/uJ", "uJ/token",
    "leakage/uW",
)  # fmt: skip
TOKEN_PARTS = ("switching", "internal", "clock", "energy")


def energy_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Toggles and energy as rows for :data:`ENERGY_HEADINGS`; pairs without and with glitches."""
    return [
        [
            result["label"], result["target"], one["stimulus"], f"{one['values']:,}", _span(one["toggles"], "{:.1f}"),
            _span(one.get("energy"), "{:.1f}"),
            "-" if one.get("leakage") is None else f"{one['leakage'] * 1e9:.1f}",
        ]
        for result in report["results"]
        for one in result.get("energy", ())
    ]  # fmt: skip


def token_energy_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Energy per token of models as rows for :data:`TOKEN_HEADINGS`, ratios in rows below; pairs as above."""
    lines = []
    for result in report["results"]:
        if (one := result.get("energy_per_token")) is None:
            continue
        microjoules = [None if one[name] is None else [pj / 1e6 for pj in one[name]] for name in TOKEN_PARTS]
        lines.append([
            result["label"], result["target"], str(one["tokens"]), f"{one['cycles']:,.0f}",
            _span(one["toggles"], "{:,.0f}"), *(_span(pair, "{:,.1f}") for pair in microjoules),
            "-" if one["leakage"] is None else f"{one['leakage'] * 1e6:,.1f}",
        ])  # fmt: skip
        if "ratio" in one:
            factors = [_span(one["ratio"].get(name), "{:.3f}") for name in ("toggles", *TOKEN_PARTS)]
            lines.append([f"  over {result['baseline']}", "", "", "", *factors, ""])
    return lines


def _span(pair: Sequence[float] | None, form: str) -> str:
    """A pair; one figure if both are shown alike."""
    return "-" if pair is None else "-".join(dict.fromkeys(form.format(number) for number in pair))
