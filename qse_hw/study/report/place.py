"""A folder that is written whole or not at all, and replaces only what was written so before."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from qse_hw.golden.errors import InputError
from qse_hw.study.report.files import VERILOG

PAGE = "index.html"
MARK = '<meta name="generator" content="qse-hw report"/>'
"""Marks the page of a report."""


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder; it becomes ``path`` if the block succeeds, and is deleted if not.

    Raises:
        InputError: if ``path`` cannot be written, or holds anything but an earlier report.
    """
    path = Path(path)
    place = path.absolute()
    try:
        if "\0" in str(path):
            raise ValueError("embedded null byte")  # which pathlib takes for "does not exist"
        _check(path)
        existing = next(folder for folder in place.parents if folder.is_dir())
        part = Path(tempfile.mkdtemp(prefix=".qse-report.", suffix=".part", dir=existing))
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise _refused(path, error) from error
    try:
        yield part
        os.chmod(part, 0o777 & ~_umask())
        _check(path)  # hours may have passed
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _move(part, place)
        except OSError as error:
            raise _refused(path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        kind = "a link" if path.is_symlink() else "a file" if path.is_file() else "a device"
        raise InputError(f"Output {path} must be a folder, not {kind}; choose another place")
    if not path.exists():
        nearest = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
        if not nearest.is_dir():
            raise InputError(
                f"Output {path} cannot be written: {nearest} must be a folder, and is none; choose another place"
            )
        return
    if path.samefile("."):
        raise InputError(f"Output {path} must not be the folder that one is in; choose another place")
    page = path / PAGE
    known = set()
    if page.is_file():
        text = page.read_text(encoding="utf-8", errors="replace")
        if MARK in text:
            known = {PAGE, *(unquote(name) for name in re.findall(rf'href="({VERILOG}/[^"]+)"', text))}
    for entry in sorted(path.rglob("*")):
        name = str(entry.relative_to(path))
        if name not in known and not (name == VERILOG and entry.is_dir() and known):
            raise InputError(
                f"Output {path} must be empty or an earlier report, but holds {name}; choose another place"
            )


def _move(part: Path, place: Path) -> None:
    """Put a folder in the place of another, which is there until the moment it is replaced."""
    if not place.exists():
        os.rename(part, place)
        return
    with tempfile.TemporaryDirectory(prefix=".qse-report.", suffix=".old", dir=place.parent) as old:
        os.rename(place, Path(old) / "old")
        try:
            os.rename(part, place)
        except OSError:
            os.rename(Path(old) / "old", place)
            raise


def _refused(path: Path, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    reason = getattr(error, "strerror", None) or error
    return InputError(f"Output {path} cannot be written: {reason}; choose another place")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
