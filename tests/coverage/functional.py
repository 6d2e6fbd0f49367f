"""Functional coverage of encoder, decoder and quantizer, from traces recorded from their Verilog."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.sim.cycle.stimulus import Stimulus, random_runs
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.coverage import STALLS, Cover, decoder_cover, encoder_cover, stall_cases
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen.formats import SHIPPED, make
from tests.sim.cycle.test_quantizer import renamed

SEED = 20262
EACH = 60  # patterns per case and stimulus
INPUT = input_type("fp16")


def scale_for(format: SegmentedFormat, input: InputType) -> Scale:
    """A power of two, so that ties occur; 4 input steps per fine step for fixed point."""
    return Scale.from_step(2.0**-6 if input.is_float else 2.0 ** (format.fraction_bits + 2 + input.exponent))


def stimuli(cover: Cover, width: int) -> tuple[np.ndarray, list[Stimulus]]:
    """Patterns (beats, 1) with every case many times, and stalls of the input, the output, both and neither."""
    rng = np.random.default_rng(SEED)
    patterns = cover.patterns(rng, EACH)[:, None]
    beats = pack(patterns, width)
    cycles = 2 * len(beats)
    always = np.ones(cycles, np.bool_)
    sides = [(always, always), (random_runs(rng, cycles), always), (always, random_runs(rng, cycles))]
    sides.append((random_runs(rng, cycles), random_runs(rng, cycles)))
    return patterns, [Stimulus(beats=beats, offer=offer, accept=accept) for offer, accept in sides]


def units() -> list[Any]:
    """Encoder and decoder of every shipped format; the quantizer of those whose parameters can be registers."""
    configs: list[Any] = []
    for format in map(make, SHIPPED):
        scale = scale_for(format, INPUT)
        configs += [EncoderConfig(format=format, input=INPUT, scale=scale), DecoderConfig(format=format)]
        if format.kind != "twos-complement" and not any(segment.exact_end for segment in format.segments):
            configs.append(QuantizerConfig(format=format, input=INPUT, scale=scale))
    return configs


def name_of(unit: Any) -> str:
    """The unit's label, with the range where that is narrow."""
    return unit.label + (" narrow range" if unit.format.narrow_range else "")


def capacity(unit: Any) -> int:
    """Beats that the unit holds when it is full: one per stage, and two in the slice at the quantizer's output."""
    latency: int = unit.component().latency
    return latency - RegisterSlice.latency + 2 if isinstance(unit, QuantizerConfig) else latency


def collect(unit: Any, folder: Path) -> dict[str, Any]:
    """What the recorded traces of the unit reached: bins, those hit, and what is impossible and why."""
    decodes = isinstance(unit, DecoderConfig)
    cover = decoder_cover(unit.format) if decodes else encoder_cover(unit.format, unit.input, unit.scale)
    patterns, given = stimuli(cover, unit.format.bits if decodes else unit.input.width)
    emitted, held = emit(unit), capacity(unit)
    if isinstance(unit, QuantizerConfig):  # all bytes kept; every eighth beat ends its packet
        last = np.arange(len(patterns)) % 8 == 7
        top = (3 + 4 * last[:, None]).astype(np.uint8)
        given = [replace(one, beats=np.hstack([one.beats, top])) for one in given]
        emitted = renamed(emitted)
    counts = np.zeros((len(cover.cases), len(STALLS)), np.int64)
    for trace in record_all(emitted, given, folder=folder):
        counts += cover.count(patterns, stall_cases(trace, held))
    empty = cover.empty(counts)
    return {
        "name": f"functional coverage, {name_of(unit)}",
        "passed": not empty,
        "bins": counts.size,
        "hit": int((counts > 0).sum()),
        "values": int(counts.sum()),
        "empty": empty,
        "impossible": {", ".join(case): why for case, why in sorted(cover.impossible.items())},
    }
