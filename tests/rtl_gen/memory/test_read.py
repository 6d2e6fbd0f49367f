"""Readers and the bus that they share, against a memory that answers when it likes: words, rules of AXI4, room."""

import random
from itertools import count

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.logic.streams import forward
from qse_hw.rtl_gen.memory.axi_read import AxiRead, axi_read_ports
from qse_hw.rtl_gen.memory.config import WIDTHS, BusConfig
from qse_hw.rtl_gen.memory.reader import OVERHEAD, Reader, most_beats
from tests.rtl_gen.bench import simulate

READERS, ADDRESS_BITS, PAGE = 3, 32, 4096


class Readers(wiring.Component):
    """Three readers of a bus."""

    def __init__(self, *, bus_bits, burst_beats, bursts):
        self.bus = AxiRead(readers=READERS, address_bits=ADDRESS_BITS, bus_bits=bus_bits)
        self.readers = [
            Reader(
                address_bits=ADDRESS_BITS, bus_bits=bus_bits, burst_beats=burst_beats, bursts=bursts, target="generic"
            )
            for _ in range(READERS)
        ]
        ports = axi_read_ports(ADDRESS_BITS, bus_bits, 2)
        streams = {f"i{n}": In(one.i.signature.flip()) for n, one in enumerate(self.readers)}
        streams |= {f"o{n}": Out(one.o.signature) for n, one in enumerate(self.readers)}
        super().__init__(ports | streams | {"stop": In(1), "failed": Out(1), "idle": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.bus = bus = self.bus
        for name, member in axi_read_ports(ADDRESS_BITS, len(self.rdata), 2).items():
            inner, outer = getattr(bus, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        m.d.comb += [self.failed.eq(bus.failed), self.idle.eq(bus.idle)]
        for n, reader in enumerate(self.readers):
            m.submodules[f"reader{n}"] = reader
            forward(m, getattr(self, f"i{n}"), reader.i)
            forward(m, reader.bursts, getattr(bus, f"bursts{n}"))
            forward(m, reader.o, getattr(self, f"o{n}"))
            m.d.comb += [reader.arrived.eq(bus.arrived[n]), reader.data.eq(bus.data), reader.stop.eq(self.stop)]
        return m


def word_at(address, bits):
    """What the memory has there."""
    return random.Random(address).getrandbits(bits)


class World:
    """Memory, ranges and sinks; ``stalls``: the share of cycles in which each of them rests."""

    def __init__(self, dut, ctx, ranges, *, stalls=0.0, latency=0, bits=64, burst=16):
        self.dut, self.ctx, self.bits, self.burst = dut, ctx, bits, burst
        self.ranges, self.stalls, self.latency = [list(own) for own in ranges], stalls, latency
        self.draw, self.bursts, self.words = random.Random(7), [], [[] for _ in ranges]
        self.pending = {n: [] for n in range(READERS)}  # (cycle, address) of the words that an ID is to get
        self.fails = {}  # responses by the number of the word
        self.given, self.waiting, self.failed = count(), None, 0

    def rests(self):
        return self.draw.random() < self.stalls

    def step(self, cycle):
        """Set and look at everything in a cycle."""
        self._ranges()
        self._addresses(cycle)
        self._data(cycle)
        self._words()
        self.failed += self.ctx.get(self.dut.failed)

    def _ranges(self):
        for n, own in enumerate(self.ranges):
            port = getattr(self.dut, f"i{n}")
            self.ctx.set(port.valid, int(bool(own)))
            if own:
                self.ctx.set(port.payload, {"word": own[0][0], "count": own[0][1]})
                if self.ctx.get(port.ready):
                    own.pop(0)

    def _addresses(self, cycle):
        ctx, dut, size = self.ctx, self.dut, self.bits // 8
        ready = not self.rests()
        ctx.set(dut.arready, int(ready))
        names = ("arid", "araddr", "arlen", "arsize", "arburst")
        now = tuple(ctx.get(getattr(dut, name)) for name in names) if ctx.get(dut.arvalid) else None
        assert self.waiting is None or now == self.waiting, "a burst that waits stays"
        self.waiting = None if ready else now
        if now is None or not ready:
            return
        id, address, length, arsize, kind = now
        assert (1 << arsize, kind) == (size, 1)
        assert address % size == 0
        assert length < self.burst
        assert address // PAGE == (address + (length + 1) * size - 1) // PAGE, "no burst crosses 4 KiB"
        self.bursts.append((id, address, length + 1))
        self.pending[id] += [(cycle + self.latency, address + n * size) for n in range(length + 1)]

    def _data(self, cycle):
        """IDs in any order, each one's words in the order of its bursts."""
        ctx, dut = self.ctx, self.dut
        assert ctx.get(dut.rready) == 1
        due = [id for id, words in self.pending.items() if words and words[0][0] < cycle]
        give = bool(due) and not self.rests()
        ctx.set(dut.rvalid, int(give))
        ctx.set(dut.rdata, self.draw.getrandbits(self.bits))
        ctx.set(dut.rresp, 3)
        if give:
            id = self.draw.choice(due)
            _, address = self.pending[id].pop(0)
            ctx.set(dut.rid, id)
            ctx.set(dut.rdata, word_at(address, self.bits))
            ctx.set(dut.rresp, self.fails.get(next(self.given), 0))

    def _words(self):
        for n, own in enumerate(self.words):
            port = getattr(self.dut, f"o{n}")
            ready = not self.rests()
            self.ctx.set(port.ready, int(ready))
            if ready and self.ctx.get(port.valid):
                own.append(self.ctx.get(port.payload))


def expected(ranges, bits):
    size = bits // 8
    return [[word_at((word + n) * size, bits) for word, number in own for n in range(number)] for own in ranges]


@pytest.mark.every(8)
@pytest.mark.parametrize(("bits", "burst", "bursts"), [(64, 16, 3), (128, 256, 2), (64, 1, 2), (128, 4, 2)])
@pytest.mark.parametrize(("stalls", "latency"), [(0.0, 3), (0.4, 30)])
def test_every_word_once_and_in_order(bits, burst, bursts, stalls, latency):
    """Ranges that begin and end anywhere, also across multiples of 4 KiB."""
    draw, page = random.Random(bits + burst), PAGE * 8 // bits
    ranges = [
        [(draw.randrange(3) * page + draw.randrange(page), draw.choice((1, 2, burst, 40))) for _ in range(6)]
        + [(page - 5, 11), (2 * page - 1, 2), ((1 << 32) * 8 // bits - 3, 3)]
        for _ in range(READERS)
    ]  # fmt: skip
    dut = Readers(bus_bits=bits, burst_beats=burst, bursts=bursts)
    words = expected(ranges, bits)

    async def process(ctx, rst):
        world = World(dut, ctx, ranges, stalls=stalls, latency=latency, bits=bits, burst=burst)
        for cycle in range(20_000):
            world.step(cycle)
            if world.words == words and ctx.get(dut.idle):
                break
            await ctx.tick()
        assert world.words == words
        for _ in range(40):  # and nothing more
            await ctx.tick()
            world.step(cycle := cycle + 1)
        assert world.words == words
        assert not world.failed

    simulate(dut, process)


def test_as_many_bursts_as_there_is_room_for():
    """With a sink that takes nothing, the buffer is asked full and not fuller; then a word comes in every cycle."""
    bits, burst, bursts, latency = 64, 8, 4, 24 - OVERHEAD
    dut = Readers(bus_bits=bits, burst_beats=burst, bursts=bursts)

    async def process(ctx, rst):
        world = World(dut, ctx, [[(3, 400)], [], []], latency=latency, bits=bits, burst=burst)
        world._words = lambda: None
        for cycle in range(200):
            world.step(cycle)
            await ctx.tick()
        asked = sum(beats for _, _, beats in world.bursts)
        assert bursts * burst - burst < asked <= bursts * burst
        assert [beats for _, _, beats in world.bursts][:2] == [5, 8], "aligned from the second one on"
        del world._words
        begun = cycle
        while len(world.words[0]) < 300:
            assert cycle < 5000
            world.step(cycle := cycle + 1)
            await ctx.tick()
        assert cycle - begun < 300 + 8, "three bursts of 8 words hide the memory's latency and that of the reader"

    simulate(dut, process)


@pytest.mark.parametrize("response", [2, 3])
def test_errors_and_a_stop(response):
    """An error is told once; after a stop nothing begins, and all that was asked for comes."""
    dut = Readers(bus_bits=64, burst_beats=16, bursts=3)

    async def process(ctx, rst):
        world = World(dut, ctx, [[(0, 1000)], [(5000, 1000)], []], latency=9, stalls=0.2, bits=64)
        world.fails = {70: response, 75: 1}
        cycle = 0
        while not world.failed:
            assert cycle < 5000
            world.step(cycle := cycle + 1)
            await ctx.tick()
        ctx.set(dut.stop, 1)
        begun, quiet = len(world.bursts), 0
        while quiet < 30:
            assert cycle < 5000
            world.step(cycle := cycle + 1)
            quiet += ctx.get(dut.idle)
            await ctx.tick()
        assert len(world.bursts) <= begun + 1, "the one that was already offered"
        assert not any(world.pending.values())
        assert world.failed == 1, "OKAY and EXOKAY are no errors"

    simulate(dut, process)


def test_options_that_are_refused():
    for options, words in (
        ({"bus_bits": 96}, "Bus bits must be 64 or 128, not 96"),
        ({"bus_bits": 32}, "Bus bits must be 64 or 128, not 32"),
        ({"burst_beats": 12}, "Burst beats must be a power of two up to 256 with 128 bits, so that no burst crosses a"),
        ({"bus_bits": 64, "burst_beats": 0}, "Burst beats must be from 1 to 256, not 0"),
        ({"bursts": 1}, "Bursts must be from 2 to 64, not 1"),
        ({"address_bits": 31}, "Address bits must be from 32 to 64, not 31"),
    ):
        with pytest.raises(InputError, match=words):
            BusConfig(**options)
    assert all(most_beats(bits) * bits // 8 <= PAGE for bits in WIDTHS)
