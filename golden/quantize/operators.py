"""The quantizer as PyTorch operators: in eager mode, under ``torch.compile``, ``torch.export``, ``vmap`` and autocast.

The operators, ``torch.ops.qse_hw.quantize`` and others, take a format as JSON text and a scale as its M and k, so that
an exported graph is complete; the functions here take the objects. Each is one pass over memory:
:mod:`qse_hw.golden.quantize.cpu_kernels` on a CPU, :mod:`qse_hw.golden.quantize.triton` on a GPU. On other devices, and
without a compiler, it is :mod:`qse_hw.golden.quantize.tensor`; all are equal to it on every bit.

A scale is a :class:`Scale`, or a step (a number, or an array or tensor of one element), which becomes the nearest
:class:`Scale`. Tensors have any shape and strides; results are contiguous.
"""

import json
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any, Protocol

import torch
from torch import Tensor

from qse_hw.golden.checks import boolean, instance
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.formats.presets import format_from_json, format_to_json
from qse_hw.golden.formats.scale import Scale, as_scale
from qse_hw.golden.formats.segmented import SegmentedFormat, check_format
from qse_hw.golden.quantize import cpu_kernels, tensor
from qse_hw.golden.quantize.array import check_dtype, check_float_dtype
from qse_hw.golden.quantize.saturation import limits
from qse_hw.golden.quantize.tensor import name_of, torch_code_dtype


def quantize(x: Tensor, format: SegmentedFormat, scale: Any, *, exponent: int = 0) -> Tensor:
    """Codes of ``x``, on its device.

    Args:
        x: any floating dtype; or int8, int16, int32 as fixed point ``x * 2**exponent``. NaN gives the zero code,
            infinities saturate.
        format: the format.
        scale: see above.
        exponent: the implied exponent of integers.

    Returns:
        int8 for two's complement formats, else uint8; int16 for formats of more than 8 bits.

    Raises:
        InputError: for another dtype or layout, or a scale that breaks a rule.
    """
    check_format(format)
    scale = as_scale(scale)
    _check_input(x, exponent)
    codes: Tensor = torch.ops.qse_hw.quantize(x.detach(), _text(format), scale.M, scale.k, exponent)
    return codes


def dequantize(
    codes: Tensor, format: SegmentedFormat, scale: Any, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Decoded values: the exact value rounded to float32 (ties to even), and from there to ``dtype``.

    Args:
        codes: of the dtype that :func:`quantize` returns.
        format: the format.
        scale: see above.
        dtype: float32, float16, bfloat16 or float64.

    Raises:
        InputError: for another dtype, or a code that the format does not assign. On a GPU such codes are decoded as 0
            instead, since a check would stall it.
    """
    check_format(format)
    scale = as_scale(scale)
    _check_codes(codes, format)
    instance(dtype, torch.dtype, "Values' dtype", "a torch.dtype")
    check_float_dtype(name_of(dtype))
    values: Tensor = torch.ops.qse_hw.dequantize(codes, _text(format), scale.M, scale.k, dtype)
    return values


def fake_quantize(x: Tensor, format: SegmentedFormat, scale: Any, *, nan_to_zero: bool = False) -> Tensor:
    """Every value replaced by the decoded value of its code; shape and dtype of ``x``.

    The gradient is straight-through: passed on where x does not saturate, else 0 (as in
    ``torch.fake_quantize_per_tensor_affine``); NaN where the result is NaN.

    Args:
        x: float32, float16, bfloat16 or float64.
        format: the format.
        scale: see above.
        nan_to_zero: NaN becomes 0, as in hardware, which also raises a flag; there is no flag here, so by default NaN
            stays NaN and shows in a model's output. Infinities saturate.

    Raises:
        InputError: as :func:`quantize`.
    """
    check_format(format)
    scale = as_scale(scale)
    _check_values(x)
    values: Tensor = torch.ops.qse_hw.fake_quantize(
        x, _text(format), scale.M, scale.k, boolean(nan_to_zero, "nan_to_zero")
    )
    return values


def quantize_histogram(x: Tensor, format: SegmentedFormat, scale: Any) -> tuple[Tensor, Tensor]:
    """Codes as :func:`quantize`, and statistics of them from the same pass.

    Returns:
        codes, and int64 counts (segments + 2,): values whose code is in each segment (their sum is the number of
        values), how many of them saturated, how many were NaN.

    Raises:
        InputError: as :func:`quantize`.
    """
    check_format(format)
    scale = as_scale(scale)
    _check_input(x, 0)
    codes, counts = torch.ops.qse_hw.quantize_histogram(x.detach(), _text(format), scale.M, scale.k)
    return codes, counts


def linear(codes: Tensor, weight: Tensor, format: SegmentedFormat) -> Tensor:
    """Products of codes with 8-bit weights: the accumulators of ``qse_linear``.

    The real product is this times s * 2**-F * the weight's step.

    Args:
        codes: (..., in), of the dtype that :func:`quantize` returns.
        weight: int8 (out, in).
        format: of the codes.

    Returns:
        int32 (..., out): sums of decoded integers (fine steps) times weights. They wrap unless the largest decoded
        integer times a row's sum of |weight| is below 2**31; the caller must ensure that.

    Raises:
        InputError: for other dtypes, shapes that do not fit, or tensors on two devices.
    """
    check_format(format)
    _check_codes(codes, format)
    check_tensor(weight, "Weight")
    if weight.dtype != torch.int8 or weight.dim() != 2:
        raise InputError(f"Weight must be int8 (out, in), not {weight.dtype} {tuple(weight.shape)}")
    if codes.dim() < 1 or codes.shape[-1] != weight.shape[1]:
        raise InputError(
            f"Codes must have the weight's {weight.shape[1]} inputs as the last axis, not shape {tuple(codes.shape)}"
        )
    if codes.device != weight.device:
        raise InputError(f"Codes and weight must be on one device, not on {codes.device} and {weight.device}")
    sums: Tensor = torch.ops.qse_hw.linear(codes, weight, _text(format))
    return sums


def devices() -> list[str]:
    """The kinds of device, of those that the operators support, that PyTorch has on this machine."""
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@torch.library.custom_op("qse_hw::quantize", mutates_args=())
def _quantize(x: Tensor, format: str, M: int, k: int, exponent: int = 0) -> Tensor:
    return _backend(x).quantize(x, _format(format), _scale(M, k), exponent=exponent)


@_quantize.register_fake
def _(x: Tensor, format: str, M: int, k: int, exponent: int = 0) -> Tensor:
    _check_input(x, exponent)
    return x.new_empty(x.shape, dtype=torch_code_dtype(_format(format)))


@torch.library.custom_op("qse_hw::dequantize", mutates_args=())
def _dequantize(codes: Tensor, format: str, M: int, k: int, dtype: torch.dtype) -> Tensor:
    check_float_dtype(name_of(dtype))
    return _backend(codes).dequantize(codes, _format(format), _scale(M, k), dtype=dtype)


@_dequantize.register_fake
def _(codes: Tensor, format: str, M: int, k: int, dtype: torch.dtype) -> Tensor:
    _check_codes(codes, _format(format))
    return codes.new_empty(codes.shape, dtype=dtype)


@torch.library.custom_op("qse_hw::fake_quantize", mutates_args=())
def _fake_quantize(x: Tensor, format: str, M: int, k: int, nan_to_zero: bool = False) -> Tensor:
    _check_values(x)
    return _backend(x).fake_quantize(x, _format(format), _scale(M, k), nan_to_zero=nan_to_zero)


@_fake_quantize.register_fake
def _(x: Tensor, format: str, M: int, k: int, nan_to_zero: bool = False) -> Tensor:
    _check_values(x)
    return x.new_empty(x.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, format, M, k, ctx.nan_to_zero = inputs
    ctx.save_for_backward(x)
    ctx.limits = limits(_format(format), _scale(M, k), "float64" if x.dtype == torch.float64 else "float32")


def _straight_through(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
    (x,) = ctx.saved_tensors
    x = x.detach()
    wide = x if x.dtype == torch.float64 else x.float()  # comparison converts a number to the tensor's dtype
    within = wide.clamp(ctx.limits.low, ctx.limits.high)
    outside = 0.0 if ctx.nan_to_zero else (within * 0).to(gradient.dtype)  # NaN for NaN, else 0, as limits are finite
    return torch.where(within == wide, gradient, outside), None, None, None, None


_fake_quantize.register_autograd(_straight_through, setup_context=_keep)


@torch.library.custom_op("qse_hw::quantize_histogram", mutates_args=())
def _quantize_histogram(x: Tensor, format: str, M: int, k: int) -> tuple[Tensor, Tensor]:
    return _backend(x).quantize_histogram(x, _format(format), _scale(M, k))


@_quantize_histogram.register_fake
def _(x: Tensor, format: str, M: int, k: int) -> tuple[Tensor, Tensor]:
    spec = _format(format)
    counts = x.new_empty(len(spec.segments) + 2, dtype=torch.int64)
    return x.new_empty(x.shape, dtype=torch_code_dtype(spec)), counts


@torch.library.custom_op("qse_hw::linear", mutates_args=())
def _linear(codes: Tensor, weight: Tensor, format: str) -> Tensor:
    return _backend(codes).linear(codes, weight, _format(format))


@_linear.register_fake
def _(codes: Tensor, weight: Tensor, format: str) -> Tensor:
    return codes.new_empty((*codes.shape[:-1], weight.shape[0]), dtype=torch.int32)


def _elementwise(operator: Any) -> None:
    """Under vmap the batch is one more axis."""

    def batched(info: Any, in_dims: tuple[Any, ...], x: Tensor, *rest: Any) -> tuple[Tensor, int]:
        return operator(x, *rest), in_dims[0]

    operator.register_vmap(batched)


for _operator in (_quantize, _dequantize, _fake_quantize):
    _elementwise(_operator)


class Backend(Protocol):
    """A module with the functions of :mod:`qse_hw.golden.quantize.tensor`."""

    def quantize(self, x: Tensor, format: SegmentedFormat, scale: Scale, *, exponent: int = 0) -> Tensor: ...

    def dequantize(
        self, codes: Tensor, format: SegmentedFormat, scale: Scale, *, dtype: torch.dtype = torch.float32
    ) -> Tensor: ...

    def fake_quantize(
        self, x: Tensor, format: SegmentedFormat, scale: Scale, *, nan_to_zero: bool = False
    ) -> Tensor: ...

    def quantize_histogram(self, x: Tensor, format: SegmentedFormat, scale: Scale) -> tuple[Tensor, Tensor]: ...

    def linear(self, codes: Tensor, weight: Tensor, format: SegmentedFormat) -> Tensor: ...


def _backend(x: Tensor) -> Backend:
    """The module that computes on x's device."""
    if x.device.type == "cuda" and _has_triton():
        from qse_hw.golden.quantize import triton as kernels  # loading Triton takes long

        return kernels
    if x.device.type == "cpu" and cpu_kernels.available():
        return cpu_kernels
    return tensor


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _text(format: SegmentedFormat) -> str:
    return _cached_text(format)


@lru_cache(maxsize=256)
def _cached_text(format: SegmentedFormat) -> str:
    return json.dumps(format_to_json(format), separators=(",", ":"))


@lru_cache(maxsize=256)
def _format(text: str) -> SegmentedFormat:
    return format_from_json(json.loads(text))


@lru_cache(maxsize=1024)
def _scale(M: int, k: int) -> Scale:
    return Scale(M=M, k=k, bits=M.bit_length())


def check_tensor(x: Tensor, what: str) -> None:
    """InputError unless ``x`` is a dense tensor."""
    if not isinstance(x, Tensor):
        raise InputTypeError(f"{what} must be a PyTorch tensor, not {type(x).__name__}")
    if x.layout != torch.strided or x.is_quantized or x.is_nested:
        kind = "a nested tensor" if x.is_nested else "a quantized tensor" if x.is_quantized else str(x.layout)
        raise InputError(f"{what} must be a dense tensor, not {kind}")


def _check_input(x: Tensor, exponent: int) -> None:
    check_tensor(x, "x")
    name = name_of(x.dtype)
    check_dtype("float32" if name.startswith("float8_") else name, exponent)  # float8 is exact in float32


def _check_values(x: Tensor) -> None:
    check_tensor(x, "x")
    check_float_dtype(name_of(x.dtype))


def _check_codes(codes: Tensor, format: SegmentedFormat) -> None:
    check_tensor(codes, "Codes")
    dtype = torch_code_dtype(format)
    if codes.dtype != dtype:
        raise InputError(f"Codes of format {format.name} must have dtype {dtype}, not {codes.dtype}")
