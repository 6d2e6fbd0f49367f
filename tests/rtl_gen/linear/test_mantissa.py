"""Mantissas and shifts of every code, as numbers and from the hardware."""

from dataclasses import replace

import pytest

from qse_hw.rtl_gen.linear.mantissa import Mantissa, split
from tests.rtl_gen.bench import simulate
from tests.rtl_gen.formats import ALL, make, random_format

BITS = (1, 8, 17)


def axis(format, code):
    return format.decoded.get(code, 0) + format.zero_point


def check(format, bits, parts=None):
    """Every code, one per cycle: after the latency, mantissa and shift give the code's value."""
    parts = parts or split(format, bits)
    dut = Mantissa(format=format, split=parts)
    seen = []

    async def process(ctx, rst):
        for code in range((1 << format.bits) + parts.latency):
            ctx.set(dut.code, code % (1 << format.bits))
            if code >= parts.latency:
                seen.append((ctx.get(dut.mantissa), ctx.get(dut.above)))
            await ctx.tick()

    simulate(dut, process)
    limit = 1 << (parts.width - 1)
    for code, (mantissa, above) in enumerate(seen):
        rank = parts.shifts[above.bit_count()]
        assert above + 1 & above == 0, "a thermometer"
        assert mantissa << rank == axis(format, code), f"code {code} of {format}, {bits} bits"
        assert -limit <= mantissa < limit
    if format.kind != "twos-complement":
        assert max(abs(mantissa) for mantissa, _ in seen).bit_length() + 1 == parts.width, "no bit too many"


@pytest.mark.every(9)
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", ALL)
def test_every_code(name, bits):
    check(make(name), bits)


@pytest.mark.parametrize("part", [*range(6), *(pytest.param(n, marks=pytest.mark.full) for n in range(6, 200))])
def test_every_code_of_random_formats(part, rng):
    check(random_format(rng), BITS[part % 3])


@pytest.mark.parametrize(
    ("name", "bits", "shifts", "width"),
    [
        ("se8", 8, (0, 2), 9),  # the coarse segment shares the standard one's shift
        ("se8", 1, (0, 2, 4), 8),
        ("se8", 17, (0,), 11),
        ("se8:L=5", 8, (0, 2), 9),  # where the coarse segment begins is no multiple of its step
        ("se8-silu", 8, (0, 1, 3), 9),
        ("se9-paper", 8, (0, 2), 10),
        ("int8", 8, (0,), 8),
        ("int8-asym", 8, (0,), 9),
    ],
)
def test_shifts(name, bits, shifts, width):
    result = split(make(name), bits)
    assert (result.shifts, result.width) == (shifts, width)


def test_a_wrong_constant_is_noticed():
    parts = split(make("se8"), 8)
    wrong = (*parts.parts[:-1], replace(parts.parts[-1], offset=parts.parts[-1].offset + 1))
    with pytest.raises(AssertionError, match=r"code \d+ of"):
        check(make("se8"), 8, replace(parts, parts=wrong))
