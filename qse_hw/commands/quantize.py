"""Quantise an array with the golden model: IN.npy to codes."""

import argparse

from golden import array
from golden.npy import read_array, write_array
from golden.presets import load_format
from qse_hw.arguments import FORMAT_HELP, integer, step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Input, format, scale and output."""
    parser.add_argument("input", metavar="IN.npy", help="float16, float32, float64, int8, int16 or int32; any shape")
    parser.add_argument("--format", metavar="F", required=True, help=FORMAT_HELP)
    parser.add_argument("--scale", metavar="S", required=True, help="the step s")
    parser.add_argument("--scale-bits", metavar="B", type=integer, default=16, help="width of M, 1 to 20 (default 16)")
    parser.add_argument(
        "--exponent", metavar="E", type=integer, default=0, help="integer inputs stand for x * 2**E (default 0)"
    )
    parser.add_argument("-o", "--output", metavar="CODES.npy", required=True, help="codes, of the input's shape")


def run(args: argparse.Namespace) -> None:
    """Quantise and write."""
    format, scale = load_format(args.format), step(args.scale, args.scale_bits)
    x = read_array(args.input)
    result = array.quantise_flags(x, format, scale, exponent=args.exponent)
    write_array(args.output, result.codes)
    print(f"scale: {scale}")
    print(
        f"{args.output}: {x.size} codes of {format.name}, {result.codes.dtype}; "
        f"{int(result.saturated.sum())} saturated, {int(result.nan.sum())} NaN"
    )
