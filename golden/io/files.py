"""Writing result files atomically; reading JSON."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if the block succeeds, delete it if not.

    Missing folders are made, and deleted again if they stay empty. Raises :class:`InputError` if the folder cannot be
    written.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a device would be replaced by a file
            kind = "a folder" if path.is_dir() else "a device"
            raise InputError(f"Output {path} must be a file, not {kind}; choose another place")
        nearest = next(folder for folder in (path.parent, *path.parent.parents) if os.path.lexists(folder))
        if not nearest.is_dir():
            raise InputError(
                f"Output {path} cannot be written: {nearest} must be a folder, and is none; choose another place"
            )
        made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"Output {path} cannot be written: {reason}; choose another place") from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        os.chmod(part, 0o666 & ~_umask())
        try:
            os.replace(part, path)
        except OSError as error:
            raise InputError(f"Output {path} cannot be written: {error.strerror}; choose another place") from error
    finally:
        part.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: it has the result, or files of others
            for folder in made:
                folder.rmdir()


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Write ``document`` as JSON, whole or not at all."""
    with replacing(path) as part:
        part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str], where: str, *, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """The JSON document in a file; ``parse_constant`` converts NaN and Infinity.

    Raises:
        InputError: which begins with ``where``, if the file cannot be read or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=parse_constant)
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{where} must be JSON: {error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def cache_folder(name: str) -> Path:
    """The folder for what ``name`` caches between runs, under ``XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "qse-hw" / name
