"""Liberty files as bytes: reading plain and gzipped ones; removing cells."""

import gzip
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from qse_hw.golden.errors import InputError

SIZE_LIMIT = 64 << 20  # bytes; the largest NLDM file known to us, of all of sky130's cells, has 12 MiB
_GZIP = b"\x1f\x8b"


def read_file(path: str | Path) -> bytes:
    """The content of the file, uncompressed; gzip is recognized by content, not by name.

    Raises:
        InputError: if it cannot be read or uncompressed, or has more than :data:`SIZE_LIMIT` bytes, compressed or not.
    """
    what = f"Liberty file {path}"
    try:
        with Path(path).open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise InputError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if data.startswith(_GZIP) and len(data) <= SIZE_LIMIT:
        try:
            with gzip.open(BytesIO(data)) as packed:
                data = packed.read(SIZE_LIMIT + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{what} must be a whole gzip file: {error}") from error
    if len(data) > SIZE_LIMIT:
        raise InputError(f"{what} must have at most {SIZE_LIMIT >> 20} MiB; choose the library's NLDM file")
    return data


def without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """``text`` without these spans, but with their line breaks, so that line numbers stay."""
    kept, at = [], 0
    for start, end in sorted(spans):
        kept += [text[at:start], "\n" * text.count("\n", start, end)]
        at = end
    return "".join([*kept, text[at:]])
