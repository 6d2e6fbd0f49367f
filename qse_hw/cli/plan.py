"""Cycles per token and per prompt of a Mamba-1's accelerator, exactly, where they go, and what bounds them."""

import argparse
from typing import TYPE_CHECKING, Any

from qse_hw.cli.arguments import check_output, command_without
from qse_hw.cli.engine import add_engine_sizes, engine_sizes
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.rtl_gen.units.shared import TARGETS
from qse_hw.study.console import console, table
from qse_hw.study.sources import integer

if TYPE_CHECKING:
    from qse_hw.golden.models.mamba.model import MambaConfig

SCHEMA = "qse-hw/plan/2"
CLOCKS = 0.001, 100_000
"""In MHz."""
MAX_BUS_BITS = 1 << 16
MAX_PROMPT = 10**9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what the hardware is to be."""
    parser.add_argument(
        "--model", metavar="SHAPE", required=True, help="mamba-130m to mamba-2.8b, or a checkpoint's folder"
    )
    add_engine_sizes(parser)
    parser.add_argument(
        "--sequences", metavar="N", type=integer, default=1, help="whose states are kept, as in gen model (default 1)"
    )
    parser.add_argument("--target", choices=TARGETS, default="generic", help="as that of gen model (default generic)")
    parser.add_argument("--clock", metavar="MHz", type=float, default=200.0, help="in MHz (default 200)")
    parser.add_argument(
        "--bus-bits", metavar="B", type=integer, default=128, help="bits that the memory gives per cycle (default 128)"
    )
    parser.add_argument("--prompt", metavar="T", type=integer, default=512, help="tokens of the prompt (default 512)")
    parser.add_argument(
        "--calibration", metavar="FILE",
        help="what calibrate --recipe integer wrote: also bits and bytes of weights, state and activations",
    )
    parser.add_argument("--png", metavar="FILE", help="draw when each tensor of the first layers passes")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")


def run(args: argparse.Namespace) -> None:
    """Print the plan; write it."""
    if not CLOCKS[0] <= args.clock <= CLOCKS[1]:  # neither is NaN
        raise InputError(f"Clock must be from {CLOCKS[0]} to {CLOCKS[1]} MHz, not {args.clock!r}")
    if not 1 <= args.prompt <= MAX_PROMPT:
        raise InputError(f"Prompt must be from 1 to {MAX_PROMPT} tokens, not {args.prompt!r}")
    if not 1 <= args.bus_bits <= MAX_BUS_BITS:
        raise InputError(f"Bus must have from 1 to {MAX_BUS_BITS} bits, not {args.bus_bits!r}")
    for path in filter(None, (args.json, args.png)):
        check_output(path)
    from qse_hw.study.plan import draw_plan, mixer_of, plan

    config, sizes = model_config(args.model), engine_sizes(args)
    mixer = mixer_of(config, target=args.target, sequences=args.sequences, **sizes)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "command": command_without(args.command, "json", "png"),
        **environment(),
        "model": args.model,
        "layers": config.n_layer,
        **{name: getattr(config, name) for name in ("d_model", "d_inner", "d_state", "dt_rank")},
        "vocabulary": config.vocab_size,
        **sizes,
        "sequences": args.sequences,
        "target": args.target,
        **plan(mixer, layers=config.n_layer, prompt=args.prompt, clock=args.clock, bus_bits=args.bus_bits),
    }
    if args.calibration is not None:
        document["storage"] = stored(args.calibration, args.model, config)
    if args.png is not None:
        draw_plan(args.png, mixer, f"{args.model}, {_sizes(document)}")
    if args.json is not None:
        write_json(args.json, document)
    show(document)


def stored(calibration: str, model: str, config: "MambaConfig") -> list[dict[str, Any]]:
    """Bits, values and bytes of every tensor of the integer model.

    Raises:
        InputError: for formats of another checkpoint, or, of a published shape, of another number of layers.
    """
    from qse_hw.golden.models.integer.document import read_formats
    from qse_hw.golden.models.mamba.shapes import SHAPES
    from qse_hw.golden.models.mamba.stream import open_layers
    from qse_hw.study.integer_formats import storage

    formats = read_formats(calibration)
    fingerprint = formats.model if model in SHAPES else open_layers(model).fingerprint()
    formats.check(fingerprint, config.architecture, config.n_layer)
    return [one._asdict() | {"bytes": one.bytes} for one in storage(formats, config)]


def model_config(name: str) -> "MambaConfig":
    """The sizes of a published Mamba-1, or of the one in a folder."""
    from qse_hw.golden.models.mamba.checkpoint import locate
    from qse_hw.golden.models.mamba.layout import read_config
    from qse_hw.golden.models.mamba.model import MambaConfig
    from qse_hw.golden.models.mamba.shapes import SHAPES

    published = [shape for shape, config in SHAPES.items() if isinstance(config, MambaConfig)]
    config = SHAPES.get(name)
    if config is None:
        if not locate(name).is_dir():
            raise InputError(f"Model must be one of {', '.join(published)}, or a checkpoint's folder, not {name!r}")
        config = read_config(locate(name))
    if not isinstance(config, MambaConfig):
        raise InputError(f"Model must be a Mamba-1, for which there is an accelerator, not {name!r}")
    return config


def show(document: dict[str, Any]) -> None:
    """Print where the cycles go, the times of a prompt and a token, and what the memory must give."""
    alone, prompt, memory = document["one_token"], document["prompt"], document["memory"]
    names = dict.fromkeys((*alone["parts"], *prompt["parts"]))
    rows = [[name, *(_share(one["parts"].get(name, 0), one) for one in (alone, prompt))] for name in names]
    rows.append(["together", f"{alone['cycles']:,}", f"{prompt['cycles_per_token']:,}"])
    table(
        f"{document['model']}: {document['layers']} layers, {_sizes(document)}",
        ["cycles per token", "one token at a time", "in a prompt"], rows,
    )  # fmt: skip
    bound = document["bound_cycles_per_token"]
    console.print(f"Bound, a weight per multiplier and cycle: {bound:,.0f} cycles per token.")
    _print_timing("One token at a time", alone, document["clock_mhz"])
    _print_timing(f"Prompt of {prompt['tokens']:,} token{'s' * (prompt['tokens'] > 1)}", prompt, document["clock_mhz"])
    total = sum(memory["bytes_per_token"].values())
    console.print(
        f"Memory: {total:,} bytes per token, {memory['bytes_per_second'] / 1e9:,.3g} GB/s at that speed; "
        f"{memory['bus_bits']} bits per cycle take {memory['cycles_per_token']:,} cycles, so the {memory['limit']} "
        f"is the limit: at most {memory['tokens_per_second']:,.1f} tokens/s."
    )
    several = f" of {document['sequences']} sequences" * (document["sequences"] > 1)
    console.print(f"States{several} on chip: {document['state_bits']:,} bits.")
    if "storage" in document:
        table(
            "Integer model", ["tensor", "kind", "bits", "bytes"],
            [[one["name"], one["kind"], str(one["bits"]), f"{one['bytes']:,}"] for one in document["storage"]],
            caption="bytes of all layers, of activations for one token; not counted: biases, D, multipliers of rows",
        )  # fmt: skip


def _sizes(document: dict[str, Any]) -> str:
    lanes = ", ".join(f"{document[f'{unit}_lanes']} {unit}" for unit in ("scan", "norm", "hadamard"))
    return f"{document['rows']} x {document['columns']} multipliers, lanes: {lanes}"


def _share(cycles: int, timing: dict[str, Any]) -> str:
    total = sum(timing["parts"].values())
    return f"{cycles:,} ({cycles / total:.1%})"


def _print_timing(what: str, timing: dict[str, Any], clock: float) -> None:
    console.print(
        f"{what}: {timing['cycles']:,} cycles, {timing['seconds'] * 1e3:,.3f} ms at {clock:g} MHz, "
        f"{timing['tokens_per_second']:,.1f} tokens/s; {timing['over_bound']:.3f} times the bound, multipliers busy "
        f"{timing['busy']:.1%}"
    )
