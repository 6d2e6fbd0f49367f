"""The AXI4-Lite subordinate alone: one access and one response per address, in order, with any pauses."""

import random

import pytest

from qse_hw.rtl_gen.bus.axi_lite import OKAY, SETTLE, SLVERR, AxiLite
from tests.rtl_gen.bench import at_random, never, simulate

CHANNELS = ("aw", "w", "ar")


class Source:
    """Offers transactions on a channel, holds each until it is accepted."""

    def __init__(self, name, ports, pause):
        self.name, self.ports, self.pause = name, ports, pause
        self.todo, self.offering = [], False

    def drive(self, ctx, dut):
        if not self.offering and self.todo and not self.pause():
            self.offering = True
            for port, value in zip(self.ports, self.todo[0], strict=True):
                ctx.set(getattr(dut, port), value)
        ctx.set(getattr(dut, f"{self.name}valid"), int(self.offering))

    def observe(self, ctx, dut):
        if self.offering and ctx.get(getattr(dut, f"{self.name}ready")):
            self.offering = False
            self.todo.pop(0)


@pytest.mark.parametrize("stalled", [False, True])
def test_accesses(stalled):
    dut, draw = AxiLite(address_width=6), random.Random(6)
    pauses = [at_random(n) if stalled else never for n in range(5)]
    ports = {"aw": ("awaddr",), "w": ("wdata", "wstrb"), "ar": ("araddr",)}
    sources = {name: Source(name, ports[name], pauses[n]) for n, name in enumerate(CHANNELS)}
    writes = [(draw.getrandbits(6), draw.getrandbits(32), draw.getrandbits(4)) for _ in range(200)]
    reads = [draw.getrandbits(6) for _ in range(200)]
    sources["aw"].todo = [(address,) for address, _, _ in writes]
    sources["w"].todo = [(data, strobe) for _, data, strobe in writes]
    sources["ar"].todo = [(address,) for address in reads]

    def odd(index):  # which registers refuse
        return index % 5 == 3

    written, answers, read_answers = [], [], []
    cycles = 0

    async def process(ctx, rst):
        nonlocal cycles
        waiting = {}
        while len(answers) < 200 or len(read_answers) < 200:
            for source in sources.values():
                source.drive(ctx, dut)
            ready = {"b": not pauses[3](), "r": not pauses[4]()}
            for name, value in ready.items():
                ctx.set(getattr(dut, f"{name}ready"), int(value))
            ctx.set(dut.write_error, int(odd(ctx.get(dut.write_index))))
            ctx.set(dut.read_error, int(odd(ctx.get(dut.read_index))))
            ctx.set(dut.read_data, ctx.get(dut.read_index) * 3 + 1)
            if ctx.get(dut.write):
                written.append((ctx.get(dut.write_index), ctx.get(dut.write_data), ctx.get(dut.write_strobe)))
            for name, parts, into in (("b", ("bresp",), answers), ("r", ("rresp", "rdata"), read_answers)):
                valid = ctx.get(getattr(dut, f"{name}valid"))
                answer = tuple(ctx.get(getattr(dut, part)) for part in parts)
                if name in waiting:
                    assert valid
                    assert answer == waiting.pop(name)
                if valid and ready[name]:
                    into.append(answer)
                elif valid:
                    waiting[name] = answer
            for source in sources.values():
                source.observe(ctx, dut)
            cycles += 1
            assert cycles < 5000
            await ctx.tick()

    simulate(dut, process)
    assert written == [(address >> 2, data, strobe) for address, data, strobe in writes if address % 4 == 0]
    assert answers == [(SLVERR if address % 4 or odd(address >> 2) else OKAY,) for address, _, _ in writes]
    assert read_answers == [
        (SLVERR, 0) if address % 4 or odd(address >> 2) else (OKAY, (address >> 2) * 3 + 1) for address in reads
    ]
    assert stalled or cycles == (2 + SETTLE) * 200 + 1


def test_nothing_is_accessed_before_both_halves_of_a_write():
    dut = AxiLite(address_width=6)

    async def process(ctx, rst):
        for first, second in (("aw", "w"), ("w", "aw")):
            ctx.set(dut.bready, 1)
            ctx.set(getattr(dut, f"{first}valid"), 1)
            await ctx.tick()
            ctx.set(getattr(dut, f"{first}valid"), 0)
            for _ in range(5):
                assert not ctx.get(getattr(dut, f"{first}ready"))
                assert not ctx.get(dut.write)
                assert not ctx.get(dut.bvalid)
                await ctx.tick()
            ctx.set(getattr(dut, f"{second}valid"), 1)
            await ctx.tick()
            ctx.set(getattr(dut, f"{second}valid"), 0)
            for _ in range(SETTLE):
                assert not ctx.get(dut.write)
                await ctx.tick()
            assert ctx.get(dut.write)
            await ctx.tick()
            assert ctx.get(dut.bvalid)
            await ctx.tick()
            assert not ctx.get(dut.bvalid)

    simulate(dut, process)
