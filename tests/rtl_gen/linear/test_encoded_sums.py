"""Sums of a matrix-vector engine to codes: an encoder of int32 with M and k of every row is the integer model."""

from collections import Counter

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import quantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.models.integer.products import MIN_SHIFT
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from tests.rtl_gen.bench import at_random, stream
from tests.rtl_gen.formats import make
from tests.rtl_gen.linear.test_requantize import sums_and_scales


@pytest.mark.every(4)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("name", ["se8", "int8", "se8-silu", "se9-paper"])
def test_equals_the_integer_model(name, target, rng):
    format, type = make(name), input_type("s32")
    sums, M, k = sums_and_scales(rng, 600, least_k=MIN_SHIFT, reach=9)
    dut = Encoder(EncoderConfig(format=format, input=type, scale=None, counter_width=0, target=target))
    ports = [{"scale_m": m, "scale_k": shift} for m, shift in zip(M, k, strict=True)]
    seen = stream(dut, [a % (1 << 32) for a in sums], ports=ports, i_pause=at_random(5), o_pause=at_random(6))
    rows, counted = list(zip(sums, M, k, strict=True)), Counter()
    model = ScalarArithmetic(3, counted)
    values = [model.position("t", a * m, shift, format) for a, m, shift in rows]
    assert decode_table(format)[0][seen.payloads].tolist() == values
    flags = [flag["saturated"] for flag in seen.flags]
    assert sum(flags) == counted[3, "t"] > 50
    exact = [quantize(a % (1 << 32), type, format, Scale(M=m, k=shift)) for a, m, shift in rows]
    assert list(zip(seen.payloads, flags, strict=True)) == [(one.code, one.saturated) for one in exact]
    assert len(set(seen.payloads)) > (1 << format.bits) / 3
