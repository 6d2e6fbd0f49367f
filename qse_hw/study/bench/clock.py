"""Times on a CPU or a GPU."""

import re
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from qse_hw.golden.errors import InputError
from qse_hw.golden.quantize.operators import devices

_COPIED = {"cpu": 1 << 26, "cuda": 1 << 30}  # bytes; several times the cache
_COPIES = 15
_PROFILED = 3  # tokens
_LARGEST = 8  # groups that are told apart

# Kernels on a GPU by their names; the first that fits.
_GROUPS = (
    ("integer products", r"^(gemv|gemm)_kernel$"),
    ("quantizer", r"quantize_kernel"),
    ("fused", r"^triton_"),
    ("copies", r"^Mem(cpy|set)"),
    ("float products", r"gemm|gemv|cutlass|xmma|dot_kernel|splitK"),
)


def place(device: str) -> torch.device:
    """Where to measure; InputError for another device than a CPU or a GPU that PyTorch finds."""
    if device not in devices():
        raise InputError(f"Device must be cpu, or cuda where PyTorch finds a GPU, not {device!r}")
    return torch.device(device)


def times(work: Callable[[], Any], count: int, device: torch.device) -> list[float]:
    """Milliseconds of each of ``count`` calls, by events where it is a GPU's time."""
    if device.type == "cuda":
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]  # type: ignore[no-untyped-call]
        marks[0].record()
        for mark in marks[1:]:
            work()
            mark.record()
        torch.cuda.synchronize()
        return [float(a.elapsed_time(b)) for a, b in pairwise(marks)]
    milliseconds = []
    for _ in range(count):
        begun = time.perf_counter()
        work()
        milliseconds.append((time.perf_counter() - begun) * 1e3)
    return milliseconds


def copy_bandwidth(device: torch.device) -> float:
    """Bytes per second, read and written, of copying a large tensor; median of several, the first left out."""
    source = torch.ones(_COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    milliseconds = times(lambda: target.copy_(source), _COPIES + 1, device)
    return 2 * source.nbytes / statistics.median(milliseconds[1:]) * 1e3


def profiled(work: Callable[[], Any], device: torch.device) -> dict[str, float]:
    """Milliseconds per call by group of kernels (GPU) or by operator (CPU), the largest first."""
    gpu = device.type == "cuda"
    activity = ProfilerActivity.CUDA if gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as seen:
        for _ in range(_PROFILED):
            work()
        if gpu:
            torch.cuda.synchronize()
    groups: dict[str, float] = {}
    for event in seen.key_averages():
        name = _group(event.key) if gpu else event.key
        spent = event.self_device_time_total if gpu else event.self_cpu_time_total
        groups[name] = groups.get(name, 0.0) + spent / 1e3 / _PROFILED
    ordered = sorted(groups.items(), key=lambda item: -item[1])
    rest = sum(spent for _, spent in ordered[_LARGEST:])
    return dict(ordered[:_LARGEST]) | ({"all else": rest} if rest else {})


def _group(kernel: str) -> str:
    return next((group for group, pattern in _GROUPS if re.search(pattern, kernel)), "other kernels")
