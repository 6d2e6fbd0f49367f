"""The recipe integer of eval: the integer model beside Quamba and others; what each of its tensors and parts does.

Beside what every report has: entries of ``formats`` have a ``group`` (integer, quamba, baseline); where percentiles
were swept the best ``alpha`` and the KL of all (``swept``); of integer models ``kl_ratios`` to all of Quamba's recipes.
``parts`` has the integer model without one part of it, simulated; ``tensors`` each tensor rounded alone; ``saturated``
how often each tensor saturated, by integer model; ``untied_bytes`` what a head costs that no longer shares the
embedding's weights.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

from qse_hw.golden.calibration.candidates import ALPHAS
from qse_hw.golden.calibration.spec import GROUPED, parse_candidates
from qse_hw.golden.evaluate import baselines, layers, recipes
from qse_hw.golden.evaluate.bootstrap import Bootstrap
from qse_hw.golden.evaluate.by_tensor import by_tensor
from qse_hw.golden.evaluate.score import Forward, Scores, score
from qse_hw.golden.evaluate.simulated import simulate
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.document import read_formats
from qse_hw.golden.models.integer.error_feedback import round_weights
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import LocalBits, Options
from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.stream import layers_of
from qse_hw.study.calibrate import warn_of_slow_search
from qse_hw.study.console import progress
from qse_hw.study.evaluation.inputs import CALIBRATION, Inputs
from qse_hw.study.evaluation.report import describe_losses, scaled

REFERENCE = "quamba"
RIVALS = ("quamba", "quamba-se8", "quamba-se")
"""x in Quamba's recipe: INT8, the paper's layout in 8 bits, and in the 9 that its simulation has."""
GROUPS = "groups"
"""In the place of a percentile: INT8 with a scale for each of 8 groups of channels, as Quamba2 has it."""
TENSOR_WINDOWS = 8  # for which each tensor is rounded alone, dozens of models

Report = Callable[[str, float], None]


def measure(
    inputs: Inputs, calibration: str | None, rounded_model: str | None, parts: list[str]
) -> tuple[Scores, dict[str, Any]]:
    """The scores, and what the report says beside model and texts.

    Args:
        inputs: model and texts.
        calibration: file of formats to evaluate; None: they are found, with 16 bits for local tensors and with 8, for
            weights rounded with error feedback and to nearest.
        rounded_model: directory of the checkpoint that the file is for; None: the model itself.
        parts: what to measure beside the models: "baselines", "parts", "tensors".
    """
    with progress() as report:
        quantized = _quantized(inputs, calibration, rounded_model, report)
        integers = {name: IntegerMamba.of(one.model, one.formats) for name, one in quantized.items()}
        rivals = _rivals(inputs, report)
        models: dict[str, Forward] = {**integers, **rivals}
        scores = _score(inputs, models, lambda share: report("running the models", 0.4 + 0.2 * share))
        scores, swept = _best(inputs, scores, rivals)
        groups = {**dict.fromkeys(integers, "integer"), **dict.fromkeys(RIVALS, "quamba")}
        chosen = list(quantized.values())[-1]
        if "baselines" in parts:
            x = _sweep(inputs, REFERENCE)[swept[REFERENCE]["alpha"]]
            others = baselines.baselines(inputs.mamba.config.architecture, x)
            made = simulate(
                inputs.mamba, inputs.calibration, others, tokens=inputs.tokens,
                progress=lambda share: report("fitting other recipes", 0.6 + 0.05 * share),
            )  # fmt: skip
            scores = _joined(
                scores, _score(inputs, made, lambda share: report("running other recipes", 0.65 + 0.1 * share))
            )
            groups |= dict.fromkeys(made, "baseline")
        document: dict[str, Any] = {
            "reference": REFERENCE,
            "formats": {
                name: {
                    "group": group,
                    **swept.get(name, {}),
                    **_losses(inputs, scores, name, REFERENCE),
                    **(_ratios(inputs, scores, name) if group == "integer" else {}),
                }
                for name, group in groups.items()
            },
            "saturated": {name: _saturated(model) for name, model in integers.items()},
            "untied_bytes": chosen.formats.transformations.added_bytes(inputs.mamba.config),
        }
        if "parts" in parts:
            document["parts"] = _parts(inputs, chosen, report)
        if "tensors" in parts:
            document["tensors"] = _tensors(inputs, chosen, report)
        best = {name: rivals[_sweep(inputs, name)[one["alpha"]]] for name, one in swept.items()}
        document["tasks"] = inputs.answers({**integers, **best}, report)
    return scores, document


class _Quantized(NamedTuple):
    """Formats, and the checkpoint that they are for."""

    model: Mamba
    formats: ModelFormats


def _quantized(
    inputs: Inputs, calibration: str | None, rounded_model: str | None, report: Report
) -> dict[str, _Quantized]:
    """By name; the last one is that whose tensors and parts are looked at."""
    if calibration is not None:
        model = inputs.mamba if rounded_model is None else load_model(rounded_model)
        return {CALIBRATION: _Quantized(model, read_formats(calibration))}
    warn_of_slow_search([Options().spec])
    layers_ = inputs.mamba.config.n_layer
    rounded = round_weights(
        inputs.mamba, inputs.calibration, tokens=inputs.tokens,
        progress=lambda layer: report("rounding weights", 0.05 * (layer + 1) / layers_),
    )  # fmt: skip
    quantized = {}
    widths: tuple[LocalBits, ...] = (16, 8)
    for number, (end, model, bits) in enumerate(
        (end, model, bits) for end, model in (("", rounded), ("-nearest", inputs.mamba)) for bits in widths
    ):
        formats = calibrate_integer(
            model, inputs.calibration, tokens=inputs.tokens, options=Options(local_bits=bits),
            progress=lambda layer, bits=bits, number=number: report(  # type: ignore[misc]
                f"formats of every tensor, local ones of {bits} bits", 0.05 + 0.06 * (number + (layer + 1) / layers_)
            ),
        )  # fmt: skip
        quantized[f"integer-{bits}{end}"] = _Quantized(model, formats)
    return quantized


def _rivals(inputs: Inputs, report: Report) -> Mapping[str, Forward]:
    """Quamba's recipe with every rival's x at every percentile."""
    names = [spec for name in RIVALS for spec in _sweep(inputs, name).values()]
    build = recipes.quamba(
        inputs.mamba, inputs.calibration, tokens=inputs.tokens,
        progress=lambda share: report("scales of Quamba", 0.3 + 0.02 * share),
    )  # fmt: skip
    candidates, _ = layers.fit(
        layers_of(inputs.mamba), inputs.calibration, parse_candidates(",".join(names)), tokens=inputs.tokens,
        progress=lambda share: report("percentiles of x", 0.32 + 0.08 * share),
    )  # fmt: skip
    return build({name: [one.quantizer for one in by_layer] for name, by_layer in candidates.items()})


def _sweep(inputs: Inputs, rival: str) -> dict[float | str, str]:
    """The formats of x of which a rival has the best, by percentile."""
    specs: dict[float | str, str] = {alpha: f"{rival}:alpha={alpha}" for alpha in ALPHAS}
    if rival == REFERENCE and isinstance(inputs.mamba.config, Mamba2Config):
        specs[GROUPS] = GROUPED
    return specs


def _best(
    inputs: Inputs, scores: Scores, rivals: Mapping[str, Forward]
) -> tuple[Scores, dict[str, dict[str, Any]]]:
    """The scores with every rival's best percentile only, under the rival's name; and percentile and KL of all.

    The best is that with the least KL on the held-out text itself, which only a rival is granted.
    """
    swept: dict[str, dict[str, Any]] = {}
    kl, nll = dict(scores.kl), dict(scores.candidate_nll)
    for name in RIVALS:
        own = _sweep(inputs, name)
        best = min(own, key=lambda alpha: float(scores.kl[own[alpha]].sum()))
        means = {str(alpha): float(scores.kl[one].mean()) / scores.predictions for alpha, one in own.items()}
        swept[name] = {"alpha": best, "swept": means}
        kl[name], nll[name] = kl[own[best]], nll[own[best]]
    return replace(
        scores,
        kl={name: one for name, one in kl.items() if name not in rivals},
        candidate_nll={name: one for name, one in nll.items() if name not in rivals},
    ), swept


def _parts(inputs: Inputs, chosen: _Quantized, report: Report) -> dict[str, Any]:
    """The whole recipe, simulated, and without one part each: losses beside the whole's."""
    models = simulate(
        chosen.model, inputs.calibration, baselines.parts(chosen.formats), tokens=inputs.tokens,
        formats=chosen.formats,
        progress=lambda share: report("fitting the model without its parts", 0.75 + 0.05 * share),
    )  # fmt: skip
    scores = _score(inputs, models, lambda share: report("running it without its parts", 0.8 + 0.05 * share))
    return {name: _losses(inputs, scores, name, "all") for name in models}


def _tensors(inputs: Inputs, chosen: _Quantized, report: Report) -> dict[str, Any]:
    """By tensor or weight and kind of rounding: KL and SQNR by layer; and which kind wins by either."""
    windows = inputs.windows[:TENSOR_WINDOWS]
    effects, scores = by_tensor(
        chosen.model, chosen.formats, inputs.calibration, windows, tokens=inputs.tokens,
        progress=lambda share: report("each tensor alone", 0.85 + 0.15 * share),
    )  # fmt: skip
    draws = Bootstrap(len(windows))
    return {
        "windows": len(windows),
        "effects": {
            name: {
                "kinds": {
                    kind: {
                        "kl": scaled(draws.estimate(one.kl / scores.predictions)),
                        "sqnr_db": [layers.finite(value) for value in one.sqnr_db],
                    }
                    for kind, one in kinds.items()
                },
                "winner": {
                    "kl": min(kinds, key=lambda kind: float(kinds[kind].kl.sum())),
                    "sqnr_db": max(kinds, key=lambda kind: fmean(kinds[kind].sqnr_db)),
                },
            }
            for name, kinds in effects.items()
        },
    }


def _saturated(model: IntegerMamba) -> dict[str, int]:
    """Values by tensor, over all layers and all tokens."""
    totals: Counter[str] = Counter()
    for (_, name), count in model.saturated.items():
        totals[name] += count
    return {name: count for name, count in totals.items() if count}


def _score(inputs: Inputs, models: Mapping[str, Forward], report: Callable[[float], None]) -> Scores:
    return score(
        inputs.mamba, models, inputs.windows, vocab_size=inputs.mamba.config.vocab_size, progress=report
    )


def _ratios(inputs: Inputs, scores: Scores, name: str) -> dict[str, Any]:
    """Of the KL to that of every rival, not the reference alone."""
    ratios = {rival: inputs.draws.ratio(scores.kl[name], scores.kl[rival]) for rival in RIVALS}
    return {"kl_ratios": {rival: None if ratio is None else scaled(ratio) for rival, ratio in ratios.items()}}


def _joined(one: Scores, other: Scores) -> Scores:
    return replace(one, kl=one.kl | other.kl, candidate_nll=one.candidate_nll | other.candidate_nll)


def _losses(inputs: Inputs, scores: Scores, name: str, reference: str) -> dict[str, Any]:
    return describe_losses(name, scores, inputs.draws, inputs.tokens_per_byte, reference)
