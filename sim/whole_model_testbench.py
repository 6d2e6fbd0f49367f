"""The cocotb testbench of a whole-model replay: starts the compiled harness and reads its counters."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Timer

from sim.plan import PLAN_VARIABLE, Outcome
from sim.scoreboard import describe_flags

_PERIOD = 2  # steps
_LOOK = 10_000  # cycles from one look at the harness to the next

PLAN = json.loads(Path(os.environ[PLAN_VARIABLE]).read_text())


@cocotb.test()
@cocotb.parametrize(run=range(len(PLAN["runs"])))
async def replay(dut: Any, run: int) -> None:
    """Let the harness send every beat; record the outcome, and fail unless it is flawless."""
    name, seed = PLAN["runs"][run]
    dut._log.info("run %s, seed of the stalls: %s", name, seed)
    outcome = await _run(dut, name, seed or 0)
    with Path(PLAN["result"]).open("a") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")
    assert outcome.mismatches == 0, f"{outcome.mismatches} mismatches, first: {outcome.first}"


async def _run(dut: Any, name: str, seed: int) -> Outcome:
    beats, lanes = PLAN["beats"], PLAN["lanes"]
    dut.rst.value = 1
    dut.seed.value = seed
    dut.beats.value = beats
    clock = Clock(dut.clk, _PERIOD, "step", impl="gpi")  # its edges do not pass through Python
    clock.start()
    begun = time.perf_counter()
    await Timer(4 * _PERIOD + 1, "step")
    dut.rst.value = 0
    while not int(dut.done.value):
        await Timer(_LOOK * _PERIOD, "step")
        Path(PLAN["progress"]).write_text(f"{int(dut.o_beats.value) / max(1, beats)}")
    seconds = time.perf_counter() - begun
    clock.stop()

    counts = {port: int(getattr(dut, port).value) for port in (
        "last", "accepted", "link_beats", "o_beats", "wrong_codes", "wrong_values", "violations", "broken_files"
    )}  # fmt: skip
    if counts["broken_files"]:
        raise RuntimeError("the harness could not read its files")
    passed = [counts["link_beats"], counts["o_beats"]]
    flags = {port: int(getattr(dut, port).value) for port in PLAN["flags"]}
    wrong_flags = describe_flags(flags, PLAN["flags"])
    return Outcome(
        run=name,
        values=min(*passed, beats) * lanes - PLAN["padding"],
        cycles=counts["last"],
        wrong_codes=counts["wrong_codes"],
        wrong_values=counts["wrong_values"],
        missing=sum(max(0, beats - beat) for beat in passed),
        extra=sum(max(0, beat - beats) for beat in passed),
        unknown=0,
        violations=counts["violations"],
        wrong_inputs=abs(counts["accepted"] - beats),
        wrong_flags=len(wrong_flags),
        seconds=seconds,
        first=_first(dut) or next(iter(wrong_flags), ""),
    )


def _first(dut: Any) -> str:
    kind, beat, lane, got, want = (
        int(getattr(dut, f"first_{name}").value) for name in ("kind", "beat", "lane", "got", "want")
    )
    return f"{('code', 'value')[kind - 1]}, beat {beat}, lane {lane}: {got:#x}, not {want:#x}" if kind else ""
