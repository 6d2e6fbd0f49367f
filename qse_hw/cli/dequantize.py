"""Turn an array of codes back into values (float32)."""

import argparse

from qse_hw.cli.arguments import FORMAT_HELP
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import scale_from_text
from qse_hw.golden.io.npy import read_array, write_array
from qse_hw.golden.quantize import array
from qse_hw.study.sources import integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Codes, format, scale and output."""
    parser.add_argument("codes", metavar="CODES.npy", help="codes as quantize wrote them")
    parser.add_argument("--format", metavar="F", required=True, help=FORMAT_HELP)
    parser.add_argument("--scale", metavar="S", required=True, help="the step s, as given to quantize")
    parser.add_argument("--scale-bits", metavar="B", type=integer, default=16, help="width of M, 1 to 20 (default 16)")
    parser.add_argument("-o", "--output", metavar="OUT.npy", required=True, help="values, float32, of the codes' shape")


def run(args: argparse.Namespace) -> None:
    """Dequantize and write."""
    format, scale = load_format(args.format), scale_from_text(args.scale, args.scale_bits)
    codes = read_array(args.codes)
    write_array(args.output, array.dequantize(codes, format, scale))
    print(f"scale: {scale}")
    print(f"{args.output}: {codes.size} values, float32")
