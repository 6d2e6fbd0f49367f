"""Stimuli and expected outputs as integers on streams."""

import numpy as np
import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.beats import join_lanes, stream
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from tests.rtl_gen.bench import join, split
from tests.rtl_gen.formats import make


@pytest.mark.parametrize("width", [1, 7, 8, 9, 31, 32, 33, 63])
@pytest.mark.parametrize("lanes", [1, 2, 5, 64])
def test_lane_0_in_the_low_bits(width, lanes, rng):
    values = rng.integers(-(1 << (width - 1)), 1 << width, 3 * lanes)
    got = join_lanes(values, width, lanes)
    assert got == [join(beat, width) for beat in values.reshape(3, lanes).tolist()]
    assert all(type(beat) is int for beat in got)


def test_no_beats():
    assert join_lanes(np.zeros(0, np.uint16), 9, 4) == []


def test_a_streams_ports():
    weights = stream("weights", [1, 2])
    assert weights.payload == ("weights__payload",)
    assert (weights.valid, weights.ready) == ("weights__valid", "weights__ready")


def values(stream, width, lanes):
    return [value for beat in stream.beats for value in split(beat, width, lanes)]


@pytest.mark.parametrize("scale", [Scale.from_step(0.02), None], ids=["constant", "runtime"])
@pytest.mark.parametrize("counter_width", [0, 3, 32])
def test_an_encoders(scale, counter_width):
    config = EncoderConfig(
        format=make("se9-paper"), input=input_type("bf16"), scale=scale, lanes=3, counter_width=counter_width
    )
    arrays, beats = config.vectors(), config.beats()
    assert values(beats.inputs, 16, 3) == arrays["input_bits"].tolist()
    assert values(beats.outputs, 9, 3) == arrays["codes"].tolist()
    assert beats.ports == ({} if scale else {"scale_m": arrays["scale_m"], "scale_k": arrays["scale_k"]})
    saturated = int(arrays["saturated"].sum())
    assert saturated > 7
    count = {0: {}, 3: {"saturation_count": 7}, 32: {"saturation_count": saturated}}[counter_width]
    assert beats.status == {"saturated": 1, "nan": 1} | count


@pytest.mark.parametrize(("name", "invalid"), [("se8", 0), ("sticky-offset", 1)])
def test_a_decoders(name, invalid):
    config = DecoderConfig(format=make(name), lanes=2)
    arrays, beats = config.vectors(), config.beats()
    assert values(beats.inputs, config.format.bits, 2) == arrays["codes"].tolist()
    assert len(beats.outputs.beats) == len(beats.inputs.beats)
    assert bool(arrays["invalid"].any()) == bool(invalid)
    assert beats.status == {"invalid": invalid}
