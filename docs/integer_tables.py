"""The tables of docs/accuracy.md on the integer model, from what ``eval --recipe integer`` found."""

import statistics
from collections.abc import Callable
from typing import Any

from blocks import markdown
from studies import MODELS

NAMES = {
    "integer-8": "**integer, 8 bits everywhere**",
    "integer-16": "**integer, local tensors of 16 bits**",
    "integer-8-nearest": "integer, 8 bits everywhere, weights rounded to nearest",
    "integer-16-nearest": "integer, local tensors of 16 bits, weights rounded to nearest",
    "quamba": "Quamba, INT8, best alpha",
    "quamba-se8": "Quamba with x in `se8`, L = 8, best alpha",
    "quamba-se": "Quamba with x in `se9-paper` (9 bits), best alpha",
    "quamba-simulated": "Quamba, simulated in float32",
    "quamba-rotated": "the same, residual stream rotated",
    "quamba-rows": "the same, a step for every row of weights",
    "quamba-rotated-rows": "the same, rotated and with steps for rows",
    "quamba-smoothed": "the same, SmoothQuant's folding",
    "fp8-e4m3": "float8 e4m3 everywhere",
    "fp8-e3m4": "float8 e3m4 everywhere",
    "mxfp8": "MXFP8 (e4m3) everywhere",
}
BOUNDS = {"integer-8": 0.2, "integer-16": 0.1}
RIVALS = ("quamba", "quamba-se8", "quamba-se")
PARTS = {
    "all": "all of it",
    "without rotate_residual": "residual stream not rotated",
    "without fold_norms": "neither rotated nor norms folded",
    "without rotate_y": "y not rotated",
    "without row scales": "one step for a whole weight matrix",
    "without soft edges": "INT8 at its best scale for the products' operands",
}
SHARED = {"free": "each layer's own", "shared": "shared by all layers"}
KINDS = {
    "absmax": "INT8, peak",
    "int8": "INT8, least squares",
    "chosen": "as calibrated",
    "tensor": "INT8, one step",
    "row": "INT8, a step for every row",
}

Load = Callable[[str], dict[str, Any]]
Estimate = dict[str, Any]


def claims(load: Load) -> str:
    """What was claimed, by model and rival, and whether it holds."""
    rows = []
    for model, title in MODELS.items():
        entries = load(f"integer-{model}")["formats"]
        for name, bound in BOUNDS.items():
            for rival in RIVALS:
                ratio = entries[name]["kl_ratios"][rival]
                what = f"{title}: {NAMES[name].strip('*')}, over {NAMES[rival]}"
                rows.append([what, interval(ratio), f"{bound:g}", verdict(ratio, bound)])
    return markdown(["KL over KL", "ratio", "at most", "claim"], rows)


def verdict(ratio: Estimate, bound: float) -> str:
    """Only an interval that is wholly within the bound holds."""
    if ratio["high"] <= bound:
        return "holds"
    return "**not certain**" if ratio["mean"] <= bound else "**does not hold**"


def models(load: Load) -> str:
    """KL of every recipe, and over Quamba's."""
    documents = {title: load(f"integer-{model}") for model, title in MODELS.items()}
    rows = []
    for name, words in NAMES.items():
        row = [words]
        for document in documents.values():
            entry = document["formats"][name]
            alpha = f", alpha {entry['alpha']}" if "alpha" in entry else ""
            row += [f"{thousandths(entry['kl'])}{alpha}", interval(entry["kl_ratio"])]
        rows.append(row)
    columns = [cell for title in documents for cell in (f"{title}: KL (mnat/token)", f"{title}, over Quamba's")]
    saturated = []
    for title, document in documents.items():
        counts = document["saturated"]["integer-8"]
        words = ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
        saturated.append(
            f"{title}: saturated values of the 8-bit model in {document['texts']['held_out']['tokens']:,} tokens: "
            f"{words}. The head that no longer shares the embedding's weights adds {document['untied_bytes']:,} bytes."
        )
    return "\n\n".join([markdown(["recipe", *columns], rows), *saturated])


def shared(load: Load) -> str:
    """What it costs that one piece of hardware serves all layers."""
    rows = [
        [
            f"{MODELS[row['model']]}, local tensors of {row['local_bits']} bits", SHARED[row["mode"]],
            interval(row["kl"]), interval(row["kl_ratio"]),
        ]
        for row in load("integer-shared")["results"]
    ]  # fmt: skip
    return markdown(["model", "formats", "KL (mnat/token)", "over each layer's own"], rows)


def parts(load: Load) -> str:
    """What each part of the recipe brings."""
    documents = {title: load(f"integer-{model}")["parts"] for model, title in MODELS.items()}
    rows = [
        [words, *(cell for one in documents.values() for cell in _losses(one[name]))]
        for name, words in PARTS.items()
    ]
    columns = [cell for title in documents for cell in (f"{title}: KL (mnat/token)", f"{title}, over all of it")]
    return markdown(["8 bits everywhere, simulated", *columns], rows)


def _losses(entry: dict[str, Any]) -> tuple[str, str]:
    return thousandths(entry["kl"]), interval(entry["kl_ratio"])


def bits(load: Load) -> str:
    """8 bits everywhere, and one tensor wider."""
    document = load("integer-bits")
    plain, *wider = document["results"]
    rows = [
        [
            one["tensor"] or "none", str(one["bits"]), f"{one['more_bits']:,}", f"{one['held-out']:.3f}",
            f"{round(plain['held-out'] - one['held-out'], 3) + 0:.3f}",
        ]
        for one in (plain, *sorted(wider, key=lambda one: one["held-out"]))
    ]  # fmt: skip
    columns = ["wider tensor", "bits", "more bits a token", "KL (mnat/token)", "less by"]
    command = f"    {document['command']}"
    return "\n\n".join([markdown(columns, rows), f"{document['tokens']:,} held-out tokens.", command])


def objectives(load: Load) -> str:
    """What is made least, at 8 and 16 bits of the local tensors."""
    documents = [load(f"integer-objectives-{local_bits}") for local_bits in (8, 16)]
    rows = [
        [
            str(one["local_bits"]), one["objective"], f"{one['calibration']:.3f}", f"{one['held-out']:.3f}",
            f"{one['cpu_seconds']:.0f}",
        ]
        for document in documents for one in document["results"]
    ]  # fmt: skip
    columns = ["local bits", "objective", "KL on the calibration text", "KL on held-out text", "processor seconds"]
    commands = "\n".join(f"    {document['command']}" for document in documents)
    return "\n\n".join([markdown(columns, rows), f"mnat per token, {documents[0]['tokens']:,} tokens.", commands])


def tensors(document: dict[str, Any]) -> str:
    """Each tensor alone: KL and SQNR of every kind of rounding; where the two choose differently."""
    alone = document["tensors"]
    rows = []
    for name, effect in alone["effects"].items():
        winner = effect["winner"]
        for number, (kind, one) in enumerate(effect["kinds"].items()):
            won = [words for key, words in (("kl", "KL"), ("sqnr_db", "SQNR")) if winner[key] == kind]
            mark = " and ".join(won) if len(effect["kinds"]) > 1 else ""
            if winner["kl"] != winner["sqnr_db"] and mark:
                mark = f"**{mark}**"
            rows.append([
                "" if number else name, KINDS[kind], thousandths(one["kl"]), f"{decibels(one['sqnr_db'])}", mark,
            ])  # fmt: skip
    differ = [
        name for name, effect in alone["effects"].items() if effect["winner"]["kl"] != effect["winner"]["sqnr_db"]
    ]
    words = f"KL and SQNR choose differently for {', '.join(differ)}." if differ else "KL and SQNR choose alike."
    table = markdown(["alone", "rounded to", "KL (mnat/token)", "SQNR (dB)", "best by"], rows)
    return f"{table}\n\n{alone['windows']} windows. {words}"


def decibels(values: list[float | None]) -> str:
    """The mean over the layers; infinite if one of them loses nothing."""
    return "inf" if None in values else f"{statistics.mean(value for value in values if value is not None):.1f}"


def thousandths(estimate: Estimate) -> str:
    """Mean and 95 % interval, times 1,000."""
    return interval({name: 1e3 * value for name, value in estimate.items()})


def interval(estimate: Estimate) -> str:
    """Mean and 95 % interval."""
    return f"{estimate['mean']:.3g} ({estimate['low']:.3g} to {estimate['high']:.3g})"
