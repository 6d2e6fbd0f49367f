# amaranth: UnusedElaboratable=no
"""A baseline: a cast of floating-point values to FP8 E4M3 without a scale, with the encoder's stream interface.

Format and rounding: OCP 8-bit Floating Point Specification, revision 1.0: E4M3 has bias 7, subnormals, a largest value
of 448 (0x7E) and one NaN per sign (0x7F); to nearest, ties to even; saturating.
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Cat, Const, EnableInserter, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.reference.vectors import from_patterns
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import INPUT, LANES

NAME = "fp8-e4m3"
BIAS, FRACTION, LARGEST, NAN = 7, 3, 0x7E, 0x7F


@dataclass(frozen=True, kw_only=True)
class CastConfig(UnitConfig):
    """See :class:`Cast`; the input is a floating-point type."""

    unit: ClassVar[str] = "cast"
    summary: ClassVar[str] = "a cast to FP8"

    input: InputType = option(INPUT)
    lanes: int = option(LANES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.input.is_float:
            raise InputError(f"Input of a cast to {NAME} must be fp32, fp16 or bf16, not {self.input.name!r}")

    @property
    def label(self) -> str:
        return " ".join([self.unit, NAME, self.input.name, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Cast":
        return Cast(self)

    def parameters(self) -> dict[str, Any]:
        return {"unit": self.unit, "format": {"name": NAME}} | super().parameters()

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Every pattern of a 16-bit input, or a random million of a wider one, and its code by ml_dtypes."""
        from ml_dtypes import float8_e4m3fn

        width = self.input.width
        if width <= 16:
            bits = np.arange(1 << width, dtype=np.uint32)
        else:
            bits = np.random.default_rng(0).integers(0, 1 << width, 1 << 20, dtype=np.uint32)
        with np.errstate(over="ignore", invalid="ignore"):
            x = from_patterns(bits, self.input).astype(np.float32)
            codes = np.clip(x, -448, 448).astype(float8_e4m3fn).view(np.uint8)
        return {"input_bits": bits, "codes": codes}


class Cast(wiring.Component):
    """Casts ``lanes`` floating-point values per beat to FP8 E4M3.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle; stalls as a whole.

    Parameters:
        config: what to build.

    Members:
        i: stream of ``lanes`` bit patterns, lane 0 in the low bits.
        o: stream of ``lanes`` FP8 codes.
    """

    latency = 3

    def __init__(self, config: CastConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(unsigned(config.input.width), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(unsigned(8), config.lanes))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, o_valid = stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)
        lanes = []
        for number in range(self.config.lanes):
            lane = CastLane(input=self.config.input)
            m.submodules[f"lane{number}"] = EnableInserter(advance)(lane)
            m.d.comb += lane.bits.eq(self.i.payload[number])
            lanes.append(lane)
        m.d.comb += [
            self.i.ready.eq(advance),
            self.o.valid.eq(o_valid),
            Value.cast(self.o.payload).eq(Cat(lane.code for lane in lanes)),
        ]
        return m


class CastLane(wiring.Component):
    """Casts one value. Latency: 3 cycles (value, aligned significand, code). Throughput: one value per cycle.

    Parameters:
        input: type of the values.

    Members:
        bits: the value's bits.
        code: its FP8 code.
    """

    def __init__(self, *, input: InputType) -> None:
        self._input = input
        super().__init__({"bits": In(input.width), "code": Out(8)})
        omit_reset(self, "code")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, top = self._input.fraction_bits, (1 << self._input.exponent_bits) - 1
        least = (top >> 1) - BIAS + 1  # the biased exponent of the smallest normal result
        bits = Signal.like(self.bits, reset_less=True)
        m.d.sync += bits.eq(self.bits)
        fraction, exponent = bits[:width], bits[width:-1]

        # The result's exponent and fraction as one number; of subnormal results the significand in units of 2**-9.
        significand = Cat(fraction, Const(1, 1))
        normal = Cat(fraction, (exponent - (least - 1))[:4])
        options = [normal] + [(significand >> shift)[: width + 4] for shift in range(1, 5)]
        lost = [Const(0, 1)] + [significand[:shift].any() for shift in range(1, 5)]
        above = exponent >= least
        chosen = [above] + [exponent == least - shift for shift in range(1, 5)]
        aligned = Signal(width + 4)
        m.d.comb += aligned.eq(_one_of(chosen, options))
        cut = width - FRACTION
        code = Signal(7, reset_less=True)
        half = Signal(reset_less=True)
        sticky = Signal(reset_less=True)
        over = Signal(reset_less=True)
        nan = Signal(reset_less=True)
        negative = Signal(reset_less=True)
        m.d.sync += [
            code.eq(aligned[cut:]),
            half.eq(aligned[cut - 1]),
            sticky.eq(aligned[: cut - 1].any() | _one_of(chosen, lost)),
            over.eq(exponent >= least + 15),
            nan.eq((exponent == top) & fraction.any()),
            negative.eq(bits[-1]),
        ]
        rounded = Signal(8)
        m.d.comb += rounded.eq(code + (half & (sticky | code[0])))
        magnitude = Mux(over | (rounded > LARGEST), LARGEST, rounded[:7])
        m.d.sync += self.code.eq(Cat(Mux(nan, NAN, magnitude)[:7], negative))
        return m


def _one_of(flags: list[Value], values: list[Value]) -> Value:
    """The value whose flag is set, else 0; at most one flag is set."""
    return reduce(or_, (value & flag.replicate(len(value)) for flag, value in zip(flags, values, strict=True)))
