"""Reading and writing .npy files of a user's own."""

import math
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.errors import InputError
from golden.files import replacing

_LARGEST = sys.maxsize // 8  # values of an array of float64, whose bytes NumPy counts, those of empty ones as well


def read_array(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """The array in a .npy file, mapped into memory rather than read: a header that lies about its size costs nothing.

    Raises:
        InputError: if it cannot be read, is no .npy file, or holds Python objects (which would have to be unpickled).
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise InputError(f"Array file {path} must be a .npy file, and it does not begin like one")
        with warnings.catch_warnings():  # of shapes that overflow, which are refused, and of Python 2, which is fine
            warnings.simplefilter("ignore")
            array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if math.prod(max(1, length) for length in array.shape) > _LARGEST:
            raise ValueError("an empty array of which nothing of the same shape can be made")
        return array
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"Array file {path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # numpy raises nearly anything on a damaged header, tokenize.TokenError among it
        raise InputError(
            f"Array file {path} must be a complete .npy file of plain numbers, and is not; save the array again"
        ) from error


def write_array(path: str | os.PathLike[str], array: npt.NDArray[Any]) -> None:
    """Write a .npy file, whole or not at all."""
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, array, allow_pickle=False)
