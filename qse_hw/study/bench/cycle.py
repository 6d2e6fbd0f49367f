"""Speed of the cycle models, beside Amaranth's simulator on the same traces."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.sim.cycle.stimulus import Stimulus, full_speed, random_stalls
from qse_hw.study.bench import SEED, Report
from qse_hw.study.console import table

WORDS = "modelling cycles"
CYCLES = 10_000
REPEATS = 3
LANES = 8


def measure(report: Report) -> dict[str, Any]:
    """Seconds of a trace under random stalls in Amaranth's simulator and in the cycle model, medians, and their ratio.

    The time to set up the simulator, measured on a trace of no cycles, is subtracted. Both traces must be equal.
    """
    from qse_hw.sim.cycle import model
    from qse_hw.sim.cycle.trace import first_difference
    from qse_hw.sim.trace.amaranth_trace import simulate

    units: dict[str, Any] = {}
    given = [*stimuli()]
    for number, (config, stimulus) in enumerate(given):
        nothing = full_speed(stimulus.beats, cycles=0)
        simulating: list[float] = []
        modelling: list[float] = []
        for repeat in range(REPEATS):
            clock = [time.perf_counter()]
            simulate(config.component(), nothing)
            clock.append(time.perf_counter())
            simulated = simulate(config.component(), stimulus)
            clock.append(time.perf_counter())
            modelled = model(config).run(stimulus)
            clock.append(time.perf_counter())
            making, both, modelling_now = np.diff(clock).tolist()
            simulating.append(both - making)
            modelling.append(modelling_now)
            report((number + (repeat + 1) / REPEATS) / len(given))
        difference = first_difference(modelled, simulated)
        if difference:
            raise SystemExit(f"the model of {config.label} differs from the simulator: {difference}")
        slow, fast = statistics.median(simulating), statistics.median(modelling)
        units[config.label] = {
            "cycles": stimulus.cycles,
            "amaranth_seconds": slow,
            "model_seconds": fast,
            "all_seconds": {"amaranth": simulating, "model": modelling},
            "ratio": slow / fast,
        }
    return {"repeats": REPEATS, "units": units}


def stimuli() -> Iterator[tuple[UnitConfig, Stimulus]]:
    """Units, and random data for them."""
    from qse_hw.rtl_gen.linear.store import address_bits
    from qse_hw.rtl_gen.units.decoder import DecoderConfig
    from qse_hw.rtl_gen.units.encoder import EncoderConfig
    from qse_hw.rtl_gen.units.hadamard import HadamardConfig
    from qse_hw.rtl_gen.units.linear import LinearConfig

    rng = np.random.default_rng(SEED)
    format, scale = load_format("se8"), Scale.from_step(0.02)
    ports: dict[str, Any] = {"scale_m": np.full(CYCLES, scale.M), "scale_k": np.full(CYCLES, scale.k)}
    for lanes in (1, LANES):
        x = rng.standard_normal((CYCLES, lanes), np.float32).view(np.uint8)
        yield (
            EncoderConfig(format=format, input=input_type("fp32"), lanes=lanes),
            random_stalls(x, cycles=CYCLES, seed=SEED, ports=ports),
        )
    codes = rng.integers(0, 256, (CYCLES, LANES), dtype=np.uint8)
    yield DecoderConfig(format=format, lanes=LANES), random_stalls(codes, cycles=CYCLES, seed=SEED)
    yield HadamardConfig(size=96, width=8, lanes=LANES), random_stalls(codes, cycles=CYCLES, seed=SEED)
    unit = LinearConfig(format=format, inputs=64, outputs=16, rows=4, columns=LANES)
    arrays = unit.vectors()
    banks, depth, width = unit.component().memories["weights"]
    writes = len(arrays["weights_words"])
    payload = np.zeros((CYCLES, -(-(address_bits(banks, depth) + width) // 8)), np.uint8)
    for cycle, (address, word) in enumerate(zip(arrays["weights_addresses"], arrays["weights_words"], strict=True)):
        value = int.from_bytes(word.tobytes(), "little") << address_bits(banks, depth) | int(address)
        payload[cycle] = np.frombuffer(value.to_bytes(payload.shape[1], "little"), np.uint8)
    ports = {name: np.full(CYCLES, arrays[name]) for name in ("scale_m", "scale_k")}
    ports |= {"weights__valid": np.arange(CYCLES) < writes, "weights__payload": payload}
    stimulus = random_stalls(codes, cycles=CYCLES, seed=SEED, ports=ports)
    yield unit, replace(stimulus, offer=stimulus.offer & (np.arange(CYCLES) >= writes))


def show(figures: dict[str, Any]) -> None:
    """A table of speeds."""
    rows = [
        [label, f"{unit['cycles'] / unit['amaranth_seconds']:,.0f}", f"{unit['cycles'] / unit['model_seconds']:,.0f}",
         f"{unit['ratio']:.1f}"]
        for label, unit in figures["units"].items()
    ]  # fmt: skip
    columns = ["cycles per second", "Amaranth's simulator", "cycle model", "ratio"]
    table(f"One trace under random stalls, median of {figures['repeats']}", columns, rows)
