"""What several commands share: a help text, a check of outputs, command lines as reports show them."""

import argparse
import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.rtl_gen.units.shared import FORMAT

FORMAT_HELP = FORMAT.help
INPUTS = (
    "array", "codes", "spec", "activations", "baseline", "calibration", "calibration_text", "energy", "evaluation",
    "format", "held_out", "liberty", "text",
)  # fmt: skip
"""The options, of all commands, that may name a file to read."""
OR_NAMES = ("baseline", "format")
"""Those that may name something built in, too: what ends with .json is a file."""
OUTPUTS = ("output", "json", "markdown", "png", "scales", "wave")
"""Those that may name a file to write."""
CHECKPOINT = (
    "config.json", "model*.safetensors", "pytorch_model*.bin", "*.index.json", "tokenizer*", "vocab.json",
)  # fmt: skip
"""The names of a checkpoint's files, among which users may keep files of their own."""


def check_output(path: str | os.PathLike[str]) -> None:
    """InputError, before a long run, if ``path`` could not be written after it; leaves nothing behind."""
    missing = [folder for folder in Path(path).parents if not os.path.lexists(folder)]
    try:
        with suppress(_Enough), replacing(path):
            raise _Enough
    finally:
        for folder in missing:
            with suppress(OSError, ValueError):  # ValueError: no folder can have this name
                folder.rmdir()


def check_outputs_differ(args: argparse.Namespace) -> None:
    """InputError if a file that a command would write is one that it reads, or writes under another option, too."""
    outputs = {os.path.realpath(path): (name, path) for name in OUTPUTS for path in _paths(args, name)}
    for option in (*INPUTS, *OUTPUTS):
        for path in _paths(args, option):
            name, output = outputs.get(os.path.realpath(path), (option, path))
            if name != option:
                raise InputError(
                    f"Output {output} must be another file than {path}, given as {option.replace('_', ' ')}, which it "
                    "would replace; choose another place"
                )
    models = {os.path.realpath(path) for path in _paths(args, "model")}
    for output, (_, path) in outputs.items():
        folder, name = os.path.split(output)
        if folder in models and _is_checkpoint(output):
            raise InputError(
                f"Output {path} must be another file than {name} of the model, which it would replace; choose another "
                "place"
            )


def _is_checkpoint(path: str) -> bool:
    return os.path.isfile(path) and any(fnmatch(os.path.basename(path), pattern) for pattern in CHECKPOINT)


def _paths(args: argparse.Namespace, option: str) -> list[str]:
    """The files that an option names; none where the command has no such option, or it is not given."""
    given = getattr(args, option, None)
    paths = [os.fspath(path) for path in (given if isinstance(given, list) else [given]) if path]
    return [path for path in paths if _can_be(path) and (option not in OR_NAMES or path.endswith(".json"))]


def _can_be(path: str) -> bool:
    """Whether a file can have this name; whoever opens another one is told."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def refuse_options(args: argparse.Namespace, options: Sequence[str], recipe: str) -> None:
    """InputError if one of another recipe's options is given, whose default is None, or [] for a list."""
    for option in options:
        if getattr(args, option) not in (None, []):
            raise InputError(f"Recipe must be {recipe} where --{option.replace('_', '-')} is given, not {args.recipe}")


def set_defaults(args: argparse.Namespace, **defaults: Any) -> None:
    """Sets the options that were not given, and are None."""
    for option, value in defaults.items():
        if getattr(args, option) is None:
            setattr(args, option, value)


def command_without(command: str, *options: str, flags: Sequence[str] = ()) -> str:
    """A command line without options that do not affect its figures: ``options`` have a value, ``flags`` have none."""
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


