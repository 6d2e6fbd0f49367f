"""Command-line arguments that several commands share, and what they stand for."""

import argparse
import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import PRESETS, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.io.files import replacing
from qse_hw.study.sources import integer

FORMAT_HELP = f"{', '.join(PRESETS)}, with parameters as in se8:L=12, or a .json file"


def add_format_arguments(parser: argparse.ArgumentParser) -> None:
    """The format, by itself or from a calibration."""
    parser.add_argument("--format", metavar="F", help=f"{FORMAT_HELP} (default: the calibration's, or se8)")
    parser.add_argument("--calibration", metavar="FILE", help="take format and scale from this file")
    parser.add_argument("--layer", metavar="K", type=integer, help="layer of the calibration")


def add_lanes_argument(parser: argparse.ArgumentParser) -> None:
    """The number of lanes."""
    parser.add_argument("--lanes", metavar="N", type=integer, default=1, help="values per cycle (default 1)")


def format_and_scale(args: argparse.Namespace, step: str | None = None) -> tuple[SegmentedFormat, Scale | None]:
    """What :func:`add_format_arguments`' arguments describe; the scale is a calibration's, else None.

    ``step``: a step given beside them, which a calibration excludes.
    """
    if args.calibration is None:
        if args.layer is not None:
            raise InputError(f"Layer {args.layer} needs a calibration: give --calibration FILE")
        return load_format(args.format or "se8"), None
    from qse_hw.golden.calibration.calibration import read_calibration

    if step is not None:
        raise InputError(f"Scale must come from the calibration or from --scale {step}, not from both")
    if args.layer is None:
        raise InputError("Layer must be given with a calibration, e.g. --layer 0")
    calibration = read_calibration(args.calibration)
    layer = calibration.layer(args.layer)
    if args.format is not None:
        calibration.check_format(args.layer, args.format)
    return layer.format, layer.scale


def step(text: str, bits: int = 16) -> Scale:
    """The scale with step ``text``."""
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"Scale must be a number, not {text!r}") from None
    return Scale.from_step(value, bits)


def check_output(path: str | os.PathLike[str]) -> None:
    """InputError, before a long run, if ``path`` could not be written after it; leaves nothing behind."""
    missing = [folder for folder in Path(path).parents if not os.path.lexists(folder)]
    try:
        with suppress(_Enough), replacing(path):
            raise _Enough
    finally:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


def command_without(command: str, *options: str, flags: Sequence[str] = ()) -> str:
    """A command line without what does not make its figures: ``options``, which have a value, and ``flags``."""
    words, kept = iter(shlex.split(command)), []
    for word in words:
        if word.partition("=")[0] in {f"--{name}" for name in options}:
            if "=" not in word:
                next(words)
        elif word not in {f"--{name}" for name in flags}:
            kept.append(word)
    return shlex.join(kept)


class _Enough(Exception):
    """Ends :func:`replacing` without a file."""


