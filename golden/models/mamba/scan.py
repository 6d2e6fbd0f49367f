"""Fast CPU versions of the convolution and the selective scan, with gradients: for training only.

Compiled on first use (about half a minute; it needs g++ and ninja). Everything else uses the plain PyTorch of
:mod:`qse_hw.golden.models.mamba.model`, against which these are tested.
"""

import fcntl
import functools
import hashlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from qse_hw.golden.io.compiler import processor
from qse_hw.golden.io.sources import files_digest
from qse_hw.golden.models.mamba.common import Kernels

LANES, D_STATE = 16, 16  # as in scan.cpp
SOURCE = Path(__file__).with_name("scan.cpp")
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-Wno-psabi")


@functools.cache
def _extension() -> ModuleType:
    from torch.utils.cpp_extension import get_default_build_root, load

    folder = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root()) / _name()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "builder").open("w") as builder:
        # PyTorch waits forever for the lock of a process that was killed while building; the system frees this one.
        fcntl.flock(builder, fcntl.LOCK_EX)
        (folder / "lock").unlink(missing_ok=True)
        module: ModuleType = load(
            name=_name(), sources=[str(SOURCE)], extra_cflags=list(FLAGS), build_directory=str(folder)
        )
    return module


def _name() -> str:
    """The extension's name: one for each source, PyTorch and processor.

    PyTorch caches a build by name alone, and rebuilds only if the source's file is newer.
    """
    key = "\n".join((files_digest([SOURCE], SOURCE.parent), *FLAGS, torch.__version__, processor()))
    return f"golden_mamba_scan_{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _rows(*tensors: Tensor) -> list[Tensor]:
    """As float32 with a contiguous last axis, as the C++ code requires."""
    return [t.float() if t.stride(-1) == 1 else t.float().contiguous() for t in tensors]


class _ConvSilu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        (x,) = _rows(x)
        taps = weight.squeeze(1).t().contiguous()
        ctx.save_for_backward(x, taps, bias)
        y: Tensor = _extension().conv_forward(x, taps, bias)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, ...]:
        dx, dtaps, dbias = _extension().conv_backward(*_rows(dy), *ctx.saved_tensors)
        return dx, dtaps.t().unsqueeze(1), dbias


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, bias: Tensor
    ) -> Tensor:
        x, dt, B, C, z = _rows(x, dt, B, C, z)
        inputs = (x, dt, A.t().contiguous(), B, C, D, z, bias)
        y: Tensor
        y, states = _extension().scan_forward(*inputs)
        ctx.save_for_backward(states, *inputs)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, ...]:
        dx, ddt, dA, dB, dC, dD, dz = _extension().scan_backward(*_rows(dy), *ctx.saved_tensors)
        return dx, ddt, dA.t(), dB, dC, dD, dz, ddt.sum((0, 1))


def _conv_silu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    _check_channels(x)
    y: Tensor = _ConvSilu.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return y


def _selective_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, dt_bias: Tensor
) -> Tensor:
    _check_channels(x)
    if A.shape[1] != D_STATE:
        raise ValueError(f"State size must be {D_STATE}, not {A.shape[1]}")
    y: Tensor = _Scan.apply(x, dt, A, B, C, D, z, dt_bias)  # type: ignore[no-untyped-call]
    return y


def _check_channels(x: Tensor) -> None:
    if x.shape[-1] % LANES:
        raise ValueError(f"Channels must be a multiple of {LANES}, not {x.shape[-1]}")


FAST = Kernels(_conv_silu, _selective_scan)
