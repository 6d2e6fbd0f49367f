"""The compiled operations (step.cpp and what it includes), built once per machine in a few seconds."""

import ctypes
from functools import cache
from pathlib import Path

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.compiler import LIBRARY, load_library
from qse_hw.golden.models.integer.step.structs import OPERATIONS

FOLDER = Path(__file__).parent
SOURCE, HEADERS = FOLDER / "step.cpp", tuple(FOLDER / f"{name}.hpp" for name in ("arithmetic", "operations", "scan"))
FLAGS = (
    "-O3", "-march=native", "-std=c++17", "-fno-math-errno", "-fno-trapping-math", "-fwrapv", "-ffp-contract=off",
    *LIBRARY,
)  # fmt: skip


def available() -> bool:
    """Whether there is a compiler and it built the library."""
    return isinstance(_library(), ctypes.CDLL)


def library() -> ctypes.CDLL:
    """The compiled functions.

    Raises:
        InputError: if there is no compiler, or one that cannot build them.
    """
    loaded = _library()
    if isinstance(loaded, str):
        raise InputError(loaded)
    return loaded


def operation(parameters: type[ctypes.Structure]) -> ctypes.c_void_p:
    """The address of the function that takes these parameters."""
    return ctypes.cast(getattr(library(), f"qse_{OPERATIONS[parameters]}"), ctypes.c_void_p)


@cache
def _library() -> ctypes.CDLL | str:
    try:
        loaded = load_library(SOURCE, FLAGS, HEADERS)
    except (InputError, OSError, RuntimeError) as error:
        return str(error)
    loaded.qse_step.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    loaded.qse_step.restype = None
    return loaded
