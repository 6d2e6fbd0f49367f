"""What several commands share: a help text, a check of outputs, command lines as reports show them."""

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from qse_hw.golden.io.files import replacing
from qse_hw.rtl_gen.units.shared import FORMAT

FORMAT_HELP = FORMAT.help


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


