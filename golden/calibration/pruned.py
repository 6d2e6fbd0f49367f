"""The search of :mod:`qse_hw.golden.calibration.segmentation` among the few states that a bound leaves (pruned.cpp).

The bound is a Lagrangian relaxation of the limit on codes. The result is equal on every bit, in about a hundredth of
the time. Without a C++ compiler, the plain search does it.
"""

import ctypes
from functools import cache
from itertools import groupby
from pathlib import Path as File
from typing import Any

import numpy as np

from qse_hw.golden.calibration.segmentation import Costs, Path, best_paths
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.compiler import LIBRARY, load_library

SOURCE = File(__file__).with_name("pruned.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-ffp-contract=off", "-fno-trapping-math", *LIBRARY)


def available() -> bool:
    """Whether there is a compiler and it built the library."""
    return isinstance(_library(), ctypes.CDLL)


def why_not() -> str | None:
    """Why it is not available, in a line; None if it is."""
    library = _library()
    return library.splitlines()[0] if isinstance(library, str) else None


def best_within(cost: Costs, codes: int, segments: int) -> Path:
    """The best path of at most ``segments`` segments (up to 8) and ``codes`` codes, of equals that with the fewest."""
    if not available():
        return best_paths(cost, codes, segments)[-1]
    steps = np.empty(codes, np.int32)
    count, start = ctypes.c_int64(), ctypes.c_int64()
    error = _call(cost, codes, segments, steps.ctypes.data, ctypes.byref(count), ctypes.byref(start))
    along = steps[: count.value][::-1].tolist()
    return Path(tuple((len(list(run)), step) for step, run in groupby(along)), start.value, error)


def least_error(cost: Costs, codes: int, segments: int) -> float:
    """A lower bound of the error of :func:`best_within`, close to it; 0 without a compiler."""
    return _call(cost, codes, segments, None, None, None) if available() else 0.0


def _call(cost: Costs, codes: int, segments: int, *outputs: Any) -> float:
    gaps, below, above = cost.by_step
    library = _library()
    assert isinstance(library, ctypes.CDLL)
    path, count, start = outputs
    error: float = library.qse_best_path(
        ctypes.c_int64(len(below)), *(ctypes.c_void_p(part.ctypes.data) for part in (gaps, below, above)),
        ctypes.c_int64(codes), ctypes.c_int32(segments), ctypes.c_void_p(path), count, start,
    )  # fmt: skip
    return error


@cache
def _library() -> ctypes.CDLL | str:
    """The compiled search, or why there is none."""
    try:
        library = load_library(SOURCE, FLAGS)
    except (InputError, OSError, RuntimeError) as error:
        return str(error)
    library.qse_best_path.restype = ctypes.c_double
    return library
