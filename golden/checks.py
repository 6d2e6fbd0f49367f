"""Checks of argument types; a refusal states the argument, the rule and the value in one sentence."""

import os
from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError, InputTypeError

_LONGEST = 80  # characters of a value in a message


def integer(value: Any, what: str) -> int:
    """``value`` as an int; NumPy's integers are accepted, 1.0 is not."""
    try:
        return index(value)
    except TypeError:
        raise InputTypeError(f"{what} must be an integer, not {shown(value)}") from None


def boolean(value: Any, what: str) -> bool:
    """``value`` as a bool; text and numbers are refused."""
    if not isinstance(value, bool):
        raise InputTypeError(f"{what} must be True or False, not {shown(value)}")
    return value


def one_of(value: Any, known: Iterable[str], what: str) -> None:
    """InputError unless ``value`` is among the names ``known``."""
    names = tuple(known)
    if not isinstance(value, str) or value not in names:
        raise InputError(f"{what} must be one of {', '.join(names)}, not {shown(value)}")


def instance(value: Any, kind: type | tuple[type, ...], what: str, rule: str) -> None:
    """InputTypeError, which states the ``rule``, unless ``value`` is an instance of ``kind``."""
    if not isinstance(value, kind):
        raise InputTypeError(f"{what} must be {rule}, not {shown(value)}")


def as_path(value: Any, what: str) -> Path:
    """``value``, text or a path, as a path."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise InputTypeError(f"{what} must be a file's path, not {shown(value)}")
    return Path(value)


def function(value: Any, what: str) -> None:
    """InputTypeError unless ``value`` can be called, or is None."""
    if value is not None and not callable(value):
        raise InputTypeError(f"{what} must be a function or None, not {shown(value)}")


def shown(value: Any) -> str:
    """A value as messages show it: its repr, or, if that is long, its type and, of an array, its shape."""
    text = repr(value)
    if len(text) <= _LONGEST and text.isprintable():
        return text
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
