"""Quantizing and dequantizing tensors, beside a copy of as many bytes, plain PyTorch, and other 8-bit formats."""

import os
import random
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import tables
from qse_hw.golden.quantize import operators, tensor
from qse_hw.golden.quantize.array import position_factor
from qse_hw.study.bench import SEED, Report, clock
from qse_hw.study.console import console, table

WORDS = "quantizing tensors"
VALUES = {"cpu": 1 << 25, "cuda": 1 << 29}  # several times the caches
REPEATS = {"cpu": 18, "cuda": 54}
DTYPES = (torch.bfloat16, torch.float32)
FORMATS = ("int8", "se8", "se8-silu")
STEP = 0.02
COPY = "copy of as many bytes"
CAPABILITY = 90  # of the GPU whose instructions are counted where there is none: H100

Work = dict[str, Callable[[], Any]]


def measure(report: Report, *, device: str = "cpu") -> dict[str, Any]:
    """Milliseconds per candidate, medians; they take turns in random order. Codes are checked before.

    ``of_copy`` is a copy's time over the candidate's, both of the same bytes: its share of the memory's speed.

    Raises:
        InputError: for a device that PyTorch does not find.
    """
    place = clock.place(device)
    kinds: list[tuple[str, torch.dtype, Callable[[Tensor], Work]]] = [
        (verb, dtype, make) for dtype in DTYPES for verb, make in (("quantize", _quantizing), ("dequantize", _decoding))
    ]
    cases: dict[str, Any] = {}
    turns = random.Random(SEED)
    for number, (verb, dtype, make) in enumerate(kinds):
        draw = torch.Generator(device=place).manual_seed(SEED)
        x = torch.randn(VALUES[place.type], device=place, dtype=torch.float32, generator=draw).to(dtype)
        candidates = make(x)
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        names, repeats = [*candidates], REPEATS[place.type]
        for turn in range(repeats + 1):
            for name in turns.sample(names, len(names)):  # the caches hold what the one before left
                seconds[name] += clock.times(candidates[name], 1, place)
            report((number + turn / (repeats + 1)) / len(kinds))
        medians = {name: statistics.median(spent[1:]) for name, spent in seconds.items()}  # the first warms up
        bytes_moved = x.numel() * (x.itemsize + 1)
        cases[f"{verb} {str(dtype).removeprefix('torch.')}"] = {
            "values": x.numel(),
            "bytes_per_value": x.itemsize + 1,
            "copy_bytes_per_second": 2 * (bytes_moved // 2) / medians[COPY] * 1e3,
            "milliseconds": medians,
            "all_milliseconds": {name: spent[1:] for name, spent in seconds.items()},
            "of_copy": {name: medians[COPY] / spent for name, spent in medians.items()},
        }
    return {
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "instructions_per_value": _instructions(place),
        "cases": cases,
    }


def _quantizing(x: Tensor) -> Work:
    scale = Scale.from_step(STEP)
    format = load_format("se8")
    plain = _plain(format, scale, x.device)
    compiled = torch.compile(plain)
    expected = tensor.quantize(x[:4096], format, scale)
    for name, codes in (("operator", operators.quantize(x, format, scale)), ("compiled", compiled(x))):
        if not torch.equal(codes[:4096], expected):
            raise SystemExit(f"the {name}'s codes differ from those of golden.quantize.tensor; run the compare command")
    work: Work = {COPY: _copy(x)}
    for name in FORMATS:
        work[name] = partial(operators.quantize, x, load_format(name), scale)
    work["se8 and counts"] = lambda: operators.quantize_histogram(x, format, scale)
    work["se8, plain PyTorch"] = lambda: plain(x)
    work["se8, plain PyTorch, torch.compile"] = lambda: compiled(x)
    work["float8_e4m3fn cast"] = lambda: x.to(torch.float8_e4m3fn)
    if x.dtype == torch.float32:
        work["torch.quantize_per_tensor"] = lambda: _per_tensor(x)
    return work


def _decoding(x: Tensor) -> Work:
    scale, dtype = Scale.from_step(STEP), x.dtype
    work: Work = {COPY: _copy(x)}
    for name in FORMATS:
        format = load_format(name)
        codes = operators.quantize(x, format, scale)
        work[name] = partial(operators.dequantize, codes, format, scale, dtype=dtype)
    float8 = x.to(torch.float8_e4m3fn)
    work["float8_e4m3fn cast"] = lambda: float8.to(dtype)
    if dtype == torch.float32:
        quantized = _per_tensor(x)
        work["torch.quantize_per_tensor"] = lambda: quantized.dequantize()
    return work


def _per_tensor(x: Tensor) -> Tensor:
    with warnings.catch_warnings():  # that it will be removed one day
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(x, STEP, 0, torch.qint8)


def _copy(x: Tensor) -> Callable[[], Any]:
    """Reads half of the bytes that the candidates move, and writes the other half."""
    source = torch.empty(x.numel() * (x.itemsize + 1) // 2, dtype=torch.uint8, device=x.device).fill_(1)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def _plain(format: SegmentedFormat, scale: Scale, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The quantizer as one writes it in PyTorch: an exact float64 product, truncated, looked up."""
    rows, factor = tables(format), position_factor(format, scale)
    codes = torch.from_numpy(rows.codes).to(device)

    def quantize(x: Tensor) -> Tensor:
        v = (x.double() * factor).clamp(rows.low, rows.high).nan_to_num(nan=0.0)
        return codes[v.to(torch.int64) - rows.first]

    return quantize


def _instructions(device: torch.device) -> dict[str, Any] | None:
    """Of the kernels, per value; None without Triton."""
    try:
        from qse_hw.study.bench.instructions import per_value
    except ImportError:
        return None
    if os.environ.get("TRITON_INTERPRET") == "1":  # then nothing is compiled
        return None
    major, minor = torch.cuda.get_device_capability(device) if device.type == "cuda" else divmod(CAPABILITY, 10)
    capability = 10 * major + minor
    return {"compute_capability": capability, "kernels": per_value(capability)}


def show(figures: dict[str, Any]) -> None:
    """A table per case: times, and shares of a copy's speed."""
    for name, case in figures["cases"].items():
        rows = [
            [candidate, f"{spent:.2f}", f"{case['values'] / spent / 1e6:.2f}", f"{case['of_copy'][candidate]:.2f}"]
            for candidate, spent in case["milliseconds"].items()
        ]
        table(
            f"To {name}: {case['values']:,} values on {figures['device']}",
            ["what", "ms", "billion values/s", "of the copy's speed"], rows,
            caption=f"medians; {case['bytes_per_value']} bytes per value, a copy moves "
            f"{case['copy_bytes_per_second'] / 1e9:.1f} GB/s",
        )  # fmt: skip
    if figures["instructions_per_value"] is not None:
        counted = figures["instructions_per_value"]
        console.print(
            f"instructions per value on compute capability {counted['compute_capability']}: "
            + ", ".join(f"{kernel} {count:.0f}" for kernel, count in counted["kernels"].items())
        )
