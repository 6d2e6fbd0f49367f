"""The targets, by name."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.synth.targets.base import Target

DEVICES: Mapping[str, str] = {
    "ecp5": "Ecp5",
    "ice40": "Ice40",
    "gowin": "Gowin",
    "cells": "Cells",
}
"""The class of each family, in the module of the family's name."""


def targets(names: Iterable[str], *, freq: float = 400.0, liberty: Path | None = None) -> list[Target]:
    """The targets of several names, each once; see :func:`target`."""
    chosen = [target(name, freq=freq, liberty=liberty) for name in names]
    return list({one.name: one for one in chosen}.values())


def target(name: str, *, freq: float = 400.0, liberty: Path | None = None) -> Target:
    """The target of a name: a family (then its usual device), or ``FAMILY:DEVICE``.

    Args:
        name: e.g. ``ecp5``, ``ecp5:45k-8``, ``ice40:up5k``, ``gowin``, ``cells``.
        freq: the clock that the tools aim at, MHz.
        liberty: the Liberty file of ``cells``, None for an installed one.

    Raises:
        InputError: for an unknown family or device, a wrong frequency, or a Liberty file that is missing or no good.
    """
    from importlib import import_module

    family, colon, part = name.partition(":")
    if family not in DEVICES:
        raise InputError(f"Target must be one of {', '.join(DEVICES)}, with a device as in ecp5:45k-8, not {name!r}")
    if colon and family == "cells":
        raise InputError(f"Target cells has no devices, not {name!r}; choose a library by its Liberty file")
    options: dict[str, Any] = {"part": part} if colon else {}
    if family == "cells":
        options["liberty"] = liberty
    made: Target = getattr(import_module(f"qse_hw.synth.targets.{family}"), DEVICES[family])(freq=freq, **options)
    return made
