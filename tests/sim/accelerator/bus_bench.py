"""An accelerator in a simulator: cocotbext-axi as host and as memory, and what is allowed on the buses."""

import json
import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiReadBus,
    AxiSlaveRead,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

FOLDER_VARIABLE = "QSE_ACCELERATOR"  # environment variable: the folder of what was built
PERIOD, SEED = 10, 20261130
PAGE = 4096
BASE = 0x1003 * 64
STATES = ("IDLE", "LOADING", "READY", "STOPPING")


def pauses(seed, share):
    """For ever: paused in so many of 256 cycles, in runs of random length."""
    draw = random.Random(seed)
    while True:
        length = draw.choice((1, 1, 2, 5))
        yield from [draw.randrange(256) < share] * length


class Memory:
    """An image at ``base``; other addresses are errors, and ``fails`` says which further reads are."""

    def __init__(self, clock, image, base):
        self.image, self.base, self.latency = bytearray(image), base, 0
        self.reads, self.outside = 0, []
        self.fails = lambda number: False
        self._clock, self._draw = clock, random.Random(SEED)

    async def read(self, address, length):
        """A bus word; it raises for an error."""
        if self.latency and self._draw.randrange(16) == 0:
            await ClockCycles(self._clock, self._draw.randrange(1, self.latency))
        self.reads += 1
        offset = address - self.base
        if not 0 <= offset <= len(self.image) - length:
            self.outside.append(address)
            raise ValueError("outside")
        if self.fails(self.reads):
            raise ValueError("fails")
        return bytes(self.image[offset : offset + length])


class Bench:
    """Host and memory; use :func:`start`."""

    def __init__(self, dut, *, stalled, base):
        folder = Path(os.environ[FOLDER_VARIABLE])
        self.dut = dut
        self.built = json.loads((folder / "built.json").read_text())
        self.registers = {one["name"]: one for one in self.built["registers"]}
        self.fields = {one["name"]: {f["name"]: f for f in one["fields"]} for one in self.built["registers"]}
        self.tokens = np.load(folder / "tokens.npz")
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, PERIOD, unit="ns").start())
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        self.memory = Memory(dut.clk, (folder / "model.img").read_bytes(), base)
        self.bus = AxiSlaveRead(AxiReadBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, target=self.memory)
        for agent in (self.source, self.sink, self.host.write_if, self.host.read_if, self.bus):
            agent.log.setLevel("ERROR")
        self.broken, self.bursts = [], []
        cocotb.start_soon(self._watch_bursts())
        cocotb.start_soon(self._watch_results())
        if stalled:
            print(f"seed of the stalls: {SEED}")
            self.memory.latency = 90
            channels = (self.bus.ar_channel, self.bus.r_channel, self.source, self.sink)
            for number, (agent, share) in enumerate(zip(channels, (150, 60, 60, 60), strict=True)):
                agent.set_pause_generator(pauses(SEED + number, share))

    def rule(self, kept, text):
        """What is broken is told at the end: an error in a task of its own would be lost."""
        if not kept:
            self.broken.append(text)

    async def _watch_bursts(self):
        """Bursts of the right kind, in one page, within the image; offered until they are accepted."""
        dut, size = self.dut, self.built["bus_bits"] // 8
        waiting = None
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            if int(dut.rst.value):
                continue
            names = ("arid", "araddr", "arlen", "arsize", "arburst", "arlock")
            now = tuple(int(getattr(dut, f"m_axi_{name}").value) for name in names) if int(
                dut.m_axi_arvalid.value) else None  # fmt: skip
            self.rule(waiting is None or now == waiting, f"burst {waiting} became {now}")
            accepted = now is not None and int(dut.m_axi_arready.value)
            waiting = None if accepted else now
            self.rule(int(dut.m_axi_rready.value) == 1, "RREADY")
            if accepted:
                _, address, length, arsize, burst, lock = now
                end = address + (length + 1) * size
                self.rule((1 << arsize, burst, lock) == (size, 1, 0), f"{now}: size or kind")
                self.rule(address % size == 0, f"{address:#x} is not aligned")
                self.rule(address // PAGE == (end - 1) // PAGE, f"{now} crosses 4 KiB")
                self.rule(length < self.built["burst_beats"], f"{now} is too long")
                inside = self.memory.base <= address and end <= self.memory.base + len(self.memory.image)
                self.rule(inside, f"{now} is outside of the image")
                self.bursts.append(now)

    async def _watch_results(self):
        """What is offered stays, unchanged, until it is accepted."""
        dut, waiting = self.dut, None
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            signals = (dut.m_axis_tdata, dut.m_axis_tkeep, dut.m_axis_tlast)
            now = tuple(int(one.value) for one in signals) if int(dut.m_axis_tvalid.value) else None
            self.rule(waiting is None or now == waiting, f"result {waiting} became {now}")
            waiting = None if int(dut.m_axis_tready.value) or int(dut.rst.value) else now

    async def write(self, name, value):
        """The response; 0 is OKAY."""
        data = value.to_bytes(4, "little")
        return int((await self.host.write(self.registers[name]["offset"], data)).resp)

    async def read(self, name):
        response = await self.host.read(self.registers[name]["offset"], 4)
        assert response.resp == 0
        return int.from_bytes(response.data, "little")

    async def status(self):
        """The names of the bits that are set, and STATE by its name."""
        word = await self.read("STATUS")
        fields = self.fields["STATUS"]
        state = STATES[(word >> fields["STATE"]["low"]) & 3]
        return state, {name for name, one in fields.items() if one["width"] == 1 and word >> one["low"] & 1}

    async def command(self, name):
        assert await self.write("CONTROL", 1 << self.fields["CONTROL"][name]["low"]) == 0

    async def until(self, *states, limit=40_000):
        """Wait for one of these states; returns it and the flags."""
        for _ in range(limit // 50):
            state, flags = await self.status()
            if state in states:
                return state, flags
            await ClockCycles(self.dut.clk, 40)
        raise AssertionError(f"still {state} after {limit} cycles")

    async def load(self, *, base=BASE):
        assert await self.write("BASE", base % (1 << 32)) == 0
        if "BASE_HIGH" in self.registers:
            assert await self.write("BASE_HIGH", base >> 32) == 0
        await self.command("START")
        return await self.until("READY", "IDLE")

    def send(self, ids):
        """Send a sequence of tokens."""
        self.source.send_nowait(AxiStreamFrame(np.array(ids, "<u4").tobytes()))

    async def packet(self):
        """The kept values of the next packet, signed."""
        frame = await self.sink.recv(compact=False)
        data = np.frombuffer(bytes(frame.tdata), "<i4")
        kept = np.array([int(bit) for bit in frame.tkeep]).reshape(-1, 4).all(axis=1)
        return data[kept].tolist()

    async def check(self, name, *, logits=True, tokens=None):
        """The results of one of the sequences of the integer model, from its start."""
        ids, expected = self.tokens[f"{name}_ids"], self.tokens[f"{name}_logits"]
        for number in range(len(ids) if tokens is None else tokens):
            want = expected[number].tolist()
            assert await self.packet() == (want if logits else [int(np.argmax(want))]), f"{name}, token {number}"

    def end(self):
        """Nothing was broken, and no packet is left."""
        assert not self.broken, self.broken[:5]
        assert not self.memory.outside, list(map(hex, self.memory.outside[:5]))
        assert self.sink.empty()


async def start(dut, *, stalled=False, base=BASE):
    """A bench whose unit has been reset."""
    bench = Bench(dut, stalled=stalled, base=base)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    return bench
