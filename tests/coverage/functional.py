"""Functional coverage of encoder, decoder and quantizer, from traces recorded from their Verilog."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from golden.formats import SegmentedFormat
from golden.inputs import InputType, input_type
from golden.scale import Scale
from rtl_gen.axi_stream import RegisterSlice
from rtl_gen.emit import emit
from rtl_gen.units.decoder import DecoderConfig
from rtl_gen.units.encoder import EncoderConfig
from rtl_gen.units.quantizer import QuantizerConfig
from sim.coverage import STALLS, Cover, decoder_cover, encoder_cover, stall_cases
from sim.cycle.stimulus import Stimulus, random_runs
from sim.packing import pack
from sim.trace import record_all
from tests.rtl_gen.formats import SHIPPED, make
from tests.sim.cycle.test_quantizer import renamed

SEED = 20262
EACH = 60  # patterns per case and stimulus


def scale_for(format: SegmentedFormat, input: InputType) -> Scale:
    """A power of two, so that ties occur; 4 input steps per fine step for fixed point."""
    return Scale.from_step(2.0**-6 if input.is_float else 2.0 ** (format.fraction_bits + 2 + input.exponent))


def stimuli(cover: Cover, width: int) -> tuple[np.ndarray, list[Stimulus]]:
    """Patterns (beats, 1) that are in every case often, and stalls of the input, of the output, of both, of neither."""
    rng = np.random.default_rng(SEED)
    patterns = cover.patterns(rng, EACH)[:, None]
    beats = pack(patterns, width)
    cycles = 2 * len(beats)
    always = np.ones(cycles, np.bool_)
    sides = [(always, always), (random_runs(rng, cycles), always), (always, random_runs(rng, cycles))]
    sides.append((random_runs(rng, cycles), random_runs(rng, cycles)))
    return patterns, [Stimulus(beats=beats, offer=offer, accept=accept) for offer, accept in sides]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A unit, its cases, and how many beats it holds when it is full."""

    unit: Any
    cover: Cover
    width: int
    capacity: int


INPUT = input_type("fp16")


def functional_runs() -> Iterator[Run]:
    """Encoder and decoder of every shipped format; the quantizer of every one that has more than one segment or kind."""
    for format in map(make, SHIPPED):
        scale = scale_for(format, INPUT)
        encoder = EncoderConfig(format=format, input=INPUT, scale=scale)
        cover = encoder_cover(format, INPUT, scale)
        yield Run(unit=encoder, cover=cover, width=INPUT.width, capacity=encoder.component().latency)
        decoder = DecoderConfig(format=format)
        yield Run(unit=decoder, cover=decoder_cover(format), width=format.bits, capacity=decoder.component().latency)
        if format.kind != "twos-complement" and format.code_field_bits <= 8 and not sticky(format):
            quantizer = QuantizerConfig(format=format, input=INPUT, scale=scale)
            held = quantizer.component().latency - RegisterSlice.latency + 2  # the slice at its output has two places
            yield Run(unit=quantizer, cover=cover, width=INPUT.width, capacity=held)


def sticky(format: SegmentedFormat) -> bool:
    """Whether a threshold compares exactly, which parameters set at run time cannot."""
    return any(segment.exact_end for segment in format.segments)


def collect(run: Run, folder: Path) -> dict[str, Any]:
    """What the recorded traces of the unit reached: bins, those hit, and what is impossible and why."""
    patterns, given = stimuli(run.cover, run.width)
    emitted = emit(run.unit)
    if isinstance(run.unit, QuantizerConfig):  # all bytes kept; every eighth beat ends its packet
        top = (
            np.full((len(patterns), 1), 3, np.uint8) | (np.arange(len(patterns)) % 8 == 7)[:, None].astype(np.uint8) * 4
        )
        given = [replace(one, beats=np.hstack([one.beats, top])) for one in given]
        emitted = renamed(emitted)
    counts = np.zeros((len(run.cover.cases), len(STALLS)), np.int64)
    for trace in record_all(emitted, given, folder=folder):
        counts += run.cover.count(patterns, stall_cases(trace, run.capacity))
    empty = run.cover.empty(counts)
    return {
        "name": f"functional coverage, {run.unit.label}",
        "passed": not empty,
        "bins": counts.size,
        "hit": int((counts > 0).sum()),
        "values": int(counts.sum()),
        "empty": empty,
        "impossible": {", ".join(case): why for case, why in sorted(run.cover.impossible.items())},
    }
