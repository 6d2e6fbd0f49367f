"""What quantizing costs a model: SQNR and distance to the limit by layer, KL divergence, bits per byte, tasks."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qse_hw.cli.arguments import check_output, refuse_options, set_defaults
from qse_hw.cli.calibrate_integer import check_widths
from qse_hw.golden.calibration.calibration import check_objective
from qse_hw.golden.calibration.sharing import MODES, check_mode
from qse_hw.golden.calibration.spec import parse_candidates
from qse_hw.golden.checks import one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console
from qse_hw.study.evaluation.inputs import CALIBRATION
from qse_hw.study.evaluation.report import SCHEMA, describe_model, show
from qse_hw.study.sources import TEXTS, left_alone
from qse_hw.study.sources import integer as integer_argument

if TYPE_CHECKING:
    from qse_hw.golden.evaluate.lm_eval import Tasks
    from qse_hw.golden.models.mamba.model import Config
    from qse_hw.golden.models.mamba.text import Text

FORMATS = (
    "int8,quamba,quamba2,int8-asym,se8:L=8,se8,se8-silu,se9-paper,fp8-e4m3,fp8-e3m4,"
    "tuned:segments=3,tuned:segments=4,tuned:segments=6,lloyd-max"
)
MODE = "free"
TOKENS, CALIBRATION_TOKENS, INTEGER_TOKENS = 16384, 8192, 4096
PARTS = ("baselines", "parts", "tensors")
X_ONLY = ("formats", "reference", "mode", "objective", "x_proj_input", "state", "scales")
"""Options that the recipe integer does not have."""

OF_A_MODEL = (
    "model", "text", "calibration_text", "tokens", "calibration_tokens", "rounded_model", "reference", "objective",
    "x_proj_input", "state", "scales", "parts", "tasks", "task_path", "limit",
)  # fmt: skip
"""Options that need a model, and activations do not have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, texts, candidates, what else is quantized, tasks, report."""
    parser.add_argument(
        "--activations", metavar="FILE",
        help="in place of a model and texts: fit formats to the tensors in this file (docs/pytorch.md), of any model",
    )
    parser.add_argument("--held-out", metavar="FILE", help="with --activations: the file to judge the formats on")
    parser.add_argument("--model", metavar="DIR", help="local checkpoint, also of a hybrid (default: the bundled one)")
    parser.add_argument("--text", metavar="FILE", help="held-out text to evaluate on (default: bundled, Doyle)")
    parser.add_argument(
        "--calibration-text", metavar="FILE", help="text to fit formats to (default: bundled, Melville)"
    )
    parser.add_argument(
        "--tokens", metavar="N", type=integer_argument,
        help=f"of the held-out text (default up to {TOKENS}; with integer {INTEGER_TOKENS})",
    )
    parser.add_argument(
        "--calibration-tokens", metavar="N", type=integer_argument,
        help=f"of the other (default up to {CALIBRATION_TOKENS})",
    )
    parser.add_argument(
        "--recipe", default="x-only",
        help="x-only: all but x in float32 (default); quamba: all of the model to 8 bits; integer: the integer model, "
        "beside Quamba and other recipes, and what each of its tensors and parts does",
    )
    parser.add_argument("--formats", metavar="F,...", help="formats and baselines of x to compare (default: all)")
    parser.add_argument(
        "--calibration", metavar="FILE",
        help=f"also evaluate what calibrate chose, under the name {CALIBRATION}; with integer: instead of calibrating",
    )
    parser.add_argument(
        "--rounded-model", metavar="DIR",
        help="with integer and --calibration: what calibrate --rounded-model wrote, compared with --model"
    )  # fmt: skip
    parser.add_argument(
        "--reference", metavar="F", help="the format that others are compared with (default: quamba, or else the first)"
    )
    parser.add_argument("--mode", help=f"what tuned layers share: {', '.join(MODES)} (default {MODE})")
    parser.add_argument(
        "--objective", metavar="O",
        help="whose squared error is least: x's (default), or, by estimated weights, the layer's output's",
    )
    parser.add_argument("--x-proj-input", help="with quamba: x_proj reads x's code (default) or int8")
    parser.add_argument("--state", help="with quamba: SSM state in fp32 (default), fp16 or int8")
    parser.add_argument(
        "--scales", metavar="FILE", help="with quamba: the other tensors' scales, read if the file exists, else written"
    )
    parser.add_argument(
        "--parts", metavar="P,...",
        help=f"with integer: what to measure beside the models, of {','.join(PARTS)} (default: all)",
    )
    parser.add_argument("--tasks", metavar="T,...", help="tasks of lm-evaluation-harness, e.g. lambada_openai,piqa")
    parser.add_argument("--task-path", metavar="DIR", help="folder with further tasks (YAML)")
    parser.add_argument("--limit", metavar="N", type=integer_argument, help="questions per task (default: all)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")


def run(args: argparse.Namespace) -> None:
    """Evaluate, write, print."""
    if (args.activations, args.held_out) != (None, None):
        _run_activations(args)
        return
    tasks = _check(args)
    if args.json is not None:
        check_output(args.json)
    document = evaluate(args, tasks)
    if args.json is not None:
        write_json(args.json, document)
    show(document)
    if note := document["model"].get("left_alone"):
        console.print(note)


def _run_activations(args: argparse.Namespace) -> None:
    _check_activations(args)
    from qse_hw.study.evaluation import activations

    if args.json is not None:
        check_output(args.json)
    document = activations.evaluate(args)
    if args.json is not None:
        write_json(args.json, document)
    activations.show(document)


def evaluate(args: argparse.Namespace, tasks: "Tasks | None") -> dict[str, Any]:
    """The whole report, as JSON has it."""
    from qse_hw.golden.evaluate import bootstrap, score
    from qse_hw.golden.models.mamba.checkpoint import locate
    from qse_hw.golden.models.mamba.layout import read_config
    from qse_hw.golden.models.mamba.pretrained import is_relative, load_any, vocabulary
    from qse_hw.golden.models.mamba.stream import layers_of
    from qse_hw.golden.models.mamba.text import read_text
    from qse_hw.study.evaluation import integer, x
    from qse_hw.study.evaluation.inputs import UNQUANTIZED, Inputs

    if is_relative(args.model) and (args.recipe != "x-only" or args.objective != "x"):
        raise InputError(
            f"Recipe must be x-only, and objective x, for {args.model}, of which transformers runs all but x, "
            f"not {args.recipe} and {args.objective or 'x'}"
        )
    size = vocabulary(args.model)
    calibration, held_out = (
        read_text(TEXTS / default if given is None else given, vocab_size=size, directory=args.model)
        for given, default in ((args.calibration_text, "calibration.txt"), (args.text, "held-out.txt"))
    )
    if calibration.sha256 == held_out.sha256:
        raise InputError("Texts must differ: nothing is held out if formats are fitted to the text they are judged on")
    default = INTEGER_TOKENS if args.recipe == "integer" else TOKENS
    windows = score.cut(held_out.ids, _tokens(args.tokens, default, held_out, "Tokens"))
    tokens = min(
        _tokens(args.calibration_tokens, CALIBRATION_TOKENS, calibration, "Calibration tokens"), len(calibration.ids)
    )
    if args.recipe == "integer" and args.calibration is None:
        _check_integer(read_config(locate(args.model)), calibration, tokens)
    model = load_any(args.model)
    layers = layers_of(model)
    draws = bootstrap.Bootstrap(len(windows))
    bits = len(held_out.ids) / held_out.size  # tokens per byte: 1 for a byte-level model
    inputs = Inputs(
        model=model, directory=args.model, calibration=calibration.ids, tokens=tokens, held_out=held_out.ids,
        windows=windows, draws=draws, tokens_per_byte=bits, tasks=tasks, limit=args.limit,
    )  # fmt: skip
    if args.recipe == "integer":
        scores, measured = integer.measure(
            inputs, args.calibration, args.rounded_model, parts_of(args.parts)
        )
    else:
        scores, measured = x.measure(args, inputs)
    return {
        "schema": SCHEMA,
        "command": getattr(args, "command", None),
        **environment(),
        "model": {
            "fingerprint": layers.fingerprint(),
            "architecture": layers.config.architecture,
            "layers": layers.config.n_layer,
            "vocabulary": size,
            **({"left_alone": note} if (note := left_alone(layers)) else {}),
        },
        "texts": {
            "calibration": _text(calibration, tokens, args.calibration_text),
            "held_out": _text(held_out, windows.numel(), args.text),
        },
        "recipe": args.recipe,
        "window": score.WINDOW,
        "windows": len(windows),
        "seed": bootstrap.SEED,
        "resamples": bootstrap.RESAMPLES,
        UNQUANTIZED: describe_model(scores.nll, scores, draws, bits),
        **measured,
    }


def _check_integer(config: "Config", calibration: "Text", tokens: int) -> None:
    """InputError, before the model is loaded, if it could not be calibrated."""
    from qse_hw.golden.models.integer.calibrate import check_calibration
    from qse_hw.golden.models.integer.options import Options
    from qse_hw.golden.models.integer.transformations import Transformations

    transformations = Transformations()
    check_widths(transformations, config, "calibrate --without rotate_residual and give the file with --calibration")
    check_calibration(config, calibration.ids, tokens=tokens, options=Options(), transformations=transformations)


def _check_activations(args: argparse.Namespace) -> None:
    """InputError for what can be seen before the files are read."""
    for option, other in (("activations", "held_out"), ("held_out", "activations")):
        if getattr(args, option) is None:
            raise InputError(
                f"Activations must be given as two files, --activations to fit formats to and --held-out to judge them "
                f"on, but only --{other.replace('_', '-')} is"
            )
    for option in OF_A_MODEL:
        if getattr(args, option) is not None:
            raise InputError(f"Model must be evaluated for --{option.replace('_', '-')}, not a file of activations")
    if args.recipe != "x-only":
        raise InputError(f"Recipe must be x-only where --activations is given, not {args.recipe}")
    set_defaults(args, formats=FORMATS, mode=MODE)
    check_mode(args.mode)
    parse_candidates(args.formats)


def _check(args: argparse.Namespace) -> "Tasks | None":
    """InputError for what can be seen before anything is loaded; then the tasks, whose data is as quick to miss."""
    if args.recipe == "integer":
        refuse_options(args, X_ONLY, "x-only or quamba")
        parts_of(args.parts)
        if args.rounded_model is not None and args.calibration is None:
            raise InputError("Calibration must be given where --rounded-model is: without one, eval rounds the weights")
    else:
        refuse_options(args, ("parts", "rounded_model"), "integer")
        set_defaults(args, formats=FORMATS, mode=MODE, objective="x", x_proj_input="code", state="fp32")
        check_mode(args.mode)
        check_objective(args.objective)
        from qse_hw.golden.evaluate.recipes import check_recipe

        check_recipe(args.recipe, args.x_proj_input, args.state)
        from qse_hw.study.evaluation.x import candidates

        candidates(args)
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


def parts_of(text: str | None) -> list[str]:
    """The parts of the recipe integer that are measured; InputError for an unknown one."""
    if text is None:
        return list(PARTS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        one_of(name, PARTS, "Part")
    return names


def _tokens(wanted: int | None, default: int, text: "Text", what: str) -> int:
    if wanted is None:
        return default
    if wanted > len(text.ids):
        raise InputError(f"{what} must be at most the text's {len(text.ids)}, not {wanted}; give a longer text")
    return wanted


def _text(text: "Text", tokens: int, given: str | None) -> dict[str, Any]:
    name = Path(text.source).name if given is not None else f"bundled {Path(text.source).name}"
    return {"name": name, "sha256": text.sha256, "bytes": text.size, "tokens": tokens}
