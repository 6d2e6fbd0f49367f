"""The digest of this package's own sources, for the keys of caches and for reports.

Keys and reports cover whole floors of the package, so that no relevant file can be left out. An edit without effect
then costs a repeated computation, whereas a forgotten file would cost a wrong figure.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FLOORS = ("golden", "rtl_gen", "sim", "synth", "qse_hw")
"""The folders of the package. Each imports only itself and those before it."""

TESTS = "tests"
"""The tests' folder of a checkout; an installed package has none."""

ROOT = Path(__file__).parents[2]
"""The checkout, or the installed package ``qse_hw``, which has the other floors in it."""


@cache
def digests() -> dict[str, str]:
    """SHA-256 of each floor by itself, and of the tests in a checkout; read once per process.

    Call it early: the digest should be that of the running code, not of later edits.
    """
    return read(ROOT)


def unchanged() -> bool:
    """Whether the files are still those of :func:`digests`."""
    try:
        return read(ROOT) == digests()
    except (OSError, RuntimeError):  # deleted, or being deleted
        return False


def digest(floor: str) -> str:
    """SHA-256 of a floor and of all floors before it, which is all the code that it can run.

    Args:
        floor: one of :data:`FLOORS`.
    """
    own = digests()
    lines = [f"{name} {own[name]}\n" for name in FLOORS[: FLOORS.index(floor) + 1]]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read(root: Path) -> dict[str, str]:
    """As :func:`digests`, now, of the sources in ``root``, a checkout or an installed package.

    Raises:
        RuntimeError: if a floor has no files there, as in an archive.
    """
    folders = {name: root / name for name in FLOORS}
    if (root / "pyproject.toml").is_file():
        folders[TESTS] = root / TESTS
    else:
        folders["qse_hw"] = root
    files = {name: source_files(folder) for name, folder in folders.items()}
    others = [folders[name] for name in FLOORS if name != "qse_hw"]  # within qse_hw once they are installed
    files["qse_hw"] = [path for path in files["qse_hw"] if not any(map(path.is_relative_to, others))]
    empty = [name for name in FLOORS if not files[name]]
    if empty:
        raise RuntimeError(f"Sources of {', '.join(empty)} must lie in {root}, but there are none")
    return {name: files_digest(files[name], folder) for name, folder in folders.items()}


def files_digest(files: Iterable[Path], root: Path) -> str:
    """SHA-256 of files, of their paths from ``root`` and their contents, independent of their order."""
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in files):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def source_files(folder: Path) -> list[Path]:
    """All files in a folder but Python's bytecode and hidden files, such as editors' backups."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts)
    ]
