"""Generating text with a quantized Mamba of a published shape, beside the float16 model of the same shape.

Weights are random: speed and memory do not depend on them. Models are built a layer at a time.
"""

import gc
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.mamba.decode import MambaDecoder
from qse_hw.golden.models.mamba.generate import Decoder, unfused
from qse_hw.golden.models.mamba.model import MambaConfig
from qse_hw.golden.models.mamba.shapes import shape
from qse_hw.golden.models.mamba.stream import random_layers
from qse_hw.golden.models.quamba.calibrate import calibrate_layer
from qse_hw.golden.models.quamba.calibration import LayerScales
from qse_hw.golden.models.quamba.decode import QuambaDecoder, QuambaLayer
from qse_hw.golden.models.quamba.integer import quantize_weight
from qse_hw.golden.models.quamba.model import QuambaBlock
from qse_hw.golden.models.quamba.scan import State
from qse_hw.golden.quantize import operators
from qse_hw.study.bench import SEED, Report, clock
from qse_hw.study.bench.clock import copy_bandwidth, profiled, times
from qse_hw.study.console import console, table

WORDS = "decoding"
SHAPES = {"cpu": ("130m:4",), "cuda": ("130m", "1.4b", "2.8b")}
PROMPT, TOKENS = 16, {"cpu": 8, "cuda": 256}
CALIBRATION = 64  # tokens
BASELINE = "float16"
FORMATS = ("int8", "se8-silu")  # of x: int8 at the percentile step, se8-silu with its first code at SiLU's minimum
STATES: tuple[State, ...] = ("fp16", "int8")
SILU_FLOOR = Fraction("0.2785")
QUOTED = {
    "what": "Quamba, Mamba-2.8B, W8A8 over float16, time per output token",
    "device": "NVIDIA Orin Nano 8G",
    "ratio": 1.72,
    "source": "arXiv 2410.13229",
}


def measure(report: Report, *, device: str = "cpu", shapes: Sequence[str] | None = None) -> dict[str, Any]:
    """Per shape and model: milliseconds per output token at batch 1, bytes, and where the time goes.

    Args:
        report: how far it is.
        device: "cpu" or "cuda".
        shapes: of ``qse_hw.golden.models.mamba.shapes``, as 1.4b, or 130m:4 for four layers of it; None: what suits the
            device.

    Raises:
        InputError: for an unknown shape, or a device that PyTorch does not find.
    """
    place = clock.place(device)
    configs = {name: _config(name) for name in (SHAPES[place.type] if shapes is None else shapes)}
    bandwidth = copy_bandwidth(place)
    results = {}
    for number, (name, config) in enumerate(configs.items()):

        def partly(share: float, number: int = number) -> None:
            report((number + share) / len(configs))

        results[name] = _measure_shape(config, place, bandwidth, partly)
    return {
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "batch": 1,
        "prompt": PROMPT,
        "tokens": TOKENS[place.type],
        "copy_bytes_per_second": bandwidth,
        "quoted": QUOTED,
        "shapes": results,
    }


def _config(name: str) -> MambaConfig:
    size, _, layers = name.partition(":")
    config = shape(f"mamba-{size}")
    assert isinstance(config, MambaConfig)
    if layers and not (layers.isascii() and layers.isdigit() and 1 <= int(layers) <= config.n_layer):
        raise InputError(f"Layers of {size} must be from 1 to {config.n_layer}, not {layers!r}")
    return replace(config, n_layer=int(layers)) if layers else config


def _measure_shape(config: MambaConfig, device: torch.device, bandwidth: float, report: Report) -> dict[str, Any]:
    random = _Random(config, device)
    models: dict[str, Callable[[], Decoder]] = {BASELINE: random.float16}
    for spec in FORMATS:
        for state in STATES:
            models[f"W8A8, x {spec}, state {state}"] = partial(random.quantized, spec, state)
    results: dict[str, dict[str, Any]] = {}
    for number, (name, build) in enumerate(models.items()):
        results[name] = _measure_model(build, device, bandwidth)
        report((number + 1) / len(models))
    slow = results[BASELINE]
    for model in results.values():
        model["speed_over_float16"] = slow["ms_per_token"] / model["ms_per_token"]
        model["weight_bytes_over_float16"] = model["weight_bytes"] / slow["weight_bytes"]
    return {"layers": config.n_layer, "d_model": config.d_model, "models": results}


def _measure_model(build: Callable[[], Decoder], device: torch.device, bandwidth: float) -> dict[str, Any]:
    torch.compiler.reset()  # else the shapes of one model after the other would reach its limit of variants
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    decoder = build()
    prompt = torch.randint(decoder.logits.shape[1], (1, PROMPT), generator=torch.Generator().manual_seed(SEED))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    decoder.prefill(prompt)
    advance = decoder.ready()
    milliseconds = times(advance, TOKENS[device.type], device)
    _check(decoder)
    states = sum(state.nbytes for state in decoder.states())
    weights = _weight_bytes(decoder)
    floor = (weights["read"] + 2 * states) / bandwidth * 1e3
    median = statistics.median(milliseconds)
    figures = {
        "ms_per_token": median,
        "all_ms": milliseconds,
        "weight_bytes": weights["held"],
        "state_bytes": states,
        "peak_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
        "floor_ms": floor,
        "floor_share": floor / median,
        "profile_ms": profiled(advance, device),
    }
    if isinstance(decoder, QuambaDecoder):
        figures["x_saturated"] = _saturated(decoder)
    return figures


class _Random:
    """Decoders of one model with random weights; the scales are calibrated when the first of them needs them."""

    def __init__(self, config: MambaConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.layers = random_layers(config, SEED)
        self.embedding = self.layers.embed(torch.arange(config.vocab_size))
        self.scales: list[LayerScales] = []

    def float16(self) -> Decoder:
        blocks = (self.layers.block(i) for i in range(self.config.n_layer))
        norm = torch.ones(self.config.d_model)
        return MambaDecoder(self.config, blocks, self.embedding, self.embedding, norm, device=self.device)

    def quantized(self, spec: str, state: State) -> Decoder:
        codes = quantize_weight(self.embedding.to(self.device), "Embedding")
        matrix = codes.value, codes.step
        norm = torch.ones(self.config.d_model, device=self.device)
        return QuambaDecoder(self.config, self._blocks(load_format(spec), state), matrix, matrix, norm)

    def _blocks(self, format: SegmentedFormat, state: State) -> Iterator[QuambaBlock]:
        """Layers one by one."""
        ids = torch.randint(self.config.vocab_size, (1, CALIBRATION), generator=torch.Generator().manual_seed(SEED))
        residual = F.embedding(ids, self.embedding).to(self.device)
        for i in range(self.config.n_layer):
            block = self.layers.block(i).to(self.device)
            if i == len(self.scales):
                fitted, residual = calibrate_layer(block, residual, layer=i)
                self.scales.append(fitted)
            scales = self.scales[i]
            step = scales.x.step
            if format.kind == "offset":
                step = SILU_FLOOR * 2**format.fraction_bits / format.zero_point
            quantizer = SegmentedQuantizer(format=format, scale=Scale.from_step(step))
            yield QuambaBlock(block, scales, quantizer, state=state, layer=i)


def _weight_bytes(decoder: Decoder) -> dict[str, int]:
    """All that is held but states, token and logits, and what of it a step reads (of the embedding a row)."""
    changing = {tensor.data_ptr() for tensor in (*decoder.states(), decoder.token, decoder.logits)}
    held = {buffer.data_ptr(): buffer.nbytes for buffer in decoder.buffers() if buffer.data_ptr() not in changing}
    embedding, head = decoder.get_buffer("embedding"), decoder.get_buffer("head")
    alone = embedding.nbytes - embedding[0].nbytes if embedding.data_ptr() != head.data_ptr() else 0
    return {"held": sum(held.values()), "read": sum(held.values()) - alone}


def _check(decoder: Decoder) -> None:
    """Stop if the decoder computes nothing: its speed would mean nothing."""
    if not bool(decoder.logits.isfinite().all()) or not all(bool(state.count_nonzero()) for state in decoder.states()):
        raise SystemExit("a decoder's logits are not finite or a state is empty; no figures")


def _saturated(decoder: QuambaDecoder) -> float:
    """The share of x that saturates, over all layers, in one more step."""
    seen: list[Tensor] = []

    def watch(region: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any) -> Any:
            outputs = region(*args)
            if region.__name__ == "convolve":
                seen.append(outputs[0])
            return outputs

        return watched

    decoder.fuse = watch
    with torch.no_grad():
        decoder.step(decoder.token)
    decoder.fuse = unfused
    shares = [
        float(operators.quantize_histogram(x, layer.x.format, layer.x.scale)[1][-2]) / x.numel()
        for x, layer in zip(seen, cast(Iterable[QuambaLayer], decoder.layers), strict=True)
    ]
    return statistics.mean(shares)


def show(figures: dict[str, Any]) -> None:
    """A table per shape, and where the time goes."""
    for name, of in figures["shapes"].items():
        columns = ["model", "ms/token", "speed / float16", "floor ms", "floor / time"]
        columns += ["weights MB", "states MB", "peak MB"]
        rows = [
            [
                model, f"{m['ms_per_token']:.3f}", f"{m['speed_over_float16']:.2f}", f"{m['floor_ms']:.3f}",
                f"{m['floor_share']:.2f}", f"{m['weight_bytes'] / 1e6:,.1f}", f"{m['state_bytes'] / 1e6:,.2f}",
                "" if m["peak_bytes"] is None else f"{m['peak_bytes'] / 1e6:,.1f}",
            ]
            for model, m in of["models"].items()
        ]  # fmt: skip
        table(
            f"Mamba-{name}, {of['layers']} layers, batch 1, {figures['device']}, "
            f"median of {figures['tokens']} tokens after {figures['prompt']}",
            columns,
            rows,
            caption=f"floor: weights read, states read and written, at a copy's "
            f"{figures['copy_bytes_per_second'] / 1e9:,.1f} GB/s",
        )
        for model, m in of["models"].items():
            parts = [f"{what} {ms:.3f}" for what, ms in m["profile_ms"].items()]
            console.print(f"{model}, ms/token by part: {', '.join(parts)}")
    quoted = figures["quoted"]
    console.print(f"published ({quoted['source']}): {quoted['what']}, {quoted['device']}: {quoted['ratio']} x")
