"""The cocotb testbench of a whole-model replay: starts the compiled harness, checks and records its counters.

Runs in the simulator, in the folder of its files. It imports nothing of this package, as that would take longer than
some of the passes.
"""

import json
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import Timer

_PERIOD = 2  # steps
_POLL = 10_000  # cycles between two readings of the harness's state
_COUNTERS = (
    "last", "accepted", "link_beats", "o_beats", "wrong_codes", "wrong_values", "violations", "broken_files",
    "first_kind", "first_beat", "first_lane", "first_got", "first_want",
    "saturated", "nan", "invalid", "saturation_count",
)  # fmt: skip
_ZERO = ("wrong_codes", "wrong_values", "violations", "broken_files")

PLAN = json.loads(Path("plan.json").read_text())


@cocotb.test()
@cocotb.parametrize(run=range(len(PLAN["runs"])))
async def replay(dut: Any, run: int) -> None:
    """Let the harness send every beat; fail unless all came out and none was wrong."""
    name, seed = PLAN["runs"][run]
    dut._log.info("run %s, seed of the stalls: %s", name, seed)
    counters = await _run(dut, seed or 0)
    with Path("result.jsonl").open("a") as file:
        file.write(json.dumps({"run": name, **counters}) + "\n")
    assert all(counters[name] == 0 for name in _ZERO), counters
    assert {counters[name] for name in ("accepted", "link_beats", "o_beats")} == {PLAN["beats"]}, counters
    assert {port: counters[port] for port in PLAN["flags"]} == PLAN["flags"], counters


async def _run(dut: Any, seed: int) -> dict[str, Any]:
    dut.rst.value = 1
    dut.seed.value = seed
    dut.beats.value = PLAN["beats"]
    clock = Clock(dut.clk, _PERIOD, "step", impl="gpi", set_action=Immediate)  # driven by the simulator, not by Python
    clock.start()
    begun = time.perf_counter()
    await Timer(4 * _PERIOD + 1, "step")
    dut.rst.value = 0
    while not int(dut.done.value):
        await Timer(_POLL * _PERIOD, "step")
        Path("progress").write_text(f"{int(dut.o_beats.value) / max(1, PLAN['beats'])}")
    seconds = time.perf_counter() - begun
    clock.stop()
    return {"seconds": seconds, **{name: int(getattr(dut, name).value) for name in _COUNTERS}}
