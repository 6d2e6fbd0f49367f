"""The baseline of the replay benchmark: one lane, a coroutine step per cycle and agent, as in cocotb's tutorials."""

import json
import os
import time
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from qse_hw.sim.replay.plan import PLAN_VARIABLE, Plan
from qse_hw.sim.replay.scoreboard import predict


@cocotb.test()
async def naive(dut: Any) -> None:
    """Drive one value per cycle, collect one per cycle, compare with golden; record values and seconds."""
    plan = Plan.read(Path(os.environ[PLAN_VARIABLE]))
    (tensor,) = plan.tensors
    sent = np.load(tensor.file)
    width = len(dut.o__payload)
    scales = [(tensor.scale.M, tensor.scale.k)] * len(sent)
    want = predict(sent, scales, plan.format, plan.input, 1, len(dut.scale_m), width)
    Clock(dut.clk, 2, "step").start()
    dut.scale_m.value, dut.scale_k.value = tensor.scale.M, tensor.scale.k
    dut.clear.value, dut.i__valid.value, dut.o__ready.value, dut.rst.value = 0, 0, 1, 1
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    dut.rst.value = 0
    got: list[int] = []

    async def monitor() -> None:
        while len(got) < len(sent):
            await RisingEdge(dut.clk)
            if dut.o__valid.value == 1:
                got.append(int(dut.o__payload.value))

    begun = time.perf_counter()
    watching = cocotb.start_soon(monitor())
    dut.i__valid.value = 1
    for beat in sent:
        dut.i__payload.value = int.from_bytes(beat.tobytes(), "little")
        await RisingEdge(dut.clk)
        while dut.i__ready.value != 1:
            await RisingEdge(dut.clk)
    dut.i__valid.value = 0
    await watching
    seconds = time.perf_counter() - begun
    expected = [int.from_bytes(beat.tobytes(), "little") for beat in want.values]
    assert got == expected
    Path(plan.result).write_text(json.dumps({"values": len(got), "seconds": seconds}))
