"""One lane: code and flags of every single value, and the latency."""

import pytest
from amaranth.hdl import Elaboratable, Module

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import quantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.lane import K_SHAPE, Lane, lane_latency
from qse_hw.rtl_gen.lane.parallel import ParallelLane, parallel_latency
from qse_hw.rtl_gen.lane.window import K_MAX, K_MIN
from tests.rtl_gen.bench import into_beats, simulate
from tests.rtl_gen.formats import (
    INPUTS,
    SHIPPED,
    make,
    patterns,
    random_format,
    random_scale,
    scale_for,
    special_patterns,
)

PARALLEL = 8  # lanes side by side: the simulator is faster at many values in few cycles


class Lanes(Elaboratable):
    """Independent lanes, each with its own scale if that is set at run time."""

    def __init__(self, arch=Lane, **parameters):
        geometry = Geometry(**parameters)
        self.latency = lane_latency(geometry) if arch is Lane else parallel_latency(geometry)
        self.lanes = [arch(geometry) for _ in range(PARALLEL)]

    def elaborate(self, platform):
        m = Module()
        m.submodules += self.lanes
        return m


def check_lanes(format, input, bits, *, scale, scale_bits, rng=None, **how):
    """Every value has its code and flags; without a constant ``scale`` each value has a random one."""
    top = Lanes(format=format, input=input, scale=scale, scale_bits=scale_bits, **how)
    beats = into_beats(bits, PARALLEL)
    scales = [[scale or random_scale(rng, scale_bits) for _ in beat] for beat in beats]
    latency = top.latency

    async def process(ctx, rst):
        for cycle in range(len(beats) + latency):
            if cycle < len(beats):
                for lane, x, own in zip(top.lanes, beats[cycle], scales[cycle], strict=True):
                    ctx.set(lane.x, x)
                    if scale is None:
                        ctx.set(lane.scale_m, own.M)
                        ctx.set(lane.scale_k, own.k)
            if cycle >= latency:
                begun = cycle - latency
                for lane, x, own in zip(top.lanes, beats[begun], scales[begun], strict=True):
                    got = (ctx.get(lane.code), ctx.get(lane.saturated), ctx.get(lane.nan))
                    assert got == quantize(x, input, format, own), f"{x:#x} {input.name} {own} {format}"
            await ctx.tick()

    simulate(top, process)


@pytest.mark.every(12)
@pytest.mark.parametrize("runtime", [False, True])
@pytest.mark.parametrize(("name", "input_name"), [*zip(SHIPPED, INPUTS, strict=False), ("se8", "s32e-20")])
def test_every_value(name, input_name, runtime, rng):
    format, input, bits = make(name), input_type(input_name), 8 if runtime else 16
    scale = scale_for(input, bits)
    values = rng.permutation(patterns(format, input, scale, rng))[:2000]
    check_lanes(format, input, values, scale=None if runtime else scale, scale_bits=bits, rng=rng)


HOW = [
    pytest.param({"target": target, "pipeline": pipeline, "arch": arch}, id=f"{target}-{pipeline}-{arch.__name__}")
    for target, pipeline, arch in (
        ("ecp5", None, Lane), ("ecp5", 0, Lane), ("ecp5", 3, Lane), ("generic", 0, Lane), ("generic", 4, Lane),
        ("generic", None, ParallelLane), ("ecp5", None, ParallelLane), ("ecp5", 0, ParallelLane),
    )
]  # fmt: skip


CASES = [
    *zip(SHIPPED, INPUTS, strict=False),
    ("se8", "bf16"), ("se8-silu", "bf16"), ("int8", "bf16"), ("se9-paper", "bf16"), ("se8", "s32e-20"),
    ("se8-silu", "s16"), ("int8", "s16"),
]  # fmt: skip
half = pytest.mark.full(2)


@pytest.mark.every(18)
@pytest.mark.parametrize(
    ("name", "input_name", "how"),
    # every case and every implementation, not all pairs of them but with --full
    [
        pytest.param(*case, *how.values, id=f"{'-'.join(case)}-{how.id}", marks=[] if (n - h) % 4 == 0 else half)
        for n, case in enumerate(CASES)
        for h, how in enumerate(HOW)
    ],
)
def test_every_implementation(name, input_name, how, rng, request):
    format, input = make(name), input_type(input_name)
    bits = int(rng.choice([1, 8, 16]))
    scale = scale_for(input, bits)
    values = rng.permutation(patterns(format, input, scale, rng))[: 3000 if request.config.getoption("--full") else 240]
    check_lanes(format, input, values, scale=scale, scale_bits=bits, **how)


@pytest.mark.every(16)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("part", range(8))
def test_random_formats_implemented_at_random(part, target, rng):
    format = random_format(rng)
    input = input_type(str(rng.choice([*INPUTS, "s2", "s11e-64", "s32e64"])))
    bits = int(rng.integers(1, 19))
    scale = random_scale(rng, bits) if rng.integers(4) == 0 else scale_for(input, int(rng.choice([1, 8, 16])))
    how = {"target": target, "arch": Lane if part % 2 else ParallelLane, "pipeline": [None, 0, 2][part % 3]}
    check_lanes(format, input, patterns(format, input, scale, rng)[:400], scale=scale, scale_bits=scale.bits, **how)


@pytest.mark.full
@pytest.mark.every(4)
@pytest.mark.parametrize(("name", "bits"), [("int8", 8), ("int8-asym", 1), ("se8", 1), ("se8-silu", 12)])
def test_steps_at_which_no_finite_half_saturates(name, bits, rng):
    """Infinities saturate and NaN gives 0, even if no finite value saturates: the exponent alone does not decide."""
    format, input = make(name), input_type("fp16")
    for step in (64.0, 200.0, 400.0, 800.0, 2.0**20):
        scale = Scale.from_step(step, bits)
        values = [*special_patterns(input), *patterns(format, input, scale, rng)[:60]]
        check_lanes(format, input, values, scale=scale, scale_bits=bits, target="ecp5")


@pytest.mark.every(6)
@pytest.mark.parametrize("part", range(6))
def test_random_formats_each_value_with_its_own_scale(part, rng):
    format = random_format(rng)
    input = input_type(str(rng.choice([*INPUTS, "s2", "s11e-64", "s32e64"])))
    bits = int(rng.integers(1, 21))
    values = [patterns(format, input, random_scale(rng, bits), rng, 20)[:20] for _ in range(12)]
    check_lanes(
        format, input, [int(value) for part in values for value in part], scale=None, scale_bits=bits, rng=rng
    )


@pytest.mark.full(2)
@pytest.mark.parametrize("part", range(200))
def test_very_many_random_formats(part, rng):
    format = random_format(rng)
    input = input_type(str(rng.choice([*INPUTS, "s2", "s11e-64", "s32e64", f"s{rng.integers(2, 33)}"])))
    bits = int(rng.integers(1, 21))
    runtime = bool(rng.integers(2))
    scale = random_scale(rng, bits) if rng.integers(3) == 0 else scale_for(input, bits)
    values = patterns(format, input, scale, rng)[:4000]
    check_lanes(format, input, values, scale=None if runtime else scale, scale_bits=bits, rng=rng)


def special_format(kind, codes, zero_point=0):
    """``codes[0]`` codes with an exact end, then ``codes[1]``; or one segment."""
    segments = tuple(
        Segment(codes=count, log2_step=number, first_code=sum(codes[:number]), exact_end=number + 1 < len(codes))
        for number, count in enumerate(codes)
    )
    return SegmentedFormat(name="special", bits=4, kind=kind, segments=segments, zero_point=zero_point)


@pytest.mark.every(9)
@pytest.mark.parametrize("runtime", [False, True])
@pytest.mark.parametrize("input_name", ["fp16", "fp32", "s16"])
@pytest.mark.parametrize(
    "format",
    [
        pytest.param(special_format("offset", (3, 4), zero_point=2), id="zero is a segment's exact end"),  # NaN is 0
        pytest.param(special_format("offset", (1,)), id="zero is all there is"),
        pytest.param(special_format("sign-magnitude", (1,)), id="zero is all there is, signed"),  # -0 is 0
        pytest.param(special_format("sign-magnitude", (2,)), id="one value and its negative"),
    ],
)
def test_formats_at_the_edge(format, input_name, runtime, rng):
    input = input_type(input_name)
    scale = scale_for(input, 16)
    values = patterns(format, input, scale, rng, 400)
    check_lanes(format, input, values, scale=None if runtime else scale, scale_bits=16, rng=rng)


def test_a_wrong_lane_would_be_noticed(rng):
    format, input, scale = make("se8"), input_type("fp16"), scale_for(input_type("fp16"), 16)
    other = scale_for(input, 8)  # 0.0203 for 0.0176
    check_lanes(format, input, patterns(format, input, scale, rng)[:1000], scale=scale, scale_bits=16)
    top = Lanes(format=format, input=input, scale=other, scale_bits=8)
    wrong = []

    async def process(ctx, rst):
        for beat in into_beats(patterns(format, input, scale, rng)[:1600], PARALLEL):
            for lane, x in zip(top.lanes, beat, strict=True):
                ctx.set(lane.x, x)
            await ctx.tick().repeat(top.latency)
            wrong.extend(
                ctx.get(lane.code) != quantize(x, input, format, scale).code
                for lane, x in zip(top.lanes, beat, strict=True)
            )

    simulate(top, process)
    assert sum(wrong) > 100


def test_k_has_room():
    assert (K_SHAPE.signed, K_SHAPE.width) == (True, 9)
    assert -(1 << (K_SHAPE.width - 1)) <= K_MIN <= K_MAX < 1 << (K_SHAPE.width - 1)
