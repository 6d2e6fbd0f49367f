"""A layer's values, given as a NumPy array or a PyTorch tensor, as a NumPy array (tokens, channels)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.checks import shown
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.quantize.array import FLOATS, INTEGERS
from qse_hw.golden.quantize.dispatch import is_tensor

_WIDER = ("bfloat16", "float8")  # dtypes that NumPy's own functions do not take, or would accumulate in


def matrix(x: Any, what: str) -> npt.NDArray[Any]:
    """``x`` as an array of two axes; ``what`` is what messages call it.

    Args:
        x: an array of NumPy or a tensor of PyTorch, on any device, (tokens, channels) or (batch, tokens, channels).
        what: of the message.

    Raises:
        InputError: for anything else, another dtype than a floating one or int8, int16, int32, or no values.
    """
    if is_tensor(x):
        from qse_hw.golden.quantize.operators import check_tensor

        check_tensor(x, what)
        if x.is_meta:
            raise InputError(f"{what} must have values, and the meta device keeps none")
        x = x.detach().resolve_neg()
        name = str(x.dtype).removeprefix("torch.")
        x = (x.float() if name.startswith(_WIDER) else x).cpu().numpy()
    elif isinstance(x, np.ndarray):
        name = x.dtype.name
        x = x.astype(np.float32) if name.startswith(_WIDER) else x
    else:
        raise InputTypeError(f"{what} must be a NumPy array or a PyTorch tensor, not {shown(x)}")
    if x.dtype.name not in FLOATS + INTEGERS:
        raise InputError(f"{what} must have a floating-point dtype, or int8, int16 or int32, not {name}")
    if x.ndim not in (2, 3) or not x.size:
        raise InputError(
            f"{what} must have values of shape (tokens, channels) or (batch, tokens, channels), not {x.shape}"
        )
    flat: npt.NDArray[Any] = x.reshape(-1, x.shape[-1])
    return flat


def check_finite(x: npt.NDArray[Any]) -> None:
    """InputError for NaN or infinity, which no scale can serve."""
    if not np.isfinite(x).all():
        raise InputError("Activations must be finite, but have NaN or infinity")
