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
            arrays = await _record(dut, layout["streams"], dict(stimulus))
        driven, seen, unknown = arrays
        np.savez(folder / f"seen{number}.npz", driven=driven, seen=seen, unknown=unknown)


class _Driver:
    """An input stream, cycle by cycle; ``place``: its bits in the vectors, as the layout has them."""

    def __init__(
        self, place: dict[str, Any], beats: npt.NDArray[np.uint8], offer: npt.NDArray[np.bool_]
    ) -> None:
        self._at, self._width, self._valid = place["payload"], place["width"], 1 << place["valid"]
        self._ready = -1 - place["ready"]  # of the text of the outputs' bits
        self._beats, self._offer = beats, offer.tolist()
        self._noise = random.Random(_NOISE)
        self._held = self._sent = 0

    def word(self, cycle: int) -> int:
        """What is driven."""
        if not self._held and self._offer[cycle] and self._sent < len(self._beats):
            beat = self._beats[self._sent].tobytes()
            self._held = self._valid | int.from_bytes(beat, "little") << self._at
            self._sent += 1
        return self._held or self._noise.getrandbits(self._width) << self._at

    def observe(self, bits: str) -> None:
        """The unit's outputs in this cycle."""
        if bits[self._ready] == "1":
            self._held = 0


async def _record(
    dut: Any, streams: list[dict[str, Any]], stimulus: dict[str, npt.NDArray[Any]]
) -> list[npt.NDArray[np.uint8]]:
    """``driven``, ``seen``, ``unknown`` (bits that are X or Z), each (cycles, bytes)."""
    driven_bytes, seen_bytes = len(dut.driven) // 8, len(dut.seen) // 8
    static = stimulus["static"]
    drivers = [
        _Driver(place, *(stimulus[f"{place['name']}_{array}"] for array in ("beats", "offer"))) for place in streams
    ]
    falling, settled = FallingEdge(dut.clk), ReadOnly()
    dut.driven.value = 0
    dut.rst.value = 1
    for _ in range(_RESET):
        await falling
    dut.rst.value = 0

    driven, seen, unknown = bytearray(), bytearray(), bytearray()
    for cycle in range(len(static)):
        word = int.from_bytes(static[cycle].tobytes(), "little")
        for driver in drivers:
            word |= driver.word(cycle)
        if cycle:
            await falling
        dut.driven.value = word
        await settled
        bits = str(dut.seen.value)
        for driver in drivers:
            driver.observe(bits)
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
