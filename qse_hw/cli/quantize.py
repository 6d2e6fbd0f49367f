"""Quantize an array with the golden model: IN.npy to codes."""

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from qse_hw.cli.arguments import FORMAT_HELP
from qse_hw.golden.formats.codes import to_bits
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import scale_from_text
from qse_hw.golden.io.npy import FLOAT8, numbers, read_array, write_array
from qse_hw.golden.quantize import array
from qse_hw.study.console import warn
from qse_hw.study.sources import integer

if TYPE_CHECKING:
    from qse_hw.golden.formats.scale import Scale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Input, format, scale and output."""
    parser.add_argument("array", metavar="IN.npy", help="float16, bfloat16, float32, float64, int8, int16 or int32")
    parser.add_argument("--format", metavar="F", required=True, help=FORMAT_HELP)
    parser.add_argument("--scale", metavar="S", required=True, help="the step s")
    parser.add_argument("--scale-bits", metavar="B", type=integer, default=16, help="width of M, 1 to 20 (default 16)")
    parser.add_argument(
        "--exponent", metavar="E", type=integer, default=0, help="integer inputs stand for x * 2**E (default 0)"
    )
    parser.add_argument(
        "--dtype", metavar="D", help=f"dtype of an array of one-byte values: {', '.join(FLOAT8)}"
    )
    parser.add_argument("-o", "--output", metavar="CODES.npy", required=True, help="codes, of the input's shape")


def run(args: argparse.Namespace) -> None:
    """Quantize and write."""
    format, scale = load_format(args.format), scale_from_text(args.scale, args.scale_bits)
    x = numbers(read_array(args.array), args.dtype, f"Array file {args.array}")
    result = array.quantize_flags(x, format, scale, exponent=args.exponent)
    write_array(args.output, result.codes)
    print(f"scale: {scale}")
    _warn_of_zeros(x, result, args, scale)
    print(
        f"{args.output}: {x.size} codes of {format.name}, {result.codes.dtype}; "
        f"{int(result.saturated.sum())} saturated, {int(result.nan.sum())} NaN"
    )


def _warn_of_zeros(x: Any, result: array.QuantizedArray, args: argparse.Namespace, scale: "Scale") -> None:
    """Warn if values other than 0 all have the code of 0."""
    format = load_format(args.format)
    if not (to_bits(result.codes, format) == format.zero_code).all():
        return
    largest = np.abs(np.nan_to_num(x.astype(np.float64))).max(initial=0) * 2.0**args.exponent
    if largest > 0:
        warn(
            f"Scale {float(scale.step):.6g} is so large that every value has the code of 0: the largest magnitude is "
            f"{largest:.6g}"
        )
