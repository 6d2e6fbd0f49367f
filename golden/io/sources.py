"""The digest of this package's own sources: of what made a result that is kept, or a figure that is published.

A key of a cache, and every report, takes whole floors of the package, so that no file that matters can be left out. An
edit that changes no result makes it anew, too: that costs time, where a forgotten file would cost a wrong figure.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FLOORS = ("golden", "rtl_gen", "sim", "synth", "qse_hw")
"""The folders of the package. Each imports only itself and those before it."""

FRONT = FLOORS[-1]

TESTS = "tests"
"""A checkout's; installed packages have none."""

_ROOT = Path(__file__).parents[2]


@cache
def digests() -> dict[str, str]:
    """SHA-256 of each floor by itself, and of the tests in a checkout; read once per process.

    Call it early: a digest should be that of the code that runs, not of what an editor has written since.
    """
    return read(_ROOT)


def unchanged() -> bool:
    """Whether the files are still those of :func:`digests`."""
    try:
        return read(_ROOT) == digests()
    except (OSError, RuntimeError):  # gone, or going
        return False


def digest(floor: str) -> str:
    """SHA-256 of a floor and of all before it: of everything that its code can run.

    Args:
        floor: one of :data:`FLOORS`.
    """
    own = digests()
    lines = [f"{name} {own[name]}\n" for name in FLOORS[: FLOORS.index(floor) + 1]]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read(root: Path) -> dict[str, str]:
    """As :func:`digests`, now, of the folders in ``root``.

    Raises:
        RuntimeError: if a floor has no files there, as in an archive: what cannot be read cannot be known.
    """
    found = {name: source_files(root / name) for name in FLOORS[:-1]}
    installed = not (root / FRONT).is_dir()  # then the front's folder is the root, and the other floors are in it
    below = [root / name for name in found]
    files = source_files(root if installed else root / FRONT)
    found[FRONT] = [path for path in files if not any(path.is_relative_to(floor) for floor in below)]
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise RuntimeError(f"Sources of {', '.join(empty)} must lie in {root}, but there are none")
    if (root / "pyproject.toml").is_file():
        found[TESTS] = source_files(root / TESTS)
    base = {FRONT: root.parent if installed else root}
    return {name: files_digest(files, base.get(name, root)) for name, files in found.items()}


def files_digest(files: Iterable[Path], root: Path) -> str:
    """SHA-256 of files, of their paths from ``root`` and their contents, in whatever order they are given."""
    found = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in files):
        content = path.read_bytes()
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def source_files(folder: Path) -> list[Path]:
    """All files in a folder but what Python compiled and what is hidden, as editors' backups are."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts)
    ]
