"""What the accelerator of a Mamba-1 will need: cycles per token and per prompt, where they go, the bounds."""

import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.reference.linear import MAX_SIZE
from qse_hw.golden.reference.product_schedule import RESULTS
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.sim.cycle.mixer.timing import MixerTiming
from qse_hw.sim.cycle.mixer.token_cycles import TokenCycles, count_cycles

if TYPE_CHECKING:
    from qse_hw.golden.models.mamba.model import MambaConfig

FORMATS = {"norm": "se8", "x": "se8-silu", "dt_low": "se8", "y": "se8"}
"""Of the operands: cycles do not depend on them."""
MULTIPLIER_BYTES = 4
"""Of a row's multiplier in the memory image (docs/image.md)."""
FIRST, LAST, PRODUCTS = "a token comes in, and its first norm", "the last logits leave", "products"
CAUSES = {
    "norm": "the norm before a layer or the head", "x": "convolution and SiLU, before x_proj",
    "dt_low": "the encoder of dt_low, before dt_proj", "y": "scan and Hadamard transform, before out_proj",
    "way out": "results leave, one per cycle", "job": "products follow each other", "weights": "weights",
}  # fmt: skip
"""What the engine waits for, by its name in :class:`qse_hw.sim.cycle.mixer.engine.Wait`."""


def mixer_of(config: "MambaConfig", *, target: str, **sizes: Any) -> MixerConfig:
    """The hardware for a model, or for its first layers if a memory for all of them is larger than ``gen`` makes.

    Args:
        config: of the model.
        target: of the hardware.
        sizes: ``rows``, ``columns``, ``scan_lanes``, ``norm_lanes``, ``hadamard_lanes``, ``sequences``.

    Raises:
        InputError: for sizes that do not fit the model.
    """
    formats: dict[str, Any] = {f"{name}_format": load_format(format) for name, format in FORMATS.items()}
    return MixerConfig(
        d_model=config.d_model, d_inner=config.d_inner, d_state=config.d_state, dt_rank=config.dt_rank,
        d_conv=config.d_conv, layers=max(1, min(config.n_layer, MAX_SIZE // config.d_inner)),
        vocabulary=config.vocab_size, eps=1, target=target, **formats, **sizes,
    )  # fmt: skip


def plan(mixer: MixerConfig, *, layers: int, prompt: int, clock: float, bus_bits: int) -> dict[str, Any]:
    """Everything that is reported, as JSON.

    Args:
        mixer: the hardware.
        layers: of the model.
        prompt: tokens of the prompt.
        clock: in MHz.
        bus_bits: bits per cycle that the memory gives.
    """
    shape, engine = mixer.shape, mixer.rows * mixer.columns
    cycles = count_cycles(mixer, layers=layers, tokens=prompt)
    weights = layers * shape.layer_weights + mixer.vocabulary * mixer.d_model
    bound, products = weights / engine, cycles.alone.products

    def timing(total: float, tokens: int, per_token: int) -> dict[str, Any]:
        seconds = total / (clock * 1e6)
        return {
            "cycles": total, "seconds": seconds, "tokens_per_second": tokens / seconds,
            "over_bound": per_token / bound, "busy": products / per_token,
        }  # fmt: skip

    rows = layers * sum(map(shape.outputs, RESULTS)) - (layers - 1) * mixer.vocabulary
    stored = {
        "weights": products * engine, "multipliers": rows * MULTIPLIER_BYTES,
        "embedding": mixer.d_model + MULTIPLIER_BYTES,
    }  # fmt: skip
    total_bytes = sum(stored.values())
    alone = timing(cycles.alone.cycles, 1, cycles.alone.cycles)
    memory_cycles = -(-8 * total_bytes // bus_bits)
    return {
        "clock_mhz": clock,
        "weights": weights,
        "bound_cycles_per_token": bound,
        "product_cycles_per_token": products,
        "one_token": alone | {"parts": parts(cycles.alone)},
        "prompt": {
            "tokens": prompt, **timing(cycles.prompt, prompt, cycles.following.cycles),
            "cycles_per_token": cycles.following.cycles, "parts": parts(cycles.following),
        },
        "memory": {
            "bus_bits": bus_bits, "bytes_per_token": stored, "cycles_per_token": memory_cycles,
            "bytes_per_second": total_bytes / alone["seconds"],
            "tokens_per_second": clock * 1e6 / max(memory_cycles, cycles.alone.cycles),
            "limit": "memory" if memory_cycles > cycles.alone.cycles else "engine",
        },
        "state_bits": mixer.sequences * layers * mixer.d_inner * mixer.d_state * mixer.state_bits,
    }  # fmt: skip


def parts(token: TokenCycles) -> dict[str, int]:
    """Where a token's cycles go, in words; their sum is all of them."""
    waits: Counter[str] = Counter()
    for wait, cycles in token.waits.items():
        waits[CAUSES[wait.cause]] += cycles
    found = {PRODUCTS: token.products, FIRST: token.first}
    found |= {cause: waits[cause] for cause in CAUSES.values() if waits[cause]}
    return found | ({LAST: token.last} if token.last else {})


def draw_plan(path: str | os.PathLike[str], mixer: MixerConfig, title: str) -> None:
    """Write a PNG of when the tensors of the first layers pass."""
    import numpy as np

    from qse_hw.study.timeline import LAYERS, draw

    shown = replace(mixer, layers=min(LAYERS, mixer.layers))
    timing = MixerTiming(shown)
    timing.load()
    for _ in range(shown.layers):
        timing.layer()
    times = {name: np.array(cycles) for name, cycles in timing.log.cycles.items()}
    draw(path, times, shown.layers, title)
