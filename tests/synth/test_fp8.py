"""The cast, through its emitted Verilog: every pattern of 16-bit inputs, beside ml_dtypes."""

import re
from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.exhaust.bulk import Bulk
from qse_hw.synth.fp8 import CastConfig


@pytest.mark.full
@pytest.mark.parametrize(
    "input", ["bf16", pytest.param("fp16", marks=pytest.mark.full), pytest.param("fp32", marks=pytest.mark.full)]
)
def test_every_pattern(input, tmp_path):
    config = CastConfig(input=input_type(input), lanes=2)
    encoder = EncoderConfig(
        format=load_format("int8"), input=config.input, lanes=2, scale=Scale.from_step(1), counter_width=0
    )
    cast = emit(config)
    # the encoder's ports, one of them unused
    text = re.sub(r"module qse_cast\((.*?)\);", r"module qse_cast(clear, \1); input clear;", cast.text)
    dut = Bulk(encoder, tmp_path, build=lambda _: replace(cast, text=text))
    vectors = config.vectors()
    # the NaN of a negative pattern keeps its sign, in ml_dtypes as here
    np.testing.assert_array_equal(dut(vectors["input_bits"]).outputs, vectors["codes"])
    assert {0x00, 0x01, 0x08, 0x7E, 0x7F, 0x80, 0xFE} <= set(vectors["codes"].tolist())


def test_values_written_down():
    """Of the OCP specification's table: largest 448, smallest normal 2**-6, smallest subnormal 2**-9; ties to even."""
    vectors = CastConfig(input=input_type("bf16")).vectors()
    patterns = np.array([448, 2**-6, 2**-9, 2**-10, 3 * 2**-10, 17, 19, 1e9], np.float32).view(np.uint32) >> 16
    assert vectors["codes"][patterns].tolist() == [0x7E, 0x08, 0x01, 0x00, 0x02, 0x58, 0x5A, 0x7E]


def test_only_floats_are_cast():
    with pytest.raises(InputError, match="Input of a cast to fp8-e4m3 must be fp32, fp16 or bf16, not 's16'"):
        CastConfig(input=input_type("s16")).component()
    assert CastConfig(input=input_type("fp16"), lanes=3).label == "cast fp8-e4m3 fp16 x3"
