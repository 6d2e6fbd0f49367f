"""Drivers and monitors for streams; they run inside the simulator.

All agents are synchronous: after each falling edge of the clock every agent may ``drive``; then, when the logic has
settled, every agent may ``observe`` the values that the next rising edge samples. So results do not depend on the order
in which a simulator runs callbacks at an edge.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from cocotb.triggers import FallingEdge, ReadOnly


class Agent(Protocol):
    """Something that takes part in every cycle."""

    def drive(self) -> None:
        """Set inputs for the next rising edge."""

    def observe(self) -> None:
        """Read the values that the next rising edge samples."""


class Stall:
    """Whether to pause in this cycle: never, or at random in runs of random length."""

    def __init__(self, seed: int | None) -> None:
        self._random = None if seed is None else random.Random(seed)
        self._left = 0

    def __call__(self) -> bool:
        if self._random is None:
            return False
        if self._left == 0:
            # positive: cycles to run; negative: cycles to pause
            self._left = self._random.choice((1, 1, 2, 5, 11, -1, -1, -2, -4, -9))
        pause = self._left < 0
        self._left += 1 if pause else -1
        return pause


class Driver:
    """Offers the beats of ``payloads`` on a stream; holds each until it is accepted."""

    def __init__(self, dut: Any, stream: str, payloads: Iterator[tuple[int, Sequence[tuple[str, int]]]], stall: Stall):
        """``payloads`` yields a payload and the (port, value) pairs to set with it."""
        self._dut = dut
        self._payload, self._valid, self._ready = (
            getattr(dut, f"{stream}__{name}") for name in ("payload", "valid", "ready")
        )
        self._payloads = payloads
        self._stall = stall
        self._offering = False
        self._valid.value = 0
        self.done = False

    def drive(self) -> None:
        if self._offering or self.done:
            return
        pause = self._stall()
        beat = None if pause else next(self._payloads, None)
        if beat is not None:
            self._payload.value = beat[0]
            for port, value in beat[1]:
                getattr(self._dut, port).value = value
            self._valid.value = 1
            self._offering = True
        else:
            self._valid.value = 0
            self.done = not pause

    def observe(self) -> None:
        if self._offering and int(self._ready.value):
            self._offering = False


class Consumer:
    """Takes beats from a stream, pausing as ``stall`` says."""

    def __init__(self, dut: Any, stream: str, stall: Stall) -> None:
        self._ready = getattr(dut, f"{stream}__ready")
        self._stall = stall
        self._now: int | None = None

    def drive(self) -> None:
        ready = 0 if self._stall() else 1
        if ready != self._now:
            self._ready.value = self._now = ready

    def observe(self) -> None:
        pass


class Monitor:
    """Records the beats that pass on a stream, as bytes, and checks that a waiting beat neither leaves nor changes.

    ``beats``: recorded beats; ``unknown``: those that held X or Z (recorded as all ones); ``violations``: broken stream
    rules; ``also``: further ports whose values are recorded with each beat.
    """

    def __init__(self, dut: Any, stream: str, also: Sequence[str] = ()) -> None:
        self._payload, self._valid, self._ready = (
            getattr(dut, f"{stream}__{name}") for name in ("payload", "valid", "ready")
        )
        self._also = [getattr(dut, port) for port in also]
        self.size = -(-len(self._payload) // 8)
        self._recorded = bytearray()
        self.extras: list[tuple[int, ...]] = []
        self._waiting: str | None = None
        self.beats = 0
        self.unknown = 0
        self.violations = 0
        self.quiet = 0

    def drive(self) -> None:
        pass

    def observe(self) -> None:
        self.quiet += 1
        if not int(self._valid.value):
            if self._waiting is not None:
                self.violations += 1
                self._waiting = None
            return
        bits = str(self._payload.value)
        if self._waiting is not None and bits != self._waiting:
            self.violations += 1
        if not int(self._ready.value):
            self._waiting = bits
            return
        self._waiting = None
        self.quiet = 0
        self.beats += 1
        try:
            value = int(bits, 2)
        except ValueError:
            self.unknown += 1
            value = (1 << len(bits)) - 1
        self._recorded += value.to_bytes(self.size, "little")
        if self._also:
            self.extras.append(tuple(port.value.to_signed() for port in self._also))

    def recorded(self) -> npt.NDArray[np.uint8]:
        """(beats, bytes)."""
        return np.frombuffer(bytes(self._recorded), np.uint8).reshape(-1, self.size)


async def cycles(clock: Any, agents: Sequence[Agent]) -> Any:
    """Run the agents for ever; an asynchronous generator that yields after each cycle."""
    falling, settled = FallingEdge(clock), ReadOnly()
    drives = [agent.drive for agent in agents if not isinstance(agent, Monitor)]
    observes = [agent.observe for agent in agents if not isinstance(agent, Consumer)]
    while True:
        await falling
        for drive in drives:
            drive()
        await settled
        for observe in observes:
            observe()
        yield
