"""The recipes x-only and quamba of eval: what x costs in each of several formats."""

import argparse
from typing import Any

from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.calibration.candidates import Candidate
from qse_hw.golden.calibration.spec import CandidateSpec, parse_candidate, parse_candidates
from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate import layers, recipes
from qse_hw.golden.evaluate.score import Scores, score
from qse_hw.golden.models.mamba.stream import Layers, layers_of
from qse_hw.study.calibrate import warn_of_slow_search
from qse_hw.study.console import progress
from qse_hw.study.evaluation.inputs import CALIBRATION, Inputs
from qse_hw.study.evaluation.report import describe_formats, describe_limits


def candidates(args: argparse.Namespace) -> tuple[list[CandidateSpec], str]:
    """What is compared, and the name of what it is compared with.

    Raises:
        InputError: for an unknown format, or a reference that is not among the formats.
    """
    specs = parse_candidates(args.formats)
    given = [] if args.calibration is None else [CALIBRATION]
    return specs, _reference(args.reference, [spec.name for spec in specs], given)


def measure(args: argparse.Namespace, inputs: Inputs) -> tuple[Scores, dict[str, Any]]:
    """The scores, and what the report says beside model and texts."""
    specs, reference = candidates(args)
    model, tokens, windows = inputs.model, inputs.tokens, inputs.windows
    warn_of_slow_search(specs)
    stream = layers_of(model)
    given = {} if args.calibration is None else {CALIBRATION: _calibrated(args.calibration, stream)}
    with progress() as report:
        if args.recipe == "quamba":
            build = recipes.quamba(
                inputs.mamba, inputs.calibration, tokens=tokens, x_proj_input=args.x_proj_input, state=args.state,
                scales=args.scales,
                progress=lambda share: report("scales of the other tensors", 0.05 * share),
            )  # fmt: skip
        else:
            build = recipes.x_only(model)
        fitted_candidates, fitted = layers.fit(
            stream, inputs.calibration, specs, tokens=tokens, mode=args.mode, objective=args.objective, given=given,
            progress=lambda share: report("fitting formats to every layer", 0.05 + 0.4 * share),
        )  # fmt: skip
        measured = layers.measure(
            stream, inputs.held_out, fitted_candidates, tokens=windows.numel(),
            progress=lambda share: report("SQNR on the held-out text", 0.45 + 0.1 * share),
        )  # fmt: skip
        forwards = build({name: [one.quantizer for one in by_layer] for name, by_layer in fitted_candidates.items()})
        scores = score(
            model, forwards, windows, vocab_size=model.config.vocab_size,
            progress=lambda share: report("running the models", 0.55 + 0.45 * share),
        )  # fmt: skip
        answers = inputs.answers(forwards, report)
    return scores, {
        "x_proj_input": args.x_proj_input if args.recipe == "quamba" else None,
        "state": args.state if args.recipe == "quamba" else None,
        "mode": args.mode,
        "objective": args.objective,
        "reference": reference,
        "limit_sqnr_db": describe_limits(fitted, measured),
        "formats": describe_formats(
            fitted_candidates, fitted, measured, scores, inputs.draws, inputs.tokens_per_byte, reference
        ),
        "tasks": answers,
    }


def _calibrated(path: str, layers: Layers) -> list[Candidate]:
    calibration = read_calibration(path)
    config = layers.config
    calibration.check(
        layers=config.n_layer, channels=config.d_inner, model=layers.fingerprint(), whose="checkpoint's",
        norm_groups=config.norm_groups,
    )  # fmt: skip
    return [
        Candidate.of(calibration.format, calibration.layer(number).quantizer) for number in range(config.n_layer)
    ]


def _reference(wanted: str | None, names: list[str], given: list[str]) -> str:
    if wanted is None:
        return "quamba" if "quamba" in names else names[0]
    if wanted in given:
        return wanted
    parse_candidate(wanted)  # says more about what is no candidate at all
    if wanted not in names:
        raise InputError(f"Reference must be among the formats, {', '.join(names)}, and {wanted} is not; add it")
    return wanted
