"""C++ sources compiled by g++, each once per machine, to libraries and programs that are kept between runs."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import cache_folder
from qse_hw.golden.io.sources import files_digest

COMPILER = "g++"
LIBRARY = ("-shared", "-fPIC")
"""Flags that make a shared library, for :class:`ctypes.CDLL`."""


def compile_cpp(source: Path, flags: Sequence[str], headers: Sequence[Path] = ()) -> Path:
    """Compile a source file, unless that has been done before.

    The result is kept in :func:`qse_hw.golden.io.files.cache_folder` under a digest of the source, its headers, the
    flags, the compiler's version and the processor. Several processes may compile the same source at the same time:
    each writes a file of its own and renames it.

    Args:
        source: a C++ file.
        flags: of g++; with those of :data:`LIBRARY` a shared library is made, else a program.
        headers: all that it includes but the system's, in its folder.

    Returns:
        The compiled file.

    Raises:
        InputError: if there is no compiler, or the cache cannot be written.
        RuntimeError: if the compiler fails.
    """
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise InputError(f"Program {COMPILER} was not found; install a C++ compiler (Debian: apt-get install g++)")
    version = _run([compiler, "--version"], source)
    files = files_digest([source, *headers], source.parent)
    key = "\n".join((files, *flags, version, platform.machine(), processor()))
    folder = cache_folder("compiled")
    compiled = folder / f"{source.stem}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    if not compiled.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                part = Path(temporary) / compiled.name
                _run([compiler, *flags, "-o", str(part), str(source)], source)
                os.replace(part, compiled)
        except OSError as error:
            raise InputError(
                f"Folder {folder} must be writable, but: {error.strerror}; set XDG_CACHE_HOME to another folder"
            ) from error
    return compiled


def load_library(source: Path, flags: Sequence[str], headers: Sequence[Path] = ()) -> ctypes.CDLL:
    """The compiled library; a kept file that cannot be loaded is compiled again, once.

    Raises:
        InputError, RuntimeError: as :func:`compile_cpp`.
        OSError: if the library cannot be loaded.
    """
    compiled = compile_cpp(source, flags, headers)
    try:
        return ctypes.CDLL(str(compiled))
    except OSError:
        compiled.unlink(missing_ok=True)
        return ctypes.CDLL(str(compile_cpp(source, flags, headers)))


def _run(command: list[str], source: Path) -> str:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        reason = "\n".join(done.stderr.splitlines()[:20])  # what follows the first error is often its consequence
        raise RuntimeError(f"{COMPILER} failed with status {done.returncode} for {source.name}\n{reason}")
    return done.stdout


def processor() -> str:
    """The processor's model and instruction sets: what ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    keys = ("model name", "flags", "Features", "CPU part", "isa")
    return "\n".join(sorted({line for line in lines if line.startswith(keys)}))
