"""Run a Mamba on text and keep the SSM input x of every Mamba layer: layers.{i}.x, float32, (tokens, channels)."""

import argparse

from qse_hw.cli.arguments import check_output
from qse_hw.golden.io.activations import write_activations
from qse_hw.study.console import console, table
from qse_hw.study.sources import add_model_arguments, from_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, text and output."""
    add_model_arguments(parser)
    parser.add_argument("-o", "--output", metavar="FILE.safetensors", required=True, help="file to write")


def run(args: argparse.Namespace) -> None:
    """Capture, write and summarise."""
    check_output(args.output)
    with console.status("running the model"):
        activations = from_model(args)
    write_activations(args.output, activations.tensors, activations.metadata)
    rows = [
        [name, f"{x.shape[0]} x {x.shape[1]}", f"{x.min():.4f}", f"{x.max():.3f}", f"{x.std(dtype='float64'):.4f}"]
        for name, x in activations.tensors.items()
    ]
    table(f"SSM inputs of {activations.origin}", ["tensor", "shape", "min", "max", "std"], rows)
    if activations.note:
        console.print(activations.note)
    console.print(f"written: {args.output}")
