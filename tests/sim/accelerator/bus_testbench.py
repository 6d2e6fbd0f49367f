"""Runs in the simulator: an accelerator on its buses, beside the integer model."""

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from tests.sim.accelerator.bus_bench import BASE, start

WAIT = {"timeout_time": 3, "timeout_unit": "ms"}


async def ready(dut, **options):
    """A bench with an image that was checked."""
    bench = await start(dut, **options)
    assert await bench.load() == ("READY", set())
    return bench


@cocotb.test(**WAIT)
@cocotb.parametrize(stalled=[False, True])
async def two_sequences(dut, stalled):
    """The second one, which follows without a pause, is as good as after a reset; counters and identity."""
    bench = await ready(dut, stalled=stalled)
    assert await bench.write("MODE", 1) == 0
    for name in ("first", "second"):
        bench.send(bench.tokens[f"{name}_ids"])
    for name in ("first", "second"):
        await bench.check(name)
    tokens = len(bench.tokens["first_ids"]) + len(bench.tokens["second_ids"])
    assert await bench.read("TOKENS") == tokens
    assert await bench.read("ID") == 0x51534541
    assert [await bench.read(name) for name in ("LAYERS", "D_MODEL", "VOCABULARY")] == [2, 24, 37]
    assert await bench.read("IMAGE_BYTES") == len(bench.memory.image)
    cycles, least = await bench.read("CYCLES"), tokens * bench.built["weight_beats_per_token"]
    assert least < cycles < (30 if stalled else 4) * least
    waits = [await bench.read(name) for name in ("WEIGHT_WAITS", "SCALE_WAITS", "OUTPUT_WAITS")]
    assert all(wait < cycles for wait in waits)
    assert waits[0] or bench.built["bus_bits"] > 64
    assert (waits[2] > 0) == stalled
    assert await bench.status() == ("READY", set())
    several = {burst[0] for burst in bench.bursts}
    assert several == {0, 1, 2}
    bench.end()


@cocotb.test(**WAIT)
async def next_tokens(dut):
    """Arg max; the mode changes between tokens, a sequence begins by command."""
    bench = await ready(dut)
    ids = bench.tokens["first_ids"]
    bench.send(ids)
    await bench.check("first", logits=False)
    bench.send([ids[0], *ids])  # one frame: TLAST only at its end
    while not (int(dut.s_axis_tvalid.value) and int(dut.s_axis_tready.value)):
        await RisingEdge(dut.clk)
    bench.source.pause = True
    assert await bench.packet() == [int(np.argmax(bench.tokens["first_logits"][0]))]
    assert await bench.write("MODE", 1) == 0
    await bench.command("NEW_SEQUENCE")
    bench.source.pause = False
    await bench.check("first")
    bench.end()


@cocotb.test(**WAIT)
async def unknown_tokens(dut):
    """They are dropped, and said to be; the others are as without them."""
    bench = await ready(dut)
    assert await bench.write("MODE", 1) == 0
    ids = bench.tokens["first_ids"].tolist()
    bench.send([37, ids[0], 0xFFFFFFFF, 64, *ids[1:], 38])  # the last one ends the sequence
    bench.send(ids)
    await bench.check("first")
    await bench.check("first")
    assert await bench.status() == ("READY", {"TOKEN_ERROR"})
    assert await bench.read("TOKENS") == 2 * len(ids)
    await bench.write("STATUS", 0xFFFFFFFF)
    assert await bench.status() == ("READY", set())
    bench.end()


@cocotb.test(**WAIT)
async def reset_within_a_token(dut):
    """Wherever it is: the open packet ends, and the next start is a fresh one."""
    bench = await ready(dut, stalled=True)
    assert await bench.write("MODE", 1) == 0
    for cycles in (30, 700, 2300, 3100):
        bench.send(bench.tokens["second_ids"])
        await ClockCycles(dut.clk, cycles)
        bench.source.pause = True
        await bench.command("SOFT_RESET")
        assert await bench.until("IDLE") == ("IDLE", set())
        await ClockCycles(dut.clk, 50)
        while not bench.sink.empty():
            await bench.sink.recv()
        assert [await bench.read(name) for name in ("CYCLES", "TOKENS")] == [0, 0]
        bench.source.clear()
        dut.s_axis_tvalid.value = 0
        bench.source.pause = False
        await ClockCycles(dut.clk, 2)
        assert await bench.load() == ("READY", set())
        await bench.command("NEW_SEQUENCE")
    while not bench.source.idle():
        await bench.packet()
    assert not bench.broken, bench.broken[:5]


@cocotb.test(**WAIT)
async def errors_of_the_memory(dut):
    """In the header, in the middle of the image, in a token: it stops, and can be started again."""
    bench = await start(dut, stalled=True)
    words = len(bench.memory.image) // (bench.built["bus_bits"] // 8)
    for bad in (1, words // 2, words):
        bench.memory.reads, bench.memory.fails = 0, lambda number, bad=bad: number == bad
        assert await bench.load() == ("IDLE", {"READ_ERROR"})
        await bench.write("STATUS", 0xFFFFFFFF)
    bench.memory.fails = lambda number: False
    assert await bench.load() == ("READY", set())
    bench.memory.reads, bench.memory.fails = 0, lambda number: number == 700
    ids = bench.tokens["first_ids"]
    bench.send(ids)
    assert await bench.until("IDLE") == ("IDLE", {"READ_ERROR"})
    bench.memory.fails = lambda number: False
    while not bench.sink.empty():
        await bench.sink.recv()
    await bench.write("STATUS", 0xFFFFFFFF)
    assert await bench.load() == ("READY", set())
    while not bench.source.idle() or (await bench.status())[1]:
        await ClockCycles(dut.clk, 100)  # the rest of the sequence
    while not bench.sink.empty():
        await bench.sink.recv()
    assert await bench.write("MODE", 1) == 0
    bench.send(bench.tokens["second_ids"])
    await bench.check("second")
    bench.end()


@cocotb.test(**WAIT)
async def images_that_are_refused(dut):
    """Another magic, version, schedule, hardware, size; a bit turned in every part; too high an address."""
    bench = await start(dut)
    image = bench.memory.image
    for place in (0, 8, 16, 32, 36, 104, 136, 144):
        image[place] ^= 1
        assert await bench.load() == ("IDLE", {"IMAGE_MISMATCH"}), place
        image[place] ^= 1
        await bench.write("STATUS", 0xFFFFFFFF)
    parts = bench.built["image"]["parts"]
    for number, (begin, size) in enumerate((one["offset"], one["bytes"]) for one in parts.values()):
        place = begin + (size - 1 if number % 2 else 50)
        image[place] ^= 0x10
        assert await bench.load() == ("IDLE", {"IMAGE_DAMAGED"}), place
        image[place] ^= 0x10
        assert (await bench.read("STATUS") >> bench.fields["STATUS"]["REGION"]["low"]) & 7 == number
        await bench.write("STATUS", 0xFFFFFFFF)
    last = (1 << bench.built["address_bits"]) - len(image)
    assert await bench.load(base=last + 64) == ("IDLE", {"ADDRESS_ERROR"})
    assert await bench.write("BASE", BASE + 32) == 2
    assert await bench.read("BASE") == (last + 64) % (1 << 32)
    await bench.write("STATUS", 0xFFFFFFFF)
    bench.memory.base = last
    assert await bench.load(base=last) == ("READY", set())
    bench.send(bench.tokens["second_ids"])
    await bench.check("second", logits=False)
    bench.end()
