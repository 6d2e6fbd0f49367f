"""The encoder as a whole, in Amaranth's simulator, against qse_hw.golden.formats.scalar: numbers, streams, flags,
constructor.
"""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import quantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from tests.rtl_gen.bench import (
    at_random,
    check_encoder,
    into_beats,
    join,
    never,
    refused,
    simulate,
    split,
    stream,
    used,
)  # fmt: skip
from tests.rtl_gen.formats import (
    DOCUMENTS,
    INPUTS,
    SCALE_BITS,
    SHIPPED,
    make,
    patterns,
    random_format,
    random_scale,
    scale_for,
)  # fmt: skip

LANES = 8


def encoder(name="se8", input_name="fp16", scale=None, **parameters):
    return Encoder(EncoderConfig(format=make(name), input=input_type(input_name), scale=scale, **parameters))


def configurations():
    """Every format with every input, constant and run-time scale; the scale's bits take turns in the short run."""
    for i, name in enumerate(SHIPPED):
        for j, input_name in enumerate(INPUTS):
            for runtime in (False, True):
                for n, bits in enumerate(SCALE_BITS):
                    short = n == (i + j + 2 * runtime) % len(SCALE_BITS)
                    yield pytest.param(
                        name, input_name, runtime, bits,
                        id=f"{name}-{input_name}-{'runtime' if runtime else 'constant'}-{bits}",
                        marks=() if short else pytest.mark.full(2),
                    )  # fmt: skip


@pytest.mark.every(56)
@pytest.mark.parametrize(("name", "input_name", "runtime", "bits"), [*configurations()])
def test_shipped_formats(name, input_name, runtime, bits, rng):
    format, input = make(name), input_type(input_name)
    scale = scale_for(input, bits)
    dut = Encoder(EncoderConfig(
        format=format, input=input, scale=None if runtime else scale, scale_bits=bits, lanes=LANES, counter_width=5
    ))
    beats = into_beats(patterns(format, input, scale, rng), LANES)
    check_encoder(dut, beats, [scale] * len(beats), format, input)


@pytest.mark.every(24)
@pytest.mark.parametrize("runtime", [False, True], ids=["constant", "runtime"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_formats_of_a_users_own(name, runtime, rng):
    format, input = make(name), input_type(INPUTS[DOCUMENTS.index(name) % len(INPUTS)])
    scale = scale_for(input, 16)
    dut = Encoder(
        EncoderConfig(format=format, input=input, scale=None if runtime else scale, lanes=LANES, counter_width=5)
    )
    beats = into_beats(patterns(format, input, scale, rng)[:4000], LANES)
    check_encoder(dut, beats, [scale] * len(beats), format, input)


EXTREMES = [2.0**-100, 2.0**-90, 3e-20, 2.0**-30, 2.0**30, 3e20, 2.0**70, 2.0**100]


@pytest.mark.every(12)
@pytest.mark.parametrize("step", EXTREMES, ids=str)
@pytest.mark.parametrize(
    "input_name", [pytest.param(name, marks=() if name in ("fp32", "s16e-8") else pytest.mark.full) for name in INPUTS]
)
def test_extreme_scales(input_name, step, rng):
    format, input = make(SHIPPED[EXTREMES.index(step) % len(SHIPPED)]), input_type(input_name)
    scale = Scale.from_step(step, 12)
    dut = Encoder(EncoderConfig(format=format, input=input, scale=scale, lanes=LANES, counter_width=5))
    beats = into_beats(patterns(format, input, scale, rng), LANES)
    check_encoder(dut, beats, [scale] * len(beats), format, input)


@pytest.mark.every(6)
@pytest.mark.parametrize("input_name", ["fp32", "bf16", "s8", "s32e-20", "s32e-64", "s32e64"])
def test_every_beat_may_bring_any_scale(input_name, rng):
    format, input = make("se8-silu"), input_type(input_name)
    dut = Encoder(EncoderConfig(format=format, input=input, scale=None, scale_bits=20, lanes=LANES, counter_width=5))
    scales = [random_scale(rng, 20) for _ in range(60)]
    beats = [patterns(format, input, scale, rng, 100)[:LANES].tolist() for scale in scales]
    check_encoder(dut, beats, scales, format, input)


@pytest.mark.every(6)
@pytest.mark.parametrize("part", [*range(4), *(pytest.param(n, marks=pytest.mark.full) for n in range(4, 60))])
def test_random_formats_with_stalls(part, rng):
    format, input, bits = random_format(rng), input_type(str(rng.choice(INPUTS))), int(rng.integers(1, 21))
    runtime = bool(rng.integers(2))
    scale = scale_for(input, bits)
    lanes = int(rng.integers(1, 9))
    dut = Encoder(EncoderConfig(
        format=format, input=input, scale=None if runtime else scale, scale_bits=bits, lanes=lanes, counter_width=5
    ))
    beats = into_beats(patterns(format, input, scale, rng)[:2000], lanes)
    check_encoder(
        dut, beats, [scale] * len(beats), format, input, i_pause=at_random(2 * part), o_pause=at_random(2 * part + 1)
    )


STREAMS = [
    ("fp16", True, 5), ("fp32", False, 5), ("s16", True, 5), ("s8", False, 4),
]  # fmt: skip


def unit(input_name, runtime, lanes, **parameters):
    input = input_type(input_name)
    scale = scale_for(input, 16)
    dut = encoder(input_name=input_name, scale=None if runtime else scale, lanes=lanes, **parameters)
    return dut, input, scale


@pytest.mark.every(6)
@pytest.mark.parametrize(("input_name", "runtime", "latency"), STREAMS)
@pytest.mark.parametrize("lanes", [1, 2, 3, 5])
def test_full_speed(input_name, runtime, latency, lanes, rng):
    """A beat every cycle (initiation interval 1), each out after exactly ``latency`` cycles."""
    dut, input, scale = unit(input_name, runtime, lanes)
    assert dut.latency == latency
    beats = into_beats(patterns(dut.config.format, input, scale, rng)[: 60 * lanes], lanes)
    run = check_encoder(dut, beats, [scale] * len(beats), dut.config.format, input)
    assert run.accepted == list(range(len(beats)))
    assert run.left == [cycle + latency for cycle in run.accepted]


@pytest.mark.every(9)
@pytest.mark.parametrize(("input_name", "runtime", "latency"), STREAMS)
@pytest.mark.parametrize(
    ("lanes", "sides"), [(1, "both"), (2, "both"), (3, "both"), (5, "both"), (2, "input"), (2, "output")]
)
def test_random_stalls(input_name, runtime, latency, lanes, sides, rng):
    """Nothing lost, duplicated, reordered or changed (the codes in their order, and the rules in every cycle)."""
    dut, input, scale = unit(input_name, runtime, lanes)
    beats = into_beats(patterns(dut.config.format, input, scale, rng)[: 80 * lanes], lanes)
    i_pause = never if sides == "output" else at_random(10 + lanes)
    o_pause = never if sides == "input" else at_random(20 + lanes)
    run = check_encoder(dut, beats, [scale] * len(beats), dut.config.format, input, i_pause=i_pause, o_pause=o_pause)
    assert run.left[-1] > len(beats) + latency  # it did stall
    if sides == "input":  # with a ready output the pipeline moves on, gaps and all
        assert run.left == [cycle + latency for cycle in run.accepted]


def test_the_scale_goes_with_the_beat(rng):
    """Scales that change from beat to beat, and hold noise while nothing is offered, under stalls on both sides."""
    format, input = make("se8"), input_type("fp32")
    dut = Encoder(EncoderConfig(format=format, input=input, scale=None, scale_bits=8, lanes=3, counter_width=5))
    scales = [Scale(M=int(rng.integers(128, 256)), k=int(rng.integers(8, 16)), bits=8) for _ in range(100)]
    beats = [patterns(format, input, scale, rng, 10)[:3].tolist() for scale in scales]
    check_encoder(dut, beats, scales, format, input, i_pause=at_random(31), o_pause=at_random(32))
    wrong = [scales[0], *scales[:-1]]
    codes = [[quantize(x, input, format, own).code for x in beat] for beat, own in zip(beats, scales, strict=True)]
    late = [[quantize(x, input, format, own).code for x in beat] for beat, own in zip(beats, wrong, strict=True)]
    assert sum(a != b for a, b in zip(codes, late, strict=True)) > 30  # a scale one beat late would be seen


def test_accepts_while_the_output_waits_until_it_is_full(rng):
    dut, _, _ = unit("fp16", False, 2)
    payloads = [join(beat, 16) for beat in into_beats(rng.integers(0, 1 << 16, 40), 2)]
    seen = []

    async def process(ctx, rst):
        ctx.set(dut.i.valid, 1)
        accepted = 0
        for _ in range(dut.latency + 5):
            ctx.set(dut.i.payload.as_value(), payloads[accepted])
            ready = ctx.get(dut.i.ready)
            seen.append((ready, ctx.get(dut.o.valid)))
            accepted += ready
            await ctx.tick()
        ctx.set(dut.o.ready, 1)
        seen.append((ctx.get(dut.i.ready), ctx.get(dut.o.valid)))  # at once

    simulate(dut, process)
    assert seen == [(1, 0)] * dut.latency + [(0, 1)] * 5 + [(1, 1)]


@pytest.mark.parametrize("runtime", [False, True])
def test_reset_in_the_middle_of_a_stream(runtime, rng):
    """A reset discards the beats inside and clears flags and counter; later beats are correct."""
    dut, input, scale = unit("fp16", runtime, 2)
    format = dut.config.format
    infinite, nan, beat = join([0x7C00, 0xFC00], 16), join([0x7E00, 0x3C00], 16), [0x2400, 0xA800]
    seen = []

    async def process(ctx, rst):
        if runtime:
            ctx.set(dut.scale_m, scale.M)
            ctx.set(dut.scale_k, scale.k)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        for cycle in range(2 * dut.latency):
            ctx.set(dut.i.payload.as_value(), nan if cycle % 2 else infinite)
            await ctx.tick()
        assert (ctx.get(dut.o.valid), ctx.get(dut.saturated), ctx.get(dut.nan)) == (1, 1, 1)
        assert ctx.get(dut.saturation_count) > 2
        ctx.set(dut.i.valid, 0)
        ctx.set(rst, 1)
        await ctx.tick()
        ctx.set(rst, 0)
        for cycle in range(3 * dut.latency):
            assert (ctx.get(dut.saturated), ctx.get(dut.nan), ctx.get(dut.saturation_count)) == (0, 0, 0)
            ctx.set(dut.i.payload.as_value(), join(beat, 16) if cycle == 3 else infinite)
            ctx.set(dut.i.valid, cycle == 3)
            if ctx.get(dut.o.valid):
                seen.append((cycle, ctx.get(dut.o.payload.as_value())))
            await ctx.tick()

    simulate(dut, process)
    assert seen == [(3 + dut.latency, join([quantize(x, input, format, scale).code for x in beat], format.bits))]


def test_flags_are_sticky_and_count_only_what_left():
    """While the output waits, a saturated beat at it counts nothing; once it leaves, it counts once."""
    dut, _, _ = unit("fp16", False, 2)
    seen = []

    async def process(ctx, rst):
        ctx.set(dut.i.valid, 1)
        for payload in (join([0x7C00, 0], 16), join([0x7C00, 0xFC00], 16), join([0, 0x7E00], 16)):
            ctx.set(dut.i.payload.as_value(), payload)
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        for cycle in range(dut.latency + 9):
            ctx.set(dut.o.ready, cycle > dut.latency + 3)
            seen.append((ctx.get(dut.saturated), ctx.get(dut.nan), ctx.get(dut.saturation_count)))
            await ctx.tick()

    simulate(dut, process)
    waiting = dut.latency + 5  # the first leaves in the cycle before
    assert seen[:waiting] == [(0, 0, 0)] * waiting
    assert seen[waiting:] == [(1, 0, 1), (1, 0, 3), (1, 1, 3), (1, 1, 3)]


def test_clear_in_the_cycle_of_an_event_keeps_the_event():
    dut, _, _ = unit("fp16", False, 1)
    beats = [0x7C00, 0x7C00, 0x3C00, 0x7E00, 0x3C00]
    kept = stream(dut, beats, clear=False).flags
    assert [tuple(flags.values()) for flags in kept] == [(1, 0, 1), (1, 0, 2), (1, 0, 2), (1, 1, 2), (1, 1, 2)]
    dut, _, _ = unit("fp16", False, 1)
    cleared = stream(dut, beats, clear=True).flags
    assert [tuple(flags.values()) for flags in cleared] == [(1, 0, 1), (1, 0, 1), (0, 0, 0), (0, 1, 0), (0, 0, 0)]


@pytest.mark.parametrize(("width", "lanes"), [(1, 1), (2, 1), (3, 5), (1, 3)])
def test_the_counter_stops(width, lanes):
    dut, _, _ = unit("fp16", False, lanes, counter_width=width)
    run = stream(dut, [join([0x7C00] * lanes, 16)] * 12, clear=False)
    want = [min(lanes * (n + 1), (1 << width) - 1) for n in range(12)]
    assert [flags["saturation_count"] for flags in run.flags] == want


def test_no_counter_no_port():
    dut, input, scale = unit("fp16", False, 2, counter_width=0)
    assert "saturation_count" not in dut.signature.members
    run = stream(dut, [join([0x7C00, 0x3C00], 16), join([0x7E00, 0], 16)])
    assert run.flags == [{"saturated": 1, "nan": 0}, {"saturated": 0, "nan": 1}]
    format = dut.config.format
    want = [[quantize(x, input, format, scale).code for x in beat] for beat in ([0x7C00, 0x3C00], [0x7E00, 0])]
    assert [split(payload, 8, 2) for payload in run.payloads] == want


def test_ports():
    constant = used(encoder(scale=Scale.from_step(0.1), lanes=3))
    assert sorted(constant.signature.members) == ["clear", "i", "nan", "o", "saturated", "saturation_count"]
    assert len(constant.i.payload.as_value()) == 48
    assert len(constant.o.payload.as_value()) == 24
    runtime = used(encoder(scale_bits=9, counter_width=7))
    assert {"scale_m", "scale_k"} < set(runtime.signature.members)
    assert (len(runtime.scale_m), len(runtime.scale_k), len(runtime.saturation_count)) == (9, 9, 7)


def test_the_constant_scale_brings_its_bits():
    dut = used(encoder(scale=Scale.from_step(0.1, 5), scale_bits=16))
    assert dut.config.scale_bits == 5


def test_numpy_integers_are_integers():
    dut = used(encoder(lanes=np.int64(2), scale_bits=np.uint8(8), counter_width=np.int16(3)))
    config = dut.config
    assert {type(config.lanes), type(config.counter_width), type(config.scale_bits)} == {int}


@pytest.mark.every(9)
@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"format": "se8"}, TypeError, "Format must be a SegmentedFormat, not 'se8'"),
        ({"format": None}, TypeError, "Format must be a SegmentedFormat, not None"),
        ({"input": "fp32"}, TypeError, "Input must be an InputType, not 'fp32'"),
        ({"input": None}, TypeError, "Input must be an InputType, not None"),
        ({"scale": 0.1}, TypeError, "Scale must be a Scale or None, not 0.1"),
        ({"scale": "runtime"}, TypeError, "Scale must be a Scale or None, not 'runtime'"),
        ({"scale_bits": 0}, InputError, "Scale bits must be from 1 to 20, not 0"),
        ({"scale_bits": 21}, InputError, "Scale bits must be from 1 to 20, not 21"),
        ({"scale_bits": "8"}, TypeError, "'str' object cannot be interpreted as an integer"),
        ({"lanes": 0}, InputError, "Lanes must be from 1 to 1024, not 0"),
        ({"lanes": -3}, InputError, "Lanes must be from 1 to 1024, not -3"),
        ({"lanes": 1025}, InputError, "Lanes must be from 1 to 1024, not 1025"),
        ({"lanes": 2.0}, TypeError, "'float' object cannot be interpreted as an integer"),
        ({"lanes": None}, TypeError, "'NoneType' object cannot be interpreted as an integer"),
        ({"counter_width": -1}, InputError, "Counter width must be from 0 (no counter) to 64, not -1"),
        ({"counter_width": 65}, InputError, "Counter width must be from 0 (no counter) to 64, not 65"),
        ({"counter_width": 8.0}, TypeError, "'float' object cannot be interpreted as an integer"),
    ],
)
def test_refused(parameters, error, text):
    good = {"format": make("se8"), "input": input_type("fp16"), "scale": None}
    refused(error, text, lambda: Encoder(EncoderConfig(**good | parameters)))


def test_parameters_are_named():
    refused(TypeError, "positional argument", lambda: Encoder(EncoderConfig(make("se8"), input_type("fp16"), None)))
