"""Let a Mamba write: unquantized, in integers, and in Verilog, whose every value is compared with the integers."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qse_hw.cli.arguments import check_output, command_without
from qse_hw.cli.engine import ENGINE, add_engine_sizes, engine_sizes
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress, table
from qse_hw.study.netlist import NETLIST_HELP, netlists
from qse_hw.study.sources import TEXTS, integer

if TYPE_CHECKING:
    from qse_hw.golden.models.mamba.model import Mamba
    from qse_hw.golden.models.mamba.text import Tokenizer
    from qse_hw.rtl_gen.emit.emit import Emitted
    from qse_hw.rtl_gen.emit.unit import UnitConfig
    from qse_hw.rtl_gen.units.model import ModelConfig
    from qse_hw.sim.accelerator.accelerator import Accelerator
    from qse_hw.study.generation import Compared, Continuation

SCHEMA = "qse-hw/generate/1"
PROMPT, TOKENS = "The ", 32
CALIBRATION_TOKENS = 8192
LATENCY, MAX_LATENCY = 40, 10_000
OPTIMIZED = 128  # tokens from which on it pays to compile with optimization: minutes once, a second less per token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, prompt, calibration; the simulation; report."""
    parser.add_argument("--model", metavar="DIR", help="local checkpoint, or mamba2-bytes (default: mamba-bytes)")
    parser.add_argument("--prompt", metavar="TEXT", default=PROMPT, help=f"how it begins (default {PROMPT!r})")
    parser.add_argument("--tokens", metavar="N", type=integer, default=TOKENS, help=f"to write (default {TOKENS})")
    parser.add_argument(
        "--calibration", metavar="FILE",
        help="what calibrate --recipe integer wrote, with --rtl --mode shared --local-bits 16 (default: calibrate now)",
    )  # fmt: skip
    parser.add_argument("--rtl", action="store_true", help="also simulate the accelerator's Verilog (gen model)")
    sizes = parser.add_argument_group("with --rtl")
    add_engine_sizes(sizes)
    sizes.add_argument("--netlist", metavar="T", help=NETLIST_HELP)
    sizes.add_argument(
        "--bus-bits", metavar="B", type=integer,
        help="simulate it behind its buses (gen accelerator), with so many bits to the memory (default: gen model)",
    )  # fmt: skip
    sizes.add_argument(
        "--latency", metavar="N", type=integer,
        help=f"with --bus-bits: cycles until the memory gives a burst's first word (default {LATENCY})",
    )  # fmt: skip
    sizes.add_argument("--png", metavar="FILE", help="draw when each tensor of the last token's first layers passes")
    parser.add_argument("--json", metavar="FILE", help="also write tokens, text and figures to this file")


def run(args: argparse.Namespace) -> None:
    """Write with every form of the model; refuse what does not fit before anything is computed."""
    if args.tokens < 1:
        raise InputError(f"Tokens must be at least 1, not {args.tokens}")
    given = [name for name in (*ENGINE, "netlist", "bus_bits", "latency", "png") if getattr(args, name) is not None]
    if given and not args.rtl:
        raise InputError(f"Option --{given[0].replace('_', '-')} is of the Verilog: give --rtl, too")
    if args.latency is not None and args.bus_bits is None:
        raise InputError("Option --latency is of the memory: give --bus-bits, too")
    if not 1 <= _latency(args) <= MAX_LATENCY:
        raise InputError(f"Latency must be from 1 to {MAX_LATENCY}, not {args.latency}")
    try:
        args.prompt.encode()
    except UnicodeEncodeError as error:  # bytes of a command line that are not UTF-8 become lone surrogates
        raise InputError(f"Prompt must be UTF-8, not {args.prompt!r}") from error
    for path in filter(None, (args.json, args.png)):
        check_output(path)
    from qse_hw.golden.models.mamba.checkpoint import fingerprint, load_model
    from qse_hw.golden.models.mamba.text import open_tokenizer

    model = load_model(args.model)
    tokenizer = open_tokenizer(model.config.vocab_size, args.model)
    prompt = tokenizer.encode(args.prompt) or [tokenizer.prefix]
    if max(prompt) >= model.config.vocab_size:
        raise InputError(f"Prompt must be tokens below {model.config.vocab_size}, the vocabulary, not {max(prompt)}")
    with tempfile.TemporaryDirectory(prefix="qse_hw_generate_") as name:
        forms, compared, config = _write(args, model, tokenizer, prompt, Path(name))
    last = list(forms.values())[-1]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "command": command_without(args.command, "json", "png"),
        **environment(),
        "model": fingerprint(model),
        "prompt": args.prompt,
        "tokens": last.tokens,
        "text": tokenizer.decode(last.tokens),
        "forms": {
            name: {
                "tokens": form.tokens, "text": tokenizer.decode(form.tokens),
                "tokens_per_second": (len(prompt) + len(form.tokens) - 1) / form.seconds,
            }
            for name, form in forms.items()
        },
    }  # fmt: skip
    if compared is not None and config is not None:
        document |= {"netlist": args.netlist, **_hardware(args, compared, config)}
        if args.png is not None:
            from qse_hw.study.timeline import draw

            draw(args.png, compared.times, config.mixer.layers, config.label)
    if args.json is not None:
        write_json(args.json, document)
    _show(document)
    if document.get("mismatches"):
        raise SystemExit(f"{document['mismatches']:,} mismatches; the first: {document['first_mismatch']}")


def _write(
    args: argparse.Namespace, model: "Mamba", tokenizer: "Tokenizer", prompt: list[int], folder: Path
) -> tuple[dict[str, "Continuation"], "Compared | None", "ModelConfig | None"]:
    """What each form of the model writes; with --rtl the comparison and the hardware."""
    import torch

    from qse_hw.golden.models.integer.decode import IntegerDecoder
    from qse_hw.golden.models.integer.document import read_formats
    from qse_hw.golden.models.integer.parameters import model_parameters
    from qse_hw.golden.models.mamba.decode import MambaDecoder
    from qse_hw.study.generation import Compared, Decoded, generate

    build = netlists(args.netlist)
    calibration = args.calibration
    if calibration is None:
        calibration = folder / "calibration.json"
        _calibrate(model, calibration, shared=args.rtl)
    config = _model_config(args, str(calibration)) if args.rtl else None
    parameters = model_parameters(model, read_formats(calibration)) if config is None else config.integers
    print_token = _printer(tokenizer, args.prompt)
    forms = {}
    decoder = MambaDecoder.of(model, dtype=torch.float32, state=torch.float32)
    forms["float32"] = generate(Decoded(decoder), prompt, args.tokens, print_token("float32"))
    forms["integers"] = generate(
        Decoded(IntegerDecoder(parameters)), prompt, args.tokens, print_token("integers")
    )
    if config is None:
        return forms, None, None
    with console.status("compiling the Verilog"):
        short = len(prompt) + args.tokens < OPTIMIZED
        accelerator = _simulation(args, config, folder / "accelerator", short=short, build=build)
    compared = Compared(accelerator, parameters)
    try:
        forms["verilog"] = generate(compared, prompt, args.tokens, print_token("Verilog"))
    finally:
        accelerator.close()
    return forms, compared, config


def _calibrate(model: "Mamba", path: Path, *, shared: bool) -> None:
    """Formats by the bundled text; those that hardware needs if ``shared``."""
    from qse_hw.golden.models.integer.calibrate import calibrate_integer
    from qse_hw.golden.models.integer.document import write_formats
    from qse_hw.golden.models.integer.options import Options
    from qse_hw.golden.models.mamba.text import read_text

    options = Options(mode="shared", local_bits=16) if shared else Options()
    ids = read_text(TEXTS / "calibration.txt", vocab_size=model.config.vocab_size).ids
    layers = model.config.n_layer
    with progress() as report:
        what = "calibrating every tensor"
        report(what, 0)
        formats = calibrate_integer(
            model, ids, tokens=CALIBRATION_TOKENS, options=options,
            progress=lambda layer: report(what, (layer + 1) / layers),
        )  # fmt: skip
    write_formats(path, formats)


def _model_config(args: argparse.Namespace, calibration: str) -> "ModelConfig":
    """The accelerator; refused before the model writes anything."""
    from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
    from qse_hw.rtl_gen.units.model import ModelConfig

    # a netlist of the device's own cells: what is synthesized for it
    target = "ecp5" if (args.netlist or "").startswith("ecp5") else "generic"
    settings = {"calibration": calibration, "model": args.model, "taps": True, "target": target, **engine_sizes(args)}
    return ModelConfig(**settings) if args.bus_bits is None else AcceleratorConfig(**settings, bus_bits=args.bus_bits)


def _latency(args: argparse.Namespace) -> int:
    return LATENCY if args.latency is None else int(args.latency)


def _simulation(
    args: argparse.Namespace, config: "ModelConfig", folder: Path, *, short: bool,
    build: "Callable[[UnitConfig], Emitted]",
) -> "Accelerator":
    """The compiled Verilog, beside a memory if it has buses."""
    from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
    from qse_hw.sim.accelerator.accelerator import Accelerator
    from qse_hw.sim.accelerator.bus_accelerator import BusAccelerator

    if isinstance(config, AcceleratorConfig):
        return BusAccelerator(config, folder, latency=_latency(args), short=short, build=build)
    return Accelerator(config, folder, short=short, build=build)


def _printer(tokenizer: "Tokenizer", prompt: str) -> Callable[[str], Callable[[int], None]]:
    """Prints a form's text as it comes, a line for each form."""

    def begin(name: str) -> Callable[[int], None]:
        tokens: list[int] = []
        printed = ""
        console.print(f"\n{name}: {prompt}", end="")

        def show(token: int) -> None:
            nonlocal printed
            tokens.append(token)
            text = tokenizer.decode(tokens)
            if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # else the rest of a character follows
                console.print(text[len(printed) :], end="")
                printed = text

        return show

    return begin


def _hardware(args: argparse.Namespace, compared: "Compared", config: "ModelConfig") -> dict[str, Any]:
    """The simulation's figures, and the bounds that the weights and the memory's bus set."""
    from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig

    mixer = config.mixer
    weights = mixer.layers * mixer.shape.layer_weights + mixer.vocabulary * mixer.d_model
    bound = weights / (mixer.rows * mixer.columns)
    figures = compared.figures()
    memory: dict[str, Any] = {}
    if isinstance(config, AcceleratorConfig):
        cycles = config.image.token_bytes * 8 / config.bus_bits
        memory["memory"] = {
            "bus_bits": config.bus_bits,
            "latency": _latency(args),
            "bytes_per_token": config.image.token_bytes,
            "bound_cycles_per_token": cycles,
            "over_bound": figures["cycles_per_token"] / cycles,
        }
    return {
        **memory,
        "unit": config.label,
        **figures,
        "bound_cycles_per_token": bound,
        "over_bound": figures["cycles_per_token"] / bound,
    }


def _show(document: dict[str, Any]) -> None:
    console.print("\n")
    rows = [[name, f"{form['tokens_per_second']:,.1f}"] for name, form in document["forms"].items()]
    table("Tokens per second", ["form", "tokens/s"], rows, caption="prompt included; the Verilog is simulated")
    if "values_compared" in document:
        console.print(
            f"{document['unit']}: {document['values_compared']:,} values compared with the integer model, "
            f"{document['mismatches']:,} mismatches; {document['cycles_per_token']:,.0f} cycles per token, "
            f"{document['over_bound']:.3f} times the bound of {document['bound_cycles_per_token']:,.0f} (a weight per "
            f"multiplier and cycle); multipliers busy {document['busy']:.1%}; "
            f"{document['simulated_tokens_per_second']:.2f} tokens per second simulated"
        )
    if memory := document.get("memory"):
        console.print(
            f"memory of {memory['bus_bits']} bits, {memory['latency']} cycles away: {memory['bytes_per_token']:,} "
            f"bytes per token; {memory['over_bound']:.3f} times the {memory['bound_cycles_per_token']:,.0f} cycles "
            "that they take"
        )
