"""A toy unit: one component, one dataclass. All else that a unit has is derived."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from amaranth.hdl import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.units.option_kinds import Integer, OneOf, Switch
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import INPUT


@dataclass(frozen=True, kw_only=True)
class AdderConfig(UnitConfig):
    """See :class:`Adder`."""

    unit: ClassVar[str] = "adder"
    summary: ClassVar[str] = "values plus a constant"
    lanes: ClassVar[int] = 1

    input: object = option(INPUT)
    addend_value: int = option(kind=Integer(0, 255), help="what is added", metavar="A", measure="steps")
    overflow: str = option(kind=OneOf(("wrap", "zero")), help="what becomes of a carry", metavar="O", default="wrap")
    negative: bool = option(kind=Switch(), help="subtract instead", default=False)

    @property
    def label(self):
        return f"adder {self.addend_value}"

    def component(self):
        return Adder(self)

    def vectors(self):
        return {"sum": np.array([self.addend_value])}


class Adder(wiring.Component):
    """Adds a constant to a value per beat."""

    latency = 1

    def __init__(self, config):
        self.config = config
        width = config.input.width
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform):
        m, config = Module(), self.config
        advance, o_valid = stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)
        total = self.i.payload + (-config.addend_value if config.negative else config.addend_value)
        with m.If(advance):
            m.d.sync += self.o.payload.eq(Mux(self.carries(total), 0, total))
        m.d.comb += [self.i.ready.eq(advance), self.o.valid.eq(o_valid)]
        return m

    def carries(self, total):
        return (total >> self.config.input.width).any() if self.config.overflow == "zero" else 0


CONFIG = AdderConfig
