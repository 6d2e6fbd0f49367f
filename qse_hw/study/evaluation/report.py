"""The report of eval: its part on formats, and its tables.

Version 2 of the schema has ``kl_ratio`` in every entry of ``formats``, and the recipe integer: its entries of
``formats`` are whole models, with a ``group`` instead of layers; :mod:`qse_hw.study.evaluation.integer` has the rest.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qse_hw.study.console import console, table
from qse_hw.study.evaluation.integer_tables import show_integer

if TYPE_CHECKING:
    from qse_hw.golden.calibration.candidates import Candidate
    from qse_hw.golden.evaluate.bootstrap import Bootstrap, Estimate
    from qse_hw.golden.evaluate.layers import Losses
    from qse_hw.golden.evaluate.score import Scores, Sums

SCHEMA = "qse-hw/eval/2"
_MOST_COLUMNS = 12  # layers that a table shows; of more, evenly spread ones


def describe_model(nll: "Sums", scores: "Scores", draws: "Bootstrap", tokens_per_byte: float) -> dict[str, Any]:
    """Bits per byte and token, and perplexity, of a negative log likelihood per window in nats."""
    bits = draws.estimate(nll / scores.predictions / math.log(2))
    return {
        "bits_per_byte": scaled(bits, tokens_per_byte),
        "bits_per_token": bits.mean,
        "perplexity": 2**bits.mean,
    }


def describe_formats(
    candidates: "Mapping[str, Sequence[Candidate]]",
    fitted: "Losses",
    measured: "Losses",
    scores: "Scores",
    draws: "Bootstrap",
    tokens_per_byte: float,
    reference: str,
) -> dict[str, Any]:
    """By format: layers on both texts, and the model's KL divergence and bits."""
    return {
        name: entry | describe_losses(name, scores, draws, tokens_per_byte, reference)
        for name, entry in describe_layers(candidates, fitted, measured).items()
    }


def describe_layers(
    candidates: "Mapping[str, Sequence[Candidate]]", fitted: "Losses", measured: "Losses"
) -> dict[str, Any]:
    """By format: layers on the values it was fitted to, and on those held out."""
    from qse_hw.golden.evaluate.layers import finite

    texts = {"calibration": fitted, "held_out": measured}
    document = {}
    for name, by_layer in candidates.items():
        document[name] = {
            "bits": by_layer[0].bits,
            "layers": [
                {"detail": one.detail}
                | {
                    text: {
                        "sqnr_db": finite(losses.sqnr_db[name][layer]),  # null: nothing is lost
                        "distance_db": finite(losses.distance_db(name)[layer]),
                    }
                    for text, losses in texts.items()
                }
                for layer, one in enumerate(by_layer)
            ],
            "worst": {
                text: dict(zip(("layer", "distance_db"), (worst[0], finite(worst[1])), strict=True))
                for text, losses in texts.items()
                for worst in (losses.worst(name),)
            },
        }
    return document


def describe_limits(fitted: "Losses", measured: "Losses") -> dict[str, Any]:
    """The SQNR of the best 256 levels for each layer's own values."""
    from qse_hw.golden.evaluate.layers import finite

    return {
        text: [finite(value) for value in losses.limit_db]
        for text, losses in (("calibration", fitted), ("held_out", measured))
    }


def describe_losses(
    name: str, scores: "Scores", draws: "Bootstrap", tokens_per_byte: float, reference: str
) -> dict[str, Any]:
    """KL divergence and bits of one model, and how they compare with the reference's and the unquantized model's."""
    kl, least = scores.kl[name] / scores.predictions, scores.kl[reference] / scores.predictions
    nll = (scores.candidate_nll[name] - scores.nll) / scores.predictions / math.log(2)
    ratio = draws.ratio(kl, least)
    return {
        "kl": scaled(draws.estimate(kl)),
        "kl_difference": _difference(draws.estimate(kl - least)),
        "kl_ratio": None if ratio is None else scaled(ratio),
        **describe_model(scores.candidate_nll[name], scores, draws, tokens_per_byte),
        "bits_per_byte_difference": _difference(draws.estimate(nll), tokens_per_byte),
    }


def scaled(estimate: "Estimate", by: float = 1.0) -> dict[str, Any]:
    """A mean and its interval, times a factor."""
    low, high = (None if bound is None else bound * by for bound in (estimate.low, estimate.high))
    return {"mean": estimate.mean * by, "low": low, "high": high}


def _difference(estimate: "Estimate", by: float = 1.0) -> dict[str, Any]:
    return scaled(estimate, by) | {"within_noise": estimate.within_noise}


def show(document: dict[str, Any]) -> None:
    """Print what was evaluated, and the tables."""
    model, texts = document["model"], document["texts"]
    console.print(
        f"model: {model['architecture']}, {model['layers']} layers, {model['fingerprint'][:12]}; recipe: "
        f"{document['recipe']}; fitted to {texts['calibration']['tokens']} tokens of {texts['calibration']['name']}, "
        f"evaluated on {texts['held_out']['tokens']} of {texts['held_out']['name']}"
    )
    if document["recipe"] == "integer":
        show_integer(document)
    else:
        show_layers(document, "held-out text")
        _show_model(document)
    if document["tasks"]:
        _show_tasks(document["tasks"])


def show_layers(document: dict[str, Any], of: str) -> None:
    """Print SQNR and distance to the limit by layer; ``of`` says on which values."""
    formats = document["formats"]
    limit = document["limit_sqnr_db"]["held_out"]
    count = len(limit)
    some = list(range(count))[:: -(-count // _MOST_COLUMNS)]
    rows = [["limit", *(_decibel(limit[layer]) for layer in some), ""]]
    distances = []
    for spec, entry in formats.items():
        held_out = [layer["held_out"] for layer in entry["layers"]]
        values = [layer["sqnr_db"] for layer in held_out]
        mean = None if None in values else sum(values) / count
        rows.append([spec, *(_decibel(values[layer]) for layer in some), _decibel(mean)])
        worst = entry["worst"]["held_out"]
        distances.append([
            spec, *(_decibel(held_out[layer]["distance_db"]) for layer in some),
            f"{_decibel(worst['distance_db'])} (layer {worst['layer']})",
        ])  # fmt: skip
    columns = ["format", *(str(layer) for layer in some)]
    table(f"SQNR of x in dB by layer, {of}", [*columns, "mean"], rows)
    table(
        f"Distance to the limit in dB by layer, {of}",
        [*columns, "worst of all layers"],
        distances,
        caption="limit: the best 256 levels for the held-out values themselves; only quamba2, which has more "
        "than one scale, and se9-paper, which has more levels, can pass it",
    )


def _show_model(document: dict[str, Any]) -> None:
    reference, plain = document["reference"], document["unquantised"]
    bytewise = plain["bits_per_token"] == plain["bits_per_byte"]["mean"]
    rows = [["unquantised", "", "", "", *_likelihood(plain, bytewise), ""]]
    for spec, entry in document["formats"].items():
        difference = "" if spec == reference else _marked(entry["kl_difference"])
        rows.append([
            spec, str(entry["bits"]), f"{1000 * entry['kl']['mean']:.3g}{_interval(entry['kl'])}", difference,
            *_likelihood(entry, bytewise), _marked(entry["bits_per_byte_difference"]),
        ])  # fmt: skip
    likelihood = ["bits/byte"] if bytewise else ["bits/byte", "bits/token", "perplexity"]
    table(
        f"The whole model, windows of {document['window']} tokens: {document['windows']}",
        ["format", "bits", "KL, mnat/token", f"KL minus {reference}'s", *likelihood, "minus unquantized's, mbit/byte"],
        rows,
        caption="mnat, mbit: thousandths; [95 % interval over windows]; = : a difference within noise"
        if document["formats"][reference]["kl"]["low"] is not None
        else "= : with so few windows every difference may be noise; give more tokens",
    )


def _likelihood(entry: dict[str, Any], bytewise: bool) -> list[str]:
    per_byte = f"{entry['bits_per_byte']['mean']:.4f}"
    return [per_byte] if bytewise else [per_byte, f"{entry['bits_per_token']:.4f}", f"{entry['perplexity']:.3f}"]


def _show_tasks(tasks: dict[str, Any]) -> None:
    names = list(tasks)
    for task in dict.fromkeys(row["task"] for row in tasks[names[0]]):
        wanted = [row for row in tasks[names[0]] if row["task"] == task]
        rows = []
        for place, name in enumerate(names):
            cells = []
            for row in (row for row in tasks[name] if row["task"] == task):
                cell = f"{row['value']:.4g}" + ("" if row["stderr"] is None else f" ± {row['stderr']:.2g}")
                cells.append(cell if place == 0 else f"{cell}  {_task_difference(row)}")
            rows.append([name, *cells])
        table(
            f"{task}, {wanted[0]['questions']} questions",
            ["format", *(f"{row['metric']} {_arrow(row['higher_is_better'])}".rstrip() for row in wanted)],
            rows,
            caption="± standard error; then the difference to the unquantized model: = if below 2 standard errors, "
            "? if the harness knows none",
        )


def _task_difference(row: dict[str, Any]) -> str:
    if row["within_noise"]:
        return "="
    return f"({row['difference']:+.2g}{'?' if row['within_noise'] is None else ''})"


def _arrow(higher_is_better: bool | None) -> str:
    return {True: "(more is better)", False: "(less is better)", None: ""}[higher_is_better]


def _marked(difference: dict[str, Any]) -> str:
    return "=" if difference["within_noise"] else f"{1000 * difference['mean']:+.3g}{_interval(difference)}"


def _interval(estimate: dict[str, Any]) -> str:
    return "" if estimate["low"] is None else f" [{1000 * estimate['low']:.3g}, {1000 * estimate['high']:.3g}]"


def _decibel(value: float | None) -> str:
    return "inf" if value is None else f"{value:.1f}"
