"""Write the memory image of an integer Mamba-1: its parameters as hardware reads them."""

import argparse
from typing import TYPE_CHECKING

from qse_hw.cli.arguments import check_output
from qse_hw.study.console import console, table
from qse_hw.study.sources import integer

if TYPE_CHECKING:
    from qse_hw.golden.models.integer.image.header import Header


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, its formats, the tile, the file."""
    parser.add_argument("--model", metavar="DIR", help="local Mamba-1 checkpoint (default: the bundled one)")
    parser.add_argument(
        "--calibration", metavar="FILE", required=True, help="what calibrate --recipe integer --mode shared wrote"
    )
    parser.add_argument(
        "--rows", metavar="R", type=integer, required=True, help="of the product engine's tile: outputs at a time"
    )
    parser.add_argument(
        "--columns", metavar="C", type=integer, required=True, help="inputs at a time; at most 1024 products"
    )
    parser.add_argument(
        "--scan-lanes", metavar="N", type=integer,
        help="also write what gen accelerator with so many states of the scan per cycle takes when it starts",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write (docs/image.md)")


def run(args: argparse.Namespace) -> None:
    """Write the image, say where its parts lie."""
    check_output(args.output)
    from qse_hw.golden.models.integer.document import read_formats
    from qse_hw.golden.models.integer.image.image import write_image
    from qse_hw.golden.models.integer.parameters import model_parameters
    from qse_hw.golden.models.mamba.checkpoint import load_model

    formats, words = read_formats(args.calibration), {}
    with console.status("computing the integers"):
        parameters = model_parameters(load_model(args.model), formats)
        if args.scan_lanes is not None:
            from qse_hw.rtl_gen.accelerator.image_words import image_words
            from qse_hw.rtl_gen.mixer.model import mixer_config

            tile = {"rows": args.rows, "columns": args.columns}
            words["words"] = image_words(parameters, mixer_config(parameters, **tile, scan_lanes=args.scan_lanes))
        header = write_image(args.output, parameters, rows=args.rows, columns=args.columns, **words)
    show(header)
    console.print(f"written: {args.output}")


def show(header: "Header") -> None:
    """Print where the parts lie."""
    from qse_hw.golden.models.integer.image.layout import extents

    sizes = header.sizes
    rows = [
        [part, f"{begin:,}", f"{length:,}", f"{crc:08x}"]
        for (part, (begin, length)), crc in zip(extents(header.places).items(), header.crcs, strict=True)
    ]
    table(
        f"Memory image, {sizes.layers} layers, tiles of {sizes.rows} x {sizes.columns}",
        ["part", "offset", "bytes", "CRC-32"],
        rows,
        caption=f"{header.size:,} bytes in all; docs/image.md says what each part has",
    )
