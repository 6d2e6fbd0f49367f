"""What quantizing x costs a model: SQNR and distance to the limit by layer, KL divergence, bits per byte, tasks."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qse_hw import golden
from qse_hw.cli.arguments import check_output
from qse_hw.golden.calibration.calibration import check_objective, read_calibration
from qse_hw.golden.calibration.candidates import Candidate
from qse_hw.golden.calibration.sharing import MODES, check_mode
from qse_hw.golden.calibration.spec import CandidateSpec, parse_candidate, parse_candidates
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress
from qse_hw.study.evaluation import SCHEMA, describe_formats, describe_model, show
from qse_hw.study.sources import integer

if TYPE_CHECKING:
    from qse_hw.golden.evaluate.lm_eval import Tasks
    from qse_hw.golden.evaluate.score import Forward
    from qse_hw.golden.models.mamba.stream import Layers
    from qse_hw.golden.models.mamba.text import Text, Tokenizer

TEXTS = Path(golden.__file__).parent / "assets" / "text"
FORMATS = (
    "int8,quamba,quamba2,int8-asym,se8:L=8,se8,se8-silu,se9-paper,fp8-e4m3,fp8-e3m4,"
    "tuned:segments=3,tuned:segments=4,tuned:segments=6,lloyd-max"
)
TOKENS, CALIBRATION_TOKENS = 16384, 8192
UNQUANTIZED = "unquantised"
CALIBRATION = "calibration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, texts, candidates, what else is quantized, tasks, report."""
    parser.add_argument("--model", metavar="DIR", help="local Mamba checkpoint (default: the bundled one)")
    parser.add_argument("--text", metavar="FILE", help="held-out text to evaluate on (default: bundled, Doyle)")
    parser.add_argument(
        "--calibration-text", metavar="FILE", help="text to fit formats to (default: bundled, Melville)"
    )
    parser.add_argument("--tokens", metavar="N", type=integer, help=f"of the held-out text (default up to {TOKENS})")
    parser.add_argument(
        "--calibration-tokens", metavar="N", type=integer, help=f"of the other (default up to {CALIBRATION_TOKENS})"
    )
    parser.add_argument(
        "--formats", metavar="F,...", default=FORMATS, help="formats and baselines to compare (default: all of them)"
    )
    parser.add_argument(
        "--calibration", metavar="FILE", help=f"also evaluate what calibrate chose, under the name {CALIBRATION}"
    )
    parser.add_argument(
        "--reference", metavar="F", help="the format that others are compared with (default: quamba, or else the first)"
    )
    parser.add_argument("--mode", default="free", help=f"what tuned layers share: {', '.join(MODES)} (default free)")
    parser.add_argument(
        "--objective", metavar="O", default="x",
        help="whose squared error is least: x's, or, by estimated weights, the layer's output's",
    )
    parser.add_argument(
        "--recipe", default="x-only", help="x-only: all but x in float32 (default); quamba: all of the model to 8 bits"
    )
    parser.add_argument("--x-proj-input", default="code", help="with quamba: x_proj reads x's code (default) or int8")
    parser.add_argument("--state", default="fp32", help="with quamba: SSM state in fp32 (default), fp16 or int8")
    parser.add_argument(
        "--scales", metavar="FILE", help="with quamba: the other tensors' scales, read if the file exists, else written"
    )
    parser.add_argument("--tasks", metavar="T,...", help="tasks of lm-evaluation-harness, e.g. lambada_openai,piqa")
    parser.add_argument("--task-path", metavar="DIR", help="folder with further tasks (YAML)")
    parser.add_argument("--limit", metavar="N", type=integer, help="questions per task (default: all)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")


def run(args: argparse.Namespace) -> None:
    """Evaluate, write, print."""
    specs = parse_candidates(args.formats)
    given = [] if args.calibration is None else [CALIBRATION]
    reference = _reference(args.reference, [spec.name for spec in specs], given)
    tasks = _check(args)
    if args.json is not None:
        check_output(args.json)
    document = evaluate(args, specs, reference, tasks)
    if args.json is not None:
        write_json(args.json, document)
    show(document)


def evaluate(
    args: argparse.Namespace, specs: list[CandidateSpec], reference: str, tasks: "Tasks | None"
) -> dict[str, Any]:
    """The whole report, as JSON has it."""
    from qse_hw.golden.evaluate import bootstrap, layers, recipes, score
    from qse_hw.golden.models.mamba.checkpoint import load_model
    from qse_hw.golden.models.mamba.stream import layers_of
    from qse_hw.golden.models.mamba.text import open_tokenizer, read_text

    model = load_model(args.model)
    vocabulary = model.config.vocab_size
    calibration, held_out = (
        read_text(TEXTS / default if given is None else given, vocab_size=vocabulary, directory=args.model)
        for given, default in ((args.calibration_text, "calibration.txt"), (args.text, "held-out.txt"))
    )
    if calibration.sha256 == held_out.sha256:
        raise InputError("Texts must differ: nothing is held out if formats are fitted to the text they are judged on")
    windows = score.cut(held_out.ids, _tokens(args.tokens, TOKENS, held_out, "Tokens"))
    tokens = min(
        _tokens(args.calibration_tokens, CALIBRATION_TOKENS, calibration, "Calibration tokens"), len(calibration.ids)
    )
    stream = layers_of(model)
    given = {} if args.calibration is None else {CALIBRATION: _calibrated(args.calibration, stream)}
    with progress() as report:
        if args.recipe == "quamba":
            build = recipes.quamba(
                model, calibration.ids, tokens=tokens, x_proj_input=args.x_proj_input, state=args.state,
                scales=args.scales,
                progress=lambda share: report("scales of the other tensors", 0.05 * share),
            )  # fmt: skip
        else:
            build = recipes.x_only(model)
        candidates, fitted = layers.fit(
            stream, calibration.ids, specs, tokens=tokens, mode=args.mode, objective=args.objective, given=given,
            progress=lambda share: report("fitting formats to every layer", 0.05 + 0.4 * share),
        )  # fmt: skip
        measured = layers.measure(
            stream, held_out.ids, candidates, tokens=windows.numel(),
            progress=lambda share: report("SQNR on the held-out text", 0.45 + 0.1 * share),
        )  # fmt: skip
        forwards = build({name: [one.quantizer for one in by_layer] for name, by_layer in candidates.items()})
        scores = score.score(
            model, forwards, windows, vocab_size=vocabulary,
            progress=lambda share: report("running the models", 0.55 + 0.45 * share),
        )  # fmt: skip
        answers = {}
        if tasks is not None:
            everybody: dict[str, Forward] = {UNQUANTIZED: model, **forwards}
            answers = _answers(tasks, everybody, open_tokenizer(vocabulary, args.model), args.limit, report)
    draws = bootstrap.Bootstrap(len(windows))
    bits = len(held_out.ids) / held_out.size  # tokens per byte: 1 for a byte-level model
    return {
        "schema": SCHEMA,
        "command": getattr(args, "command", None),
        **environment(),
        "model": {
            "fingerprint": stream.fingerprint(),
            "architecture": model.config.architecture,
            "layers": model.config.n_layer,
            "vocabulary": vocabulary,
        },
        "texts": {
            "calibration": _text(calibration, tokens, args.calibration_text),
            "held_out": _text(held_out, windows.numel(), args.text),
        },
        "recipe": args.recipe,
        "x_proj_input": args.x_proj_input if args.recipe == "quamba" else None,
        "state": args.state if args.recipe == "quamba" else None,
        "mode": args.mode,
        "objective": args.objective,
        "window": score.WINDOW,
        "windows": len(windows),
        "seed": bootstrap.SEED,
        "resamples": bootstrap.RESAMPLES,
        "reference": reference,
        "limit_sqnr_db": {
            text: [layers.finite(value) for value in losses.limit_db]
            for text, losses in (("calibration", fitted), ("held_out", measured))
        },
        UNQUANTIZED: describe_model(scores.nll, scores, draws, bits),
        "formats": describe_formats(candidates, fitted, measured, scores, draws, bits, reference),
        "tasks": answers,
    }


def _check(args: argparse.Namespace) -> "Tasks | None":
    """InputError for what can be seen before anything is loaded; then the tasks, whose data is as quick to miss."""
    check_mode(args.mode)
    check_objective(args.objective)
    from qse_hw.golden.evaluate.recipes import check_recipe

    check_recipe(args.recipe, args.x_proj_input, args.state)
    for what, value in (("Tokens", args.tokens), ("Calibration tokens", args.calibration_tokens)):
        if value is not None and value < 1:
            raise InputError(f"{what} must be at least 1, not {value}")
    if args.scales is not None:
        if args.recipe != "quamba":
            raise InputError(f"Recipe must be quamba where --scales is given, not {args.recipe}")
        if not Path(args.scales).exists():
            check_output(args.scales)
    if args.tasks is None:
        if (args.task_path, args.limit) != (None, None):
            raise InputError("Tasks must be named where --task-path or --limit is given: give --tasks")
        return None
    if args.limit is not None and args.limit < 1:
        raise InputError(f"Limit must be at least 1 question per task, not {args.limit}")
    from qse_hw.golden.evaluate.lm_eval import Tasks

    with console.status("loading tasks"):
        return Tasks([name.strip() for name in args.tasks.split(",") if name.strip()], args.task_path)


def _calibrated(path: str, layers: "Layers") -> list[Candidate]:
    calibration = read_calibration(path)
    config = layers.config
    calibration.check(
        layers=config.n_layer, channels=config.d_inner, model=layers.fingerprint(), whose="checkpoint's"
    )
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


def _tokens(wanted: int | None, default: int, text: "Text", what: str) -> int:
    if wanted is None:
        return default
    if wanted > len(text.ids):
        raise InputError(f"{what} must be at most the text's {len(text.ids)}, not {wanted}; give a longer text")
    return wanted


def _text(text: "Text", tokens: int, given: str | None) -> dict[str, Any]:
    name = Path(text.source).name if given is not None else f"bundled {Path(text.source).name}"
    return {"name": name, "sha256": text.sha256, "bytes": text.size, "tokens": tokens}


def _answers(
    tasks: "Tasks", models: "Mapping[str, Forward]", tokenizer: "Tokenizer", limit: int | None, report: Any
) -> dict[str, Any]:
    """By model, then by task and metric."""
    from qse_hw.golden.evaluate.lm_eval import HarnessModel, Metric

    answers: dict[str, Sequence[Metric]] = {}
    for number, (name, forward) in enumerate(models.items()):
        report(f"tasks with {name}", number / len(models))
        answers[name] = tasks.run(HarnessModel(forward, tokenizer), limit=limit)
    return {
        name: [
            {
                "task": own.task,
                "metric": own.metric,
                "value": own.value,
                "stderr": own.stderr,
                "higher_is_better": own.higher_is_better,
                "questions": own.samples,
                "difference": own.value - plain.value,
                "within_noise": own.within_noise(plain),
            }
            for own, plain in zip(metrics, answers[UNQUANTIZED], strict=True)
        ]
        for name, metrics in answers.items()
    }
