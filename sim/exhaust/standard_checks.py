"""The checks of ``exhaust --all``.

Encoders and decoders of the shipped formats and one of five segments, with all kinds of input and architecture; a unit
of each function; an activation; time steps.
"""

from dataclasses import replace
from fractions import Fraction

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import PRESETS, format_from_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import one_of_each
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.sim.exhaust.exhaust import Check

LANES = 16  # with more lanes, compilation takes longer than simulation saves
FIVE = {  # as `calibrate --format tuned` makes them: the steps are not monotonic
    "name": "five",
    "bits": 8,
    "kind": "offset",
    "zero_point": 55,
    "segments": [
        {"codes": 82, "log2_step": -1},
        {"codes": 83, "log2_step": 0},
        {"codes": 49, "log2_step": 1},
        {"codes": 21, "log2_step": -1},
        {"codes": 21, "log2_step": 3},
    ],
}
# format, input, s, bits of the scale, architecture, target, optional registers
CONSTANTS: tuple[tuple[str, str, float, int, str, str, int | None], ...] = (
    ("se8", "bf16", 0.0147, 16, "fused", "generic", None),
    ("se8", "fp16", 0.0176, 8, "parallel", "generic", None),
    ("se8", "s16", 120.4, 16, "fused", "ecp5", None),
    ("se8", "s16", 120.4, 16, "parallel", "ecp5", None),
    ("se8-silu", "bf16", 0.0111, 16, "fused", "ecp5", None),
    ("se8-silu", "s16e-8", 0.0203, 20, "parallel", "generic", 0),
    ("se9-paper", "fp16", 0.0176, 16, "parallel", "generic", None),
    ("se9-paper", "bf16", 0.0625, 1, "fused", "generic", 0),
    ("int8", "s16", 150.0, 16, "fused", "ecp5", 0),
    ("int8-asym", "fp16", 0.031, 1, "fused", "ecp5", None),
    ("five", "bf16", 0.0101, 16, "fused", "ecp5", None),
)


def formats() -> dict[str, SegmentedFormat]:
    """The formats by name."""
    narrow = replace(load_format("int8:narrow_range=1"), name="int8-narrow")
    return {name: load_format(name) for name in PRESETS} | {"int8-narrow": narrow, "five": format_from_json(FIVE)}


def standard() -> list[Check]:
    """The checks, short ones first."""
    known = formats()
    decoders = [Check(config=DecoderConfig(format=format, lanes=LANES)) for format in known.values()]
    narrow = [
        Check(config=EncoderConfig(format=format, input=input_type(name), lanes=LANES))
        for name in ("fp16", "bf16", "s16")
        for format in known.values()
    ]
    constants = [
        Check(
            config=EncoderConfig(
                format=known[name], input=input_type(input), scale=Scale.from_step(step, bits), lanes=LANES,
                arch=arch, target=target, pipeline=pipeline,
            )
        )
        for name, input, step, bits, arch, target, pipeline in CONSTANTS
    ]  # fmt: skip
    wide = [
        Check(config=EncoderConfig(format=format, input=input_type("fp32"), lanes=LANES)) for format in known.values()
    ]
    fixed = EncoderConfig(format=known["se8"], input=input_type("s32e-20"), lanes=LANES)
    functions = [Check(config=replace(config, lanes=LANES)) for config in one_of_each()]
    activation = ActivationConfig(
        format=known["se8"], input=input_type("s12e-8"), output=input_type("s14e-9"), error=Fraction(1, 256),
        lanes=LANES,
    )  # fmt: skip
    steps = TimeStepConfig(channels=8, lanes=4, target="ecp5")  # each lane has a function unit, which compiles long
    pointwise = [Check(config=activation), Check(config=steps)]
    return [*decoders, *functions, *pointwise, *narrow, *constants, *wide, Check(config=fixed)]
