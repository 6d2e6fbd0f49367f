"""Cycles per token and per prompt of a Mamba-1 whose blocks use the units of this library, and what limits them."""

import argparse
import math
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from qse_hw.cli.arguments import check_output
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.io.files import write_json
from qse_hw.golden.reference.hadamard import growth
from qse_hw.sim.cycle.throughput import Block, Cost
from qse_hw.study.console import console, table
from qse_hw.study.sources import integer

if TYPE_CHECKING:
    from qse_hw.golden.models.mamba.model import MambaConfig

SCHEMA = "qse-hw/plan/1"
FORMAT = "se8"  # of x; the others differ by a cycle of latency at most
Y_BITS = 16  # of the Hadamard unit's fixed-point input

MISSING = ("normalisation", "convolution and SiLU", "dt_proj", "scan", "gate", "embedding and head")
PROJECTIONS = ("in_proj", "out_proj")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what the hardware is to be."""
    parser.add_argument(
        "--model", metavar="SHAPE", required=True, help="mamba-130m to mamba-2.8b, or a checkpoint's folder"
    )
    parser.add_argument("--lanes", metavar="N", type=integer, default=16, help="values per cycle (default 16)")
    parser.add_argument("--clock", metavar="MHz", type=float, default=200.0, help="in MHz (default 200)")
    parser.add_argument(
        "--tile", metavar="RxC", default="16x16", help="products per cycle of x_proj: rows x columns (default 16x16)"
    )
    parser.add_argument("--prompt", metavar="T", type=integer, default=512, help="tokens of the prompt (default 512)")
    parser.add_argument(
        "--projections", action="store_true", help="also in_proj and out_proj, each on a linear unit of the same tile"
    )
    parser.add_argument(
        "--calibration", metavar="FILE",
        help="what calibrate --recipe integer wrote: also bits and bytes of weights, state and activations",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")


def run(args: argparse.Namespace) -> None:
    """Print the plan; write it."""
    if not (math.isfinite(args.clock) and args.clock > 0):
        raise InputError(f"Clock must be a positive number of MHz, not {args.clock!r}")
    if args.prompt < 1:
        raise InputError(f"Prompt must be at least 1 token, not {args.prompt!r}")
    tile = re.fullmatch(r"(\d{1,6})x(\d{1,6})", args.tile, re.ASCII)
    if tile is None:
        raise InputError(f"Tile must be ROWSxCOLUMNS, as in 16x16, not {args.tile!r}")
    if args.json is not None:
        check_output(args.json)
    config = model_config(args.model)
    made = block(config, lanes=args.lanes, rows=int(tile[1]), columns=int(tile[2]), projections=args.projections)
    document = {"schema": SCHEMA, "model": args.model, "d_inner": config.d_inner, "layers": config.n_layer,
                "lanes": args.lanes, "tile": args.tile, **figures(made, args.prompt, args.clock),
                "not_modelled": [*MISSING, *(() if args.projections else PROJECTIONS)]}  # fmt: skip
    if args.calibration is not None:
        document["storage"] = stored(args.calibration, args.model, config)
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
        raise InputError(f"Model must be a Mamba-1, whose x_proj is what is planned, not {name!r}")
    return config


def block(config: "MambaConfig", *, lanes: int, rows: int, columns: int, projections: bool) -> Block:
    """The units of a block of that model.

    x is encoded; its codes go to x_proj and, decoded, to the scan. What leaves the gate is transformed and encoded.
    """
    from qse_hw.rtl_gen.units.decoder import DecoderConfig
    from qse_hw.rtl_gen.units.encoder import EncoderConfig
    from qse_hw.rtl_gen.units.hadamard import HadamardConfig
    from qse_hw.rtl_gen.units.linear import LinearConfig

    d, int8 = config.d_inner, load_format("int8")
    format = load_format(FORMAT)

    def linear(name: str, inputs: int, outputs: int) -> Cost:
        unit = LinearConfig(
            format=format if name == "x_proj" else int8, inputs=inputs, outputs=outputs, rows=rows, columns=columns
        )
        return Cost.of(name, unit, inputs)

    x = Cost.of("encoder of x", EncoderConfig(format=format, input=input_type("fp32"), lanes=lanes), d)
    decoder = Cost.of("decoder of x", DecoderConfig(format=format, lanes=lanes), d)
    x_proj = linear("x_proj", d, config.dt_rank + 2 * config.d_state)
    hadamard = Cost.of("Hadamard of y", HadamardConfig(size=d, width=Y_BITS, lanes=lanes), d)
    transformed = input_type(f"s{Y_BITS + growth(d)}")
    y = Cost.of("encoder of y", EncoderConfig(format=int8, input=transformed, lanes=lanes), d)
    stages: tuple[tuple[tuple[Cost, ...], ...], ...] = (((x, x_proj), (x, decoder)), ((hadamard, y),))
    if projections:
        in_proj, out_proj = linear("in_proj", config.d_model, 2 * d), linear("out_proj", d, config.d_model)
        stages = (((in_proj,),), stages[0], ((hadamard, y, out_proj),))
    return Block(stages=stages, layers=config.n_layer)


def figures(block: Block, tokens: int, clock: float) -> dict[str, Any]:
    """Everything that is reported, as JSON; ``clock`` in MHz."""

    def timing(cycles: int, tokens: int) -> dict[str, Any]:
        seconds = cycles / (clock * 1e6)
        return {"cycles": cycles, "seconds": seconds, "tokens_per_second": tokens / seconds}

    slowest = block.slowest
    units = [
        asdict(cost) | {"cycles_per_token": cost.interval * block.layers, "busy": cost.interval / slowest.interval}
        for cost in block.units
    ]
    longest = max(block.units, key=lambda cost: cost.beats + cost.delay)
    loads = block.load > longest.beats + longest.delay
    alone = {
        "shared": timing(block.token(resident=False), 1) | {"bottleneck": "weights" if loads else longest.name},
        "resident": timing(block.token(resident=True), 1) | {"bottleneck": longest.name},
    }
    return {
        "clock_mhz": clock,
        "units": units,
        "load_cycles_per_layer": block.load,
        "path_cycles_per_layer": block.path,
        "prompt": {"tokens": tokens, **timing(block.prompt(tokens), tokens), "bottleneck": slowest.name},
        "one_token": alone,
    }


def show(document: dict[str, Any]) -> None:
    """Print a table of the units, and the times of a prompt and a token."""
    layers, prompt, alone = document["layers"], document["prompt"], document["one_token"]
    table(
        f"{document['model']}: {layers} layers, d_inner {document['d_inner']}, at {document['clock_mhz']:g} MHz",
        ["unit", "configuration", "cycles/vector", "cycles/token", "busy", "latency"],
        [
            [unit["name"], unit["label"], f"{unit['interval']:,}", f"{unit['cycles_per_token']:,}",
             f"{unit['busy']:.0%}", f"{unit['beats'] + unit['delay']:,}"]
            for unit in document["units"]
        ],
        caption="cycles/token: of all layers; busy: in a prompt; latency: a vector's first beat to its last result",
    )  # fmt: skip
    load, path = document["load_cycles_per_layer"], document["path_cycles_per_layer"]
    console.print(f"A token takes {path:,} cycles through a layer; a layer's weights take {load:,} cycles to write.")
    _print_timing(f"Prompt of {prompt['tokens']:,} tokens, weights written once per layer", prompt)
    _print_timing("One token at a time, weights written for every layer", alone["shared"])
    _print_timing("One token at a time, every layer with linear units of its own", alone["resident"])
    if "storage" in document:
        table(
            "Integer model", ["tensor", "kind", "bits", "bytes"],
            [[one["name"], one["kind"], str(one["bits"]), f"{one['bytes']:,}"] for one in document["storage"]],
            caption="bytes of all layers, of activations for one token; not counted: biases, D, multipliers of rows",
        )  # fmt: skip
    console.print(f"Not modelled, so real times are longer: {', '.join(document['not_modelled'])}.")


def _print_timing(what: str, timing: dict[str, Any]) -> None:
    console.print(
        f"{what}: {timing['cycles']:,} cycles, {timing['seconds'] * 1e3:,.3f} ms, "
        f"{timing['tokens_per_second']:,.1f} tokens/s; bottleneck: {timing['bottleneck']}"
    )
