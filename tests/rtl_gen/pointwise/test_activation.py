"""The activation, in Amaranth's simulator, against the scalar model; every 16-bit value through the Verilog."""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scalar import dequantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.activation import activate_scalar
from qse_hw.rtl_gen.pointwise.activation import Activation
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.decoder import value_width
from qse_hw.sim.exhaust.bulk import Bulk
from tests.rtl_gen.bench import at_random, join, refused, split, stream, used
from tests.rtl_gen.formats import make
from tests.rtl_gen.pointwise.small import SMALL


def word_of(x, unit, scale):
    """The result of one value, and whether it saturated."""
    one = activate_scalar(x, unit.silu.arithmetic, scale, unit.format)
    value = dequantize(one.code, unit.format) & ((1 << value_width(unit.format)) - 1)
    return one.code | value << unit.format.bits, one.saturated


@pytest.mark.every(4)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("name", ["se8", "se8-silu", "int8-asym"])
def test_every_value(name, target, rng):
    """Each 8-bit value, with a scale of its own, with stalls."""
    unit = ActivationConfig(format=make(name), lanes=2, target=target, **SMALL)
    values = rng.permutation(np.arange(-128, 128)).reshape(-1, 2).tolist()
    scales = [Scale.from_step(float(unit.default_scale().step) * 2.0**power) for power in rng.uniform(-3, 3, 128)]
    run = stream(
        used(unit.component()),
        [join(beat, 8) for beat in values],
        ports=[{"scale_m": scale.M, "scale_k": scale.k} for scale in scales],
        i_pause=at_random(21),
        o_pause=at_random(22),
    )
    bits = unit.format.bits + value_width(unit.format)
    for beat, scale, payload, flags in zip(values, scales, run.payloads, run.flags, strict=True):
        want = [word_of(x, unit, scale) for x in beat]
        assert split(payload, bits, 2) == [word for word, _ in want]
        assert flags["saturated"] == any(saturated for _, saturated in want)


@pytest.mark.full
def test_every_16_bit_value_through_the_verilog(tmp_path):
    """With the integer model's SiLU, at five scales."""
    unit = ActivationConfig(format=make("se8"), target="ecp5")
    dut = Bulk(unit, tmp_path)
    patterns = np.arange(1 << 16, dtype=np.uint32)
    x = patterns.astype(np.int64) - (patterns.astype(np.int64) >> 15 << 16)
    for step in (0.7, 18.0, 333.3, 1024.0, 70000.0):
        scale = Scale.from_step(step)
        got, (words, saturated) = dut(patterns, scale), unit.expected(x, scale)
        np.testing.assert_array_equal(got.outputs, words)
        np.testing.assert_array_equal(got.flags["saturated"], saturated)


def test_ports():
    dut = used(Activation(ActivationConfig(format=make("se8"), lanes=3, scale_bits=12, **SMALL)))
    assert sorted(dut.signature.members) == ["clear", "i", "o", "saturated", "scale_k", "scale_m"]
    width = 8 + value_width(make("se8"))
    assert (len(dut.i.payload.as_value()), len(dut.o.payload.as_value()), len(dut.scale_m)) == (24, 3 * width, 12)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"scale_bits": 21}, "Scale bits must be from 1 to 20, not 21"),
        ({"scale_bits": 19, "target": "ecp5"}, "Scale bits must be at most 18 for target ecp5"),
        ({"target": "asic"}, "Target must be one of generic, ecp5, not 'asic'"),
    ],
)
def test_refused(change, text):
    refused(InputError, text, lambda: Activation(ActivationConfig(**{"format": make("se8"), **SMALL} | change)))
