"""Run-time parameters: legal are those that golden's classes accept, and the constants equal golden's."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import MAX_REACH, Segment
from qse_hw.rtl_gen.lane.format_family import FormatFamily
from qse_hw.rtl_gen.quantizer.apply_parameters import ApplyParameters
from qse_hw.rtl_gen.quantizer.parameter_rules import format_of, least_count, parameters_of, refusal
from qse_hw.rtl_gen.quantizer.registers import REFUSALS, quantizer_registers
from tests.rtl_gen.bench import refused, simulate, used
from tests.rtl_gen.families import member
from tests.rtl_gen.formats import make, random_format, random_scale

NAMES = tuple(REFUSALS)


def unit(format, bits=16):
    scale = Scale.from_step(0.0176, bits)
    registers = quantizer_registers(format=format, input=input_type("bf16"), scale=scale, lanes=1)
    return ApplyParameters(format=format, scale=scale, registers=registers)


def widths(dut):
    return {name: field.width for name, field in dut.parameters.shape()}


def legal_in_golden(family, bits, parameters):
    """Whether golden's classes, whose rules are written independently, accept the parameters."""
    try:
        Scale(M=parameters["scale_m"], k=parameters["scale_k"], bits=bits)
        format = format_of(family, parameters)
    except InputError:
        return False
    return sum(segment.codes for segment in format.segments) >= family.least_codes


def disturbed(rng, parameters, dut):
    """One or two parameters changed, by a little or to any value that the register holds."""
    changed = dict(parameters)
    for _ in range(int(rng.integers(0, 3))):
        name = str(rng.choice([name for name in changed if name != "mode"]))
        width = widths(dut)[name]
        value = changed[name] + int(rng.integers(-2, 3)) if rng.integers(2) else int(rng.integers(1 << width))
        if name == "scale_k":
            value = int(rng.choice([value % 256 - 128, dut.scale_k.shape().width + int(rng.integers(-120, -96)),
                                    16 + int(rng.integers(96, 104))]))  # fmt: skip
        low = -(1 << (width - 1)) if name == "scale_k" else 0
        changed[name] = min(max(value, low), low + (1 << width) - 1)
    return changed


def walk(dut, tries):
    """For each try: the result of the check equals the rules', and after a load the constants equal golden's."""
    results = []

    async def process(ctx, rst):
        async def go(port):
            ctx.set(port, 1)
            await ctx.tick()
            ctx.set(port, 0)
            cycles = 0
            while not ctx.get(dut.done):
                await ctx.tick()
                cycles += 1
            assert cycles == 4 * dut.steps + 1

        def effective():
            return {"scale_m": ctx.get(dut.scale_m), "scale_k": ctx.get(dut.scale_k), "bypass": ctx.get(dut.bypass)} | {
                name: ctx.get(dut.regions[name]) for name, _ in dut.family.layout
            }

        results.append(effective())
        for parameters in tries:
            for name, value in parameters.items():
                ctx.set(dut.parameters[name], value)
            before = effective()
            await go(dut.check)
            problem = NAMES[ctx.get(dut.refused)]
            assert effective() == before
            if problem == "NONE":
                await go(dut.load)
            results.append((problem, effective()))

    simulate(dut, process)
    return results


def check(dut, bits, tries):
    first, *results = walk(dut, tries)
    last = first
    for parameters, (problem, effective) in zip(tries, results, strict=True):
        want = refusal(dut.family, bits, parameters)
        assert problem == want, parameters
        if want == "NONE":
            format = format_of(dut.family, parameters)
            last = {name: parameters[name] for name in ("scale_m", "scale_k")} | {"bypass": parameters["mode"]}
            last |= dut.family.constants(format)
        assert effective == last, parameters
    return {problem for problem, _ in results}


@pytest.mark.every(4)
@pytest.mark.parametrize("part", [*range(6), *(pytest.param(n, marks=pytest.mark.full) for n in range(6, 60))])
def test_random_parameters(part, rng):
    if part < 3:
        format = make(["se8", "se8-silu", "int8-asym"][part])
    else:
        format = random_format(rng)
        while format.kind == "twos-complement" or sum(s.codes for s in format.segments) < 2:
            format = random_format(rng)
        format = replace(format, segments=tuple(replace(s, exact_end=False) for s in format.segments))
    bits = int(rng.integers(1, 21))
    dut = unit(format, bits)
    family = dut.family
    tries = []
    for _ in range(120):
        scale = random_scale(rng, bits)
        legal = parameters_of(member(rng, family), scale, bypass=bool(rng.integers(2)))
        tries.append(disturbed(rng, legal, dut))
    for parameters in tries:
        assert (refusal(family, bits, parameters) == "NONE") == legal_in_golden(family, bits, parameters), parameters
    refusals = check(dut, bits, tries)
    assert {"NONE", "SCALE_K"} <= refusals


def test_every_rule_at_its_edge():
    """For each rule the last legal value and the first illegal one."""
    format = make("se8-silu")
    good = parameters_of(format, Scale(M=40000, k=9))
    cases = {
        "SCALE_M": ({"scale_m": 32768}, {"scale_m": 32767}),
        "SCALE_K": ({"scale_k": 115}, {"scale_k": 116}),
        "OVERLAP": ({"segment2_first": 168}, {"segment2_first": 167}),
        "NO_CODES": ({"segment2_count": 1}, {"segment2_count": 0}),
        "FIELD": ({"segment2_count": 88}, {"segment2_count": 89}),
        "ZERO_POINT": ({"zero_point": 39}, {"zero_point": 40}),
    }
    dut = unit(format)
    tries = [good | change for pair in cases.values() for change in pair]
    tries += [good | {"scale_k": k} for k in (-84, -85, -86)] + [good | {"scale_m": 32768, "scale_k": -85}]
    results = [problem for problem, _ in walk(dut, tries)[1:]]
    assert results == [*(name for pair in cases for name in ("NONE", pair)), "NONE", "SCALE_K", "SCALE_K", "NONE"]
    check(unit(format), 16, tries)


def test_the_reach_at_its_edge():
    segments = (Segment(codes=1, log2_step=-8, first_code=0), Segment(codes=1, log2_step=2, first_code=1))
    format = replace(make("int8-asym"), bits=8, segments=segments, zero_point=0)
    good = parameters_of(format, Scale(M=40000, k=9))
    at = MAX_REACH // 1024 - 1
    tries = [good | {"segment0_count": c, "segment1_first": 128, "segment1_count": n}
             for c, n in ((1, at), (1, at + 1), (1, 128), (256, 1))]  # fmt: skip
    assert check(unit(format), 16, tries) == {"NONE", "REACH", "OVERLAP"}


def test_a_sign_needs_two_codes():
    segments = (Segment(codes=100, log2_step=0, first_code=3),)
    format = replace(make("se8"), segments=segments)
    good = parameters_of(format, Scale(M=40000, k=9))
    assert least_count(FormatFamily.of(format)) == 2
    assert check(unit(format), 16, [good | {"segment0_count": n} for n in (2, 1, 0)]) == {"NONE", "NO_CODES"}


def test_refused_formats():
    refused(InputError, "Format set at run time must round at the borders", lambda: unit(make("se9-paper")))
    used(unit(make("se8")))


def test_parameters_and_formats_are_inverse(rng):
    for name in ("se8", "se8-silu", "int8-asym"):
        family = FormatFamily.of(make(name))
        format = member(rng, family)
        parameters = parameters_of(format, Scale.from_step(0.1))
        assert replace(format_of(family, parameters), name=format.name) == format
        assert set(parameters) == set(widths(used(unit(make(name)))))
    assert np.isscalar(parameters["scale_m"])
