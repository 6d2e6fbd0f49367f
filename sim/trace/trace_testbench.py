"""The cocotb testbench of a recording: one write and one read per cycle. Runs in the simulator."""

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from qse_hw.sim.trace.trace import FOLDER_VARIABLE

_RESET = 3  # cycles
_NOISE = 20261  # seed


@cocotb.test()
async def record(dut: Any) -> None:
    """Apply every stimulus of the folder, each after a reset, and write what was recorded."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    layout = json.loads((folder / "layout.json").read_text())
    Clock(dut.clk, 2, "step").start()
    for number in range(layout["recordings"]):
        with np.load(folder / f"stimulus{number}.npz") as stimulus:
            arrays = await _record(dut, layout["payload_bits"], **stimulus)
        driven, seen, unknown = arrays
        np.savez(folder / f"seen{number}.npz", driven=driven, seen=seen, unknown=unknown)


async def _record(
    dut: Any, payload_bits: int, *, static: npt.NDArray[np.uint8], beats: npt.NDArray[np.uint8],
    offer: npt.NDArray[np.bool_],
) -> list[npt.NDArray[np.uint8]]:
    """``driven``, ``seen``, ``unknown`` (bits that are X or Z), each (cycles, bytes)."""
    driven_bytes, seen_bytes = len(dut.driven) // 8, len(dut.seen) // 8
    at = 8 * static.shape[1]  # first bit of the input stream
    valid = 1 << 8 * (driven_bytes - 1)
    noise = random.Random(_NOISE)
    falling, settled = FallingEdge(dut.clk), ReadOnly()
    dut.driven.value = 0
    dut.rst.value = 1
    for _ in range(_RESET):
        await falling
    dut.rst.value = 0

    driven, seen, unknown = bytearray(), bytearray(), bytearray()
    held, sent = 0, 0
    for cycle in range(len(offer)):
        if not held and offer[cycle] and sent < len(beats):
            held = valid | int.from_bytes(beats[sent].tobytes(), "little") << at
            sent += 1
        word = held or (noise.getrandbits(payload_bits) << at if payload_bits else 0)
        word |= int.from_bytes(static[cycle].tobytes(), "little")
        if cycle:
            await falling
        dut.driven.value = word
        await settled
        bits = str(dut.seen.value)
        if bits[-1] == "1":  # i__ready
            held = 0
        driven += word.to_bytes(driven_bytes, "little")
        try:
            seen += int(bits, 2).to_bytes(seen_bytes, "little")
            unknown += bytes(seen_bytes)
        except ValueError:
            seen += int("".join(bit if bit in "01" else "0" for bit in bits), 2).to_bytes(seen_bytes, "little")
            unknown += int("".join("0" if bit in "01" else "1" for bit in bits), 2).to_bytes(seen_bytes, "little")
    await falling
    recorded = ((driven, driven_bytes), (seen, seen_bytes), (unknown, seen_bytes))
    return [np.frombuffer(bytes(data), np.uint8).reshape(-1, size) for data, size in recorded]
