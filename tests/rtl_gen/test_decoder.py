"""The decoder, in Amaranth's simulator, against qse_hw.golden.formats.scalar: every code of every format, streams,
constructor.
"""

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scalar import dequantize
from qse_hw.rtl_gen.decoder import Decoder
from qse_hw.rtl_gen.units.decoder import DecoderConfig, value_width
from tests.rtl_gen.bench import at_random, into_beats, join, never, refused, simulate, split, stream, used
from tests.rtl_gen.formats import ALL, SHIPPED, make, random_format


def to_signed(value, width):
    return value - (1 << width) if value >> (width - 1) else value


def check(format, codes, lanes, target="generic", **pauses):
    """Values, and the flag of each beat by itself."""
    dut = Decoder(DecoderConfig(format=format, lanes=lanes, target=target))
    width = value_width(format)
    beats = into_beats(codes, lanes)
    run = stream(dut, [join(beat, format.bits) for beat in beats], **pauses)
    assert len(run.payloads) == len(beats)
    for beat, payload, flags in zip(beats, run.payloads, run.flags, strict=True):
        got = [to_signed(value, width) for value in split(payload, width, lanes)]
        want = [dequantize(code, format) if code in format.decoded else 0 for code in beat]
        assert got == want, f"codes {beat}, {format}"
        assert flags == {"invalid": any(code not in format.decoded for code in beat)}, f"codes {beat}, {format}"
    return run


@pytest.mark.every(3)
@pytest.mark.parametrize("name", ALL)
def test_every_code(name):
    format = make(name)
    check(format, range(1 << format.bits), 1)


@pytest.mark.parametrize("part", [*range(6), *(pytest.param(n, marks=pytest.mark.full) for n in range(6, 300))])
def test_every_code_of_random_formats(part, rng):
    format = random_format(rng)
    check(format, range(1 << format.bits), 1)


@pytest.mark.every(3)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("lanes", [1, 2, 3, 5])
@pytest.mark.parametrize("name", [*SHIPPED, "sticky-signed"])
def test_full_speed(name, lanes, target, rng):
    format = make(name)
    run = check(format, rng.integers(0, 1 << format.bits, 40 * lanes), lanes, target)
    assert run.accepted == list(range(40))
    assert run.left == list(range(Decoder.latency, 40 + Decoder.latency))


@pytest.mark.every(3)
@pytest.mark.parametrize("lanes", [1, 2, 3, 5])
@pytest.mark.parametrize("sides", ["both", "input", "output"])
@pytest.mark.parametrize("name", ["se9-paper", "sticky-offset"])
def test_random_stalls(name, lanes, sides, rng):
    format = make(name)
    i_pause = never if sides == "output" else at_random(40 + lanes)
    o_pause = never if sides == "input" else at_random(50 + lanes)
    target = "ecp5" if lanes in (1, 3) else "generic"
    codes = rng.integers(0, 1 << format.bits, 100 * lanes)
    run = check(format, codes, lanes, target, i_pause=i_pause, o_pause=o_pause)
    assert run.left[-1] > 100 + Decoder.latency
    if sides == "input":
        assert run.left == [cycle + Decoder.latency for cycle in run.accepted]


def test_invalid_is_sticky_until_cleared():
    format = make("sticky-offset")
    bad = next(code for code in range(128) if code not in format.decoded)
    beats = [0, bad, 0, bad, 0]
    for clear, want in ((False, [0, 1, 1, 1, 1]), (True, [0, 1, 0, 1, 0])):
        run = stream(Decoder(DecoderConfig(format=format)), beats, clear=clear)
        assert [flags["invalid"] for flags in run.flags] == want


def test_invalid_only_when_it_leaves_and_gone_with_a_reset():
    format = make("sticky-offset")
    bad = next(code for code in range(128) if code not in format.decoded)
    dut = Decoder(DecoderConfig(format=format))
    seen = []

    async def process(ctx, rst):
        ctx.set(dut.i.payload.as_value(), bad)
        ctx.set(dut.i.valid, 1)
        for cycle in range(10):
            ctx.set(dut.o.ready, cycle >= 5)
            ctx.set(rst, cycle == 7)
            seen.append((ctx.get(dut.o.valid), ctx.get(dut.invalid)))
            await ctx.tick()

    simulate(dut, process)
    assert seen == [(0, 0)] * 2 + [(1, 0)] * 4 + [(1, 1)] * 2 + [(0, 0)] * 2


@pytest.mark.parametrize("name", ALL)
def test_the_value_has_just_enough_bits(name):
    width = value_width(make(name))
    values = make(name).decoded.values()
    assert all(-(1 << (width - 1)) <= value < 1 << (width - 1) for value in values)
    assert any(not -(1 << (width - 2)) <= value < 1 << (width - 2) for value in values)


def test_ports():
    dut = used(Decoder(DecoderConfig(format=make("se9-paper"), lanes=3)))
    assert sorted(dut.signature.members) == ["clear", "i", "invalid", "o"]
    assert len(dut.i.payload.as_value()) == 27
    assert len(dut.o.payload.as_value()) == 36
    assert dut.o.payload[0].shape().signed


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"format": "se8"}, TypeError, "Format must be a SegmentedFormat, not 'se8'"),
        ({"lanes": 0}, InputError, "Lanes must be from 1 to 1024, not 0"),
        ({"lanes": 1025}, InputError, "Lanes must be from 1 to 1024, not 1025"),
        ({"lanes": "2"}, TypeError, "'str' object cannot be interpreted as an integer"),
    ],
)
def test_refused(parameters, error, text):
    refused(error, text, lambda: Decoder(DecoderConfig(**{"format": make("se8")} | parameters)))
