"""Writing result files so that nobody ever sees half of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from golden.errors import InputError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if the block succeeds, delete it if not.

    Raises :class:`InputError` when the folder cannot be written.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a device would be replaced by a file
            raise InputError(f"Output {path} must be a file; choose another place")
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
