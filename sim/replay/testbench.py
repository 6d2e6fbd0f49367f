"""The cocotb testbench of a replay: drivers, monitors, scoreboard around encoder and decoder. Runs in the simulator."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from qse_hw.sim.replay.agents import Consumer, Driver, Monitor, Stall, cycles
from qse_hw.sim.replay.plan import PLAN_VARIABLE, Outcome, Plan
from qse_hw.sim.replay.scoreboard import compare, describe_flags, predict

_PATIENCE = 1000  # cycles without an accepted input after which the run ends, complete or not
_AFTERWARDS = 50  # further cycles, in which no beat may appear

PLAN = Plan.read(Path(os.environ[PLAN_VARIABLE]))


@cocotb.test()
@cocotb.parametrize(run=range(len(PLAN.runs)))
async def replay(dut: Any, run: int) -> None:
    """Send every tensor once; record the outcome, and fail if there are mismatches."""
    name, seed = PLAN.runs[run]
    dut._log.info("run %s, seed of the stalls: %s", name, seed)
    outcome = await _run(dut, name, seed)
    with Path(PLAN.result).open("a") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")
    assert outcome.mismatches == 0, f"{outcome.mismatches} mismatches, first: {outcome.first}"


async def _run(dut: Any, name: str, seed: int | None) -> Outcome:
    clock = Clock(dut.clk, 2, "step").start()
    scale_bits = len(dut.scale_m)
    driver = Driver(dut, "i", _payloads(), Stall(None if seed is None else 2 * seed))
    consumer = Consumer(dut, "o", Stall(None if seed is None else 2 * seed + 1))
    accepted, link, output = Monitor(dut, "i", ("scale_m", "scale_k")), Monitor(dut, "link"), Monitor(dut, "o")
    dut.clear.value = 0
    dut.o__ready.value = 0
    dut.rst.value = 1
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0

    begun, count, last = time.perf_counter(), 0, 0
    total = sum(len(np.load(tensor.file, mmap_mode="r")) for tensor in PLAN.tensors)
    stop_at = None
    async for _ in cycles(dut.clk, (driver, consumer, accepted, link, output)):
        count += 1
        if output.quiet == 0:
            last = count
        if count % 512 == 0:
            Path(PLAN.progress).write_text(f"{output.beats / total}")
        finished = driver.done and output.beats >= accepted.beats and link.beats >= accepted.beats
        if stop_at is None and (finished or accepted.quiet > _PATIENCE):
            stop_at = count + _AFTERWARDS
            seconds = time.perf_counter() - begun
        if count == stop_at:
            break
    flags = {port: int(getattr(dut, port).value) for port in ("saturated", "nan", "invalid")}
    if PLAN.counter_width:
        flags["saturation_count"] = int(dut.saturation_count.value)
    clock.cancel()

    inputs = accepted.recorded()
    sent = np.concatenate([np.load(tensor.file) for tensor in PLAN.tensors])
    value_width = len(dut.o__payload) // PLAN.lanes
    want = predict(inputs, accepted.extras, PLAN.format, PLAN.input, PLAN.lanes, scale_bits, value_width)
    at_input = compare("input", inputs, sent, PLAN.input.width, PLAN.lanes)
    at_link = compare("code", link.recorded(), want.codes, PLAN.format.bits, PLAN.lanes)
    at_output = compare("value", output.recorded(), want.values, value_width, PLAN.lanes)
    scales = [(t.scale.M, t.scale.k) for t in PLAN.tensors for _ in range(len(np.load(t.file, mmap_mode="r")))]
    seen = [(M % (1 << scale_bits), k) for M, k in accepted.extras]
    wrong_scales = sum(a != b for a, b in zip(seen, scales, strict=False))
    want_flags = {"saturated": int(want.saturated > 0), "nan": int(want.nan > 0), "invalid": 0}
    if PLAN.counter_width:
        want_flags["saturation_count"] = min(want.saturated, (1 << PLAN.counter_width) - 1)
    wrong_flags = describe_flags(flags, want_flags)
    problems = [at_input.first, at_link.first, at_output.first, *wrong_flags]
    return Outcome(
        run=name,
        values=max(0, min(link.beats, output.beats) * PLAN.lanes - _padding()),
        cycles=last,
        wrong_codes=at_link.wrong,
        wrong_values=at_output.wrong,
        missing=at_link.missing + at_output.missing,
        extra=at_link.extra + at_output.extra,
        unknown=accepted.unknown + link.unknown + output.unknown,
        violations=accepted.violations + link.violations + output.violations,
        wrong_inputs=at_input.wrong + at_input.missing + at_input.extra + wrong_scales,
        wrong_flags=len(wrong_flags),
        seconds=seconds,
        first=next(filter(None, problems), ""),
    )


def _payloads() -> Iterator[tuple[int, Sequence[tuple[str, int]]]]:
    for tensor in PLAN.tensors:
        ports = [("scale_m", tensor.scale.M), ("scale_k", tensor.scale.k)]
        for beat in np.load(tensor.file, mmap_mode="r"):
            yield int.from_bytes(beat.tobytes(), "little"), ports
            ports = []


def _padding() -> int:
    return sum(len(np.load(t.file, mmap_mode="r")) * PLAN.lanes - t.values for t in PLAN.tensors)
