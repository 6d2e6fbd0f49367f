"""Runs in the simulator: the quantizer's streams and registers, full speed and stalled."""

import random
from dataclasses import replace

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.bus.axi_stream import bytes_of
from qse_hw.rtl_gen.quantizer.parameter_rules import parameters_of, refusal
from qse_hw.rtl_gen.quantizer.registers import REFUSALS
from tests.rtl_gen.families import member
from tests.sim.quantizer_bench import SEED, Counts, generated_constants, start

both = cocotb.parametrize(stalled=[False, True])


def near(bench):
    """A random legal setting whose scale is like the initial one."""
    bits = bench.config.scale.bits
    scale = bench.config.scale
    M = int(bench.rng.integers(1 << (bits - 1), 1 << bits))
    format = member(bench.rng, bench.family)
    return format, Scale(M=M, k=scale.k + int(bench.rng.integers(-1, 2)), bits=bits)


@cocotb.test(timeout_time=400, timeout_unit="us")
@both
async def packets(dut, stalled):
    """Codes, kept bytes, packets' ends, counters and flags; one beat per cycle if nothing stalls."""
    bench = await start(dut, stalled)
    assert (await bench.status())["BUSY"] == 0
    counts, sent = Counts(bench.config), [bench.packet() for _ in range(60)] + [bench.packet(200, holes=False)]
    for packet in sent:
        await bench.source.send(packet.frame)
        counts.add(packet, *bench.setting)
    for number, packet in enumerate(sent):
        got = await bench.receive()
        assert got == packet.answer(*bench.setting)[1], f"packet {number}"
    await bench.check_counts(counts)
    status = await bench.status()
    assert [status[name] for name in ("SATURATED", "NAN", "PARTIAL_KEEP", "BUSY", "PENDING", "PARAMETER_ERROR")] == [
        counts["SATURATED"] > 0, counts["NAN"] > 0, any(packet.partial for packet in sent), 0, 0, 0
    ]  # fmt: skip
    assert bytes_of(bench.config.input.width) == 1 or status["PARTIAL_KEEP"]
    for name in counts:
        assert await bench.write(name, 0, size=1) == 0
        counts[name] = 0
        await bench.check_counts(counts)
    assert await bench.write("STATUS", 0xFFFFFFFF, size=1) == 0
    assert (await bench.status()) == status
    assert await bench.write("STATUS", 0xFFFFFFFF) == 0
    assert not any((await bench.status()).values())
    assert not bench.broken


@cocotb.test(timeout_time=400, timeout_unit="us")
async def latency_and_throughput(dut):
    """A beat takes ``latency`` cycles; 100 take 99 more."""
    bench = await start(dut)
    latency = bench.config.component().latency
    bench.source.send_nowait(bench.packet(100).frame)
    cycles, first_in, outs = 0, None, []
    while len(outs) < 100:
        await FallingEdge(dut.clk)
        await ReadOnly()
        cycles += 1
        if first_in is None and int(dut.s_axis_tvalid.value) and int(dut.s_axis_tready.value):
            first_in = cycles
        if int(dut.m_axis_tvalid.value) and int(dut.m_axis_tready.value):
            outs.append(cycles)
    assert outs == [first_in + latency + n for n in range(100)]


@cocotb.test(timeout_time=400, timeout_unit="us")
@both
async def parameters_change_between_packets(dut, stalled):
    """While packets never cease software changes everything: each packet is quantized by one setting, the right one."""
    bench = await start(dut, stalled)
    settings, begun, ended = [bench.setting], [0], [0]  # when each setting may be, and must be, effective
    sent, entered, least, most = [], [], Counts(bench.config), Counts(bench.config)
    running = True

    async def produce():
        while running or len(sent) % 7:
            sent.append(bench.packet(holes=len(sent) % 2 == 0))
            await bench.source.send(sent[-1].frame)
            while bench.source.count() > 2:
                await RisingEdge(dut.clk)

    async def watch():
        first = True
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            if int(dut.s_axis_tvalid.value) and int(dut.s_axis_tready.value):
                if first:
                    entered.append(get_sim_time("ns"))
                first = bool(int(dut.s_axis_tlast.value))

    producer = cocotb.start_soon(produce())
    cocotb.start_soon(watch())
    draw, waits = random.Random(SEED), 0
    for number in range(24):
        await ClockCycles(dut.clk, draw.choice((1, 20, 60)))
        format, scale = near(bench)
        bypass = number % 6 == 5
        parameters = parameters_of(format, scale, bypass=bypass)
        if number % 4 == 2:
            parameters |= draw.choice(
                ({"scale_m": scale.M >> 1}, {"segment0_count": 0}, {f"segment{len(format.segments) - 1}_count": 1 << 7},
                 {"scale_k": -200})
            )  # fmt: skip
        await bench.set(parameters)
        start_time = get_sim_time("ns")
        assert await bench.write("CONTROL", 1) == 0
        assert await bench.write("CONTROL", 1) == 0  # once more: it is pending, or was and is again
        while (await bench.status())["PENDING"]:
            waits += 1
        status = await bench.status()
        want = refusal(bench.family, bench.config.scale.bits, parameters)
        assert (status["ERROR"], status["PARAMETER_ERROR"]) == ([*REFUSALS].index(want), want != "NONE")
        if want == "NONE":
            settings.append((format, scale, bypass))
            begun.append(start_time)
            ended.append(get_sim_time("ns"))
            assert status["BYPASSED"] == bypass
        else:
            assert await bench.write("STATUS", 1 << 10) == 0
    running = False
    assert len(settings) > 15
    assert waits > 0
    await producer
    last, telling = 0, 0
    for number, packet in enumerate(sent):
        got = await bench.receive()
        time = entered[number]
        low = max(n for n, when in enumerate(ended) if when <= time)
        high = max(n for n, when in enumerate(begun) if when <= time)
        chosen = [n for n in range(max(low, last), high + 1) if packet.answer(*settings[n])[1] == got]
        assert chosen, f"packet {number}, which entered at {time} ns: none of the settings {max(low, last)} to {high}"
        last = chosen[0]
        # where several settings give the same codes they may still count saturations otherwise
        several = [Counts(bench.config) for _ in chosen]
        for counts, n in zip(several, chosen, strict=True):
            counts.add(packet, *settings[n])
        for name in least:
            least[name] += min(counts[name] for counts in several)
            most[name] += max(counts[name] for counts in several)
        telling += all(packet.answer(*setting)[1] != got for setting in settings[:last] + settings[last + 1 :])
    assert telling > len(sent) // 2
    await ClockCycles(dut.clk, 5)
    for name in least:
        assert least[name] <= await bench.read(name) <= most[name] < least[name] + 40
    assert not bench.broken


@cocotb.test(timeout_time=400, timeout_unit="us")
async def waits_for_the_packets_end(dut):
    """A packet that has begun passes whole with the old parameters, however long that takes."""
    bench = await start(dut)
    old, packet, following = bench.setting, bench.packet(20), bench.packet(5)
    bench.source.send_nowait(packet.frame)
    bench.source.send_nowait(following.frame)
    await ClockCycles(dut.clk, 8)
    bench.source.pause = True
    format, scale = near(bench)
    await bench.set(parameters_of(format, scale))
    assert await bench.write("CONTROL", 1) == 0
    await ClockCycles(dut.clk, 300)
    status = await bench.status()
    assert (status["PENDING"], status["BUSY"], status["PARAMETER_ERROR"]) == (1, 1, 0)
    for name in ("SCALE_M", "SCALE_K", "MODE", "SEGMENT0_COUNT"):  # parameters are locked
        before = await bench.read(name)
        assert await bench.write(name, before ^ 1) == 2
        assert await bench.read(name) == before
    bench.source.pause = False
    assert await bench.receive() == packet.answer(*old)[1]
    assert await bench.receive() == following.answer(format, scale)[1]
    assert (await bench.status())["PENDING"] == 0


@cocotb.test(timeout_time=400, timeout_unit="us")
@both
async def soft_reset(dut, stalled):
    """Whatever is discarded, the output stays a sequence of whole packets, and nothing hangs."""
    bench = await start(dut, stalled)
    size, lanes = bytes_of(bench.config.format.bits), bench.config.lanes
    null = (bytes(size * lanes), [0] * size * lanes)
    draw = random.Random(SEED)
    closed = discarded = 0
    for number in range(16):
        if number % 4 == 3:
            format, scale = near(bench)
            await bench.use(format, scale, number % 8 == 7)
        packet, following = bench.packet(25, holes=False), bench.packet()
        blocked = draw.random() < 0.5
        if blocked and not stalled:
            bench.sink.pause = True
        await bench.source.send(packet.frame)
        await ClockCycles(dut.clk, draw.randrange(4, 30))
        pending, at_once = number % 5 == 4, number == 9
        if pending:
            format, scale = near(bench)
            await bench.set(parameters_of(format, scale))
            if not at_once:
                assert await bench.write("CONTROL", 1) == 0
        bench.source.pause = not stalled  # so that what is left over enters after the reset
        assert await bench.write("CONTROL", 3 if at_once else 2) == 0
        setting = bench.setting
        if pending:
            bench.setting = (format, scale, False)
        await ClockCycles(dut.clk, 200)
        bench.sink.pause = bench.source.pause = False
        await bench.source.send(following.frame)
        whole, answers = packet.answer(*setting)[1], []
        while not answers or answers[-1] != following.answer(*bench.setting)[1]:
            answers.append(await bench.receive())
        answers.pop()
        # what had left (closed if it was cut), then what had not entered
        data, keep = answers[0]
        was_cut = answers[0] != whole and keep[-size * lanes :] == null[1]
        if was_cut:
            data, keep = data[: -size * lanes], keep[: -size * lanes]
            closed += 1
        assert whole[0].startswith(data) or len(answers) == 1
        rest = answers[-1] if len(answers) > 1 else (data, keep)
        again = packet.answer(*bench.setting)[1]
        if len(answers) == 2 or not whole[0].startswith(data):
            assert again[0].endswith(rest[0]), number
        assert len(answers) <= 2
        left = len(data) + (len(rest[0]) if len(answers) == 2 else 0)
        discarded += len(whole[0]) - left
        assert left <= len(whole[0])
        status = await bench.status()
        assert (status["BUSY"], status["PENDING"], status["PARAMETER_ERROR"]) == (0, 0, 0)
        counts = {name: await bench.read(name) for name in Counts(bench.config)}
        assert counts["VALUES"] >= int(following.kept.sum())
        assert counts["VALUES"] <= int(following.kept.sum()) + len(packet.values)
        if number == 0:
            assert await bench.read("SCALE_M") == bench.config.scale.M  # parameters stay
    assert stalled or closed > 3
    assert discarded > 0
    assert await bench.write("CONTROL", 2) == 0  # with nothing within: no packet, all is 0
    await bench.check_counts(Counts(bench.config))
    await ClockCycles(dut.clk, 50)
    assert bench.sink.empty()
    assert not bench.broken


@cocotb.test(timeout_time=400, timeout_unit="us")
async def generated_constants_agree_with_the_hardware(dut):
    """Offsets, reset values, masks and signs of the generated Python module, read and written through the bus."""
    bench = await start(dut)
    module = generated_constants()
    for register in bench.registers.registers:
        offset, reset = (getattr(module, f"{register.name}_{what}") for what in ("OFFSET", "RESET"))
        response = await bench.master.read(offset, 4)
        assert (response.resp, int.from_bytes(response.data, "little")) == (0, reset), register.name
        if register.access != "read-write":
            continue
        name = f"{register.name}_{register.fields[0].name}"
        mask, signed = getattr(module, f"{name}_MASK"), getattr(module, f"{name}_SIGNED", 0)
        for value, resp in ((mask >> signed, 0), (mask + 1, 2), (0xFFFFFFFF, 0 if signed else 2)):
            answer = await bench.master.write(offset, value.to_bytes(4, "little"))
            assert answer.resp == resp, register.name
            held = int.from_bytes((await bench.master.read(offset, 4)).data, "little")
            assert held == (value if resp == 0 else mask >> signed), register.name
    lanes = (await bench.read("CAPABILITIES") & module.CAPABILITIES_LANES_MASK) >> module.CAPABILITIES_LANES_SHIFT
    assert lanes * bytes_of(bench.config.input.width) == len(dut.s_axis_tkeep)
    assert await bench.write("CONTROL", module.CONTROL_APPLY_MASK) == 0
    while (status := await bench.read("STATUS")) & module.STATUS_PENDING_MASK:
        pass
    assert status & module.STATUS_PARAMETER_ERROR_MASK
    assert (status & module.STATUS_ERROR_MASK) >> module.STATUS_ERROR_SHIFT == module.ERROR_FIELD
    assert replace(bench.config.scale, M=module.SCALE_M_RESET) == bench.config.scale
