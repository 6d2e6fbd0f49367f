"""Runs in the simulator: every address of the quantizer, aligned or not, in any order of channels, against a model."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus
from cocotbext.axi.axil_channels import (
    AxiLiteARSource,
    AxiLiteARTransaction,
    AxiLiteAWSource,
    AxiLiteAWTransaction,
    AxiLiteBSink,
    AxiLiteRSink,
    AxiLiteWSource,
    AxiLiteWTransaction,
)  # fmt: skip

from qse_hw.rtl_gen.bus.axi_lite import SETTLE
from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH
from tests.sim.quantizer_bench import PERIOD, SEED, config, pauses

OKAY, SLVERR = 0, 2


class Model:
    """What the registers hold while no stream runs and nothing is applied."""

    def __init__(self, registers):
        self._registers = {register.offset: register for register in registers.registers}
        self._held = {offset: register.reset for offset, register in self._registers.items()}

    def read(self, address):
        return (OKAY, self._held[address]) if address in self._registers else (SLVERR, 0)

    def write(self, address, data, strobe):
        register = self._registers.get(address)
        if register is None or register.access == "read-only":
            return SLVERR
        mask = sum(0xFF << 8 * n for n in range(4) if strobe >> n & 1)
        field = register.fields[0]
        if register.access == "read-write":
            word = self._held[address] & ~mask | data & mask
            value = field.of(word)
            if value % (1 << 32) != word:
                return SLVERR
            self._held[address] = word
        elif register.access == "command":
            return SLVERR if data & mask >> 2 << 2 else OKAY
        return OKAY


class Channels:
    """The five channels by themselves."""

    def __init__(self, dut, stalled):
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, PERIOD, unit="ns").start())
        for name in ("s_axis_tvalid", "s_axis_tdata", "s_axis_tkeep", "s_axis_tlast", "m_axis_tready"):
            getattr(dut, name).value = 0
        bus = AxiLiteBus.from_prefix(dut, "s_axi")
        self.aw = AxiLiteAWSource(bus.write.aw, dut.clk, dut.rst)
        self.w = AxiLiteWSource(bus.write.w, dut.clk, dut.rst)
        self.b = AxiLiteBSink(bus.write.b, dut.clk, dut.rst)
        self.ar = AxiLiteARSource(bus.read.ar, dut.clk, dut.rst)
        self.r = AxiLiteRSink(bus.read.r, dut.clk, dut.rst)
        if stalled:
            print(f"seed of the stalls: {SEED}")
            for number, channel in enumerate((self.aw, self.w, self.b, self.ar, self.r)):
                channel.set_pause_generator(pauses(SEED + number))


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stalled=[False, True], order=["address first", "data first", "any"])
async def every_address(dut, stalled, order):
    channels, model, draw = Channels(dut, stalled), Model(config().registers), random.Random(SEED)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    known = [register.offset for register in config().registers.registers]
    answers = {OKAY: 0, SLVERR: 0}
    for number in range(1200):
        address = draw.choice((*known, *known, draw.randrange(1 << ADDRESS_WIDTH), known[0] + draw.randrange(4)))
        strobe = draw.choice((0b1111, draw.randrange(16)))
        data = draw.choice((draw.getrandbits(32), draw.getrandbits(5), draw.getrandbits(8), -draw.getrandbits(7)))
        data %= 1 << 32
        if address == 0x10:  # commands would have effects
            strobe, data = 0b1111, data & ~3
        parts = [(channels.aw, AxiLiteAWTransaction(awaddr=address, awprot=draw.randrange(8))),
                 (channels.w, AxiLiteWTransaction(wdata=data, wstrb=strobe))]  # fmt: skip
        if order == "data first" or (order == "any" and draw.random() < 0.5):
            parts.reverse()
        for channel, transaction in parts:
            await channel.send(transaction)
            await ClockCycles(dut.clk, draw.randrange(4) if order == "any" else 6 * (order != "any"))
        want = model.write(address, data, strobe)
        got = int((await channels.b.recv()).bresp)
        assert got == want, f"access {number}: write of {data:#x}, strobe {strobe:04b}, to {address:#x}"
        answers[got] += 1
        address = draw.choice((address, *known, draw.randrange(1 << ADDRESS_WIDTH)))
        await channels.ar.send(AxiLiteARTransaction(araddr=address, arprot=0))
        answer = await channels.r.recv()
        assert (int(answer.rresp), int(answer.rdata)) == model.read(address), f"access {number}: read of {address:#x}"
        answers[int(answer.rresp)] += 1
    assert min(answers.values()) > 400


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stalled=[False, True])
async def reads_and_writes_at_once(dut, stalled):
    """Addresses without pause on both sides: answers come in order, one per address."""
    channels, registers = Channels(dut, stalled), config().registers
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    draw, offsets = random.Random(SEED), [register.offset for register in registers.registers]
    reads = [draw.choice((*offsets, 0x3FC, 0x2)) for _ in range(200)]
    fixed = Model(registers)
    for address in reads:
        channels.ar.send_nowait(AxiLiteARTransaction(araddr=address, arprot=0))
    for number in range(200):
        channels.aw.send_nowait(AxiLiteAWTransaction(awaddr=0x204 if number % 3 else 0x205, awprot=0))
        channels.w.send_nowait(AxiLiteWTransaction(wdata=0, wstrb=15))
    cycles = 0

    async def count():
        nonlocal cycles
        while True:
            await RisingEdge(dut.clk)
            cycles += 1

    counting = cocotb.start_soon(count())
    for address in reads:
        answer = await channels.r.recv()
        assert (int(answer.rresp), int(answer.rdata)) == fixed.read(address)
    for number in range(200):
        assert int((await channels.b.recv()).bresp) == (OKAY if number % 3 else SLVERR)
    counting.cancel()
    assert stalled or abs(cycles - 200 * (2 + SETTLE)) < 10  # one of each in that time
    await ClockCycles(dut.clk, 20)
    assert channels.r.empty()
    assert channels.b.empty()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def without_exception(dut):
    """Every byte address is read and written with no byte strobed; every register is written with every strobe."""
    channels, registers = Channels(dut, False), config().registers
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    model, draw = Model(registers), random.Random(SEED)
    for address in range(1 << ADDRESS_WIDTH):
        channels.ar.send_nowait(AxiLiteARTransaction(araddr=address, arprot=0))
        channels.aw.send_nowait(AxiLiteAWTransaction(awaddr=address, awprot=0))
        channels.w.send_nowait(AxiLiteWTransaction(wdata=0xFFFFFFFF, wstrb=0))
    for address in range(1 << ADDRESS_WIDTH):
        answer = await channels.r.recv()
        assert (int(answer.rresp), int(answer.rdata)) == model.read(address), f"{address:#x}"
        assert int((await channels.b.recv()).bresp) == model.write(address, 0xFFFFFFFF, 0), f"{address:#x}"
    written = [register.offset for register in registers.registers if register.access == "read-write"]
    for address, strobe in ((address, strobe) for address in written for strobe in range(16)):
        held = model.read(address)[1]
        data = held ^ draw.choice((0, 1, 2, 0x80000000)) if strobe % 2 else draw.getrandbits(32)
        channels.aw.send_nowait(AxiLiteAWTransaction(awaddr=address, awprot=0))
        channels.w.send_nowait(AxiLiteWTransaction(wdata=data, wstrb=strobe))
        got = int((await channels.b.recv()).bresp)
        channels.ar.send_nowait(AxiLiteARTransaction(araddr=address, arprot=0))
        answer = await channels.r.recv()
        assert got == model.write(address, data, strobe), f"{data:#x}, strobe {strobe:04b}, to {address:#x}"
        assert (int(answer.rresp), int(answer.rdata)) == model.read(address), f"{address:#x}, strobe {strobe:04b}"
