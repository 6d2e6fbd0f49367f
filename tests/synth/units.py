"""Units for the tests of synthesis, small ones first."""

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig


def encoder(format="se8", input="s16", **kwargs):
    kwargs = {"scale": Scale.from_step(100.5), "counter_width": 0} | kwargs
    return emit(EncoderConfig(format=load_format(format), input=input_type(input), **kwargs))


SMALL = encoder("int8", "s8", scale=Scale.from_step(0.4, 8))
