"""Reading and writing .npy files of a user's own."""

import math
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.document_kinds import refuse_our_json
from qse_hw.golden.io.files import replacing

FLOAT8 = (  # without float8_e5m2, whose files NumPy cannot read: it is refused by name
    "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2fnuz",
    "float8_e8m0fnu",
)  # fmt: skip
NAMED = {2: ("bfloat16",), 1: FLOAT8}
"""By bytes per value: the dtypes of ml_dtypes, which NumPy reads from a .npy file as bytes without a type."""

_LARGEST = sys.maxsize // 8  # values: NumPy computes the bytes of a float64 array of that shape, even if it is empty


def read_array(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """The array in a .npy file, mapped into memory rather than read: a header that lies about its size costs nothing.

    An array that was saved as bfloat16 of ml_dtypes is returned as such.

    Raises:
        InputError: if it cannot be read, is no .npy file, or holds Python objects (which would have to be unpickled).
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                refuse_our_json(path, f"Array file {path}", "array", "a .npy file")
                raise InputError(f"Array file {path} must be a .npy file, and it does not begin like one")
        with warnings.catch_warnings():  # about overflow, refused below, and Python 2, harmless
            warnings.simplefilter("ignore")
            array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if math.prod(max(1, length) for length in array.shape) > _LARGEST:
            raise ValueError("an empty array of which nothing of the same shape can be made")
        if array.dtype == np.dtype("V2") and b"'<V2'" in _begin(path):  # as ml_dtypes writes bfloat16 alone
            import ml_dtypes

            return array.view(ml_dtypes.bfloat16)
        return array
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"Array file {path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # NumPy raises many types on a damaged header, even tokenize.TokenError
        what = "must be a complete .npy file of plain numbers, and is not; save the array again"
        if b"'<f1'" in _begin(path):  # ml_dtypes writes it, and NumPy cannot read it
            what = "holds float8_e5m2, of which NumPy reads no .npy file; convert the array to float32 and save that"
        raise InputError(f"Array file {path} {what}") from error


def numbers(array: npt.NDArray[Any], dtype: str | None, where: str) -> npt.NDArray[Any]:
    """The array with its dtype, where :func:`read_array` returns bytes without a type (``void16``, ``void8``).

    Args:
        array: as it was read.
        dtype: the dtype of its values, one of :data:`NAMED`; None: the array has its own.
        where: what messages call the array.

    Returns:
        bfloat16 of ml_dtypes, or float8 as float32; any other array as it is.

    Raises:
        InputError: if the dtype is not known, or is given to an array that has one, or has another size.
    """
    if array.dtype.kind != "V" or array.dtype.names is not None or array.dtype.name not in ("void8", "void16"):
        if dtype not in (None, array.dtype.name):
            raise InputError(f"{where} must be given no dtype, as its own is {array.dtype.name}, not {dtype!r}")
        return array
    size = array.dtype.itemsize
    known, words = ", ".join(NAMED[size]), "1 byte" if size == 1 else "2 bytes"
    if dtype is None:
        raise InputError(
            f"{where} must be given its dtype, as the file tells only that a value has {words}: "
            f"--dtype with one of {known}"
        )
    if dtype not in NAMED[size]:
        raise InputError(f"{where} must have a dtype of {words}, one of {known}, not {dtype!r}")
    import ml_dtypes

    typed: npt.NDArray[Any] = array.view(getattr(ml_dtypes, dtype))
    return typed if size == 2 else typed.astype(np.float32)


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(256)


def write_array(path: str | os.PathLike[str], array: npt.NDArray[Any]) -> None:
    """Write a .npy file, whole or not at all."""
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, array, allow_pickle=False)
