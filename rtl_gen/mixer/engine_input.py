# amaranth: UnusedElaboratable=no
"""The operands of all products, on the way to the engine's buffers."""

from collections.abc import Mapping
from typing import NamedTuple

from amaranth.hdl import Const, Module, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice, sliced
from qse_hw.rtl_gen.logic.streams import forward
from qse_hw.rtl_gen.mixer.operand import Operand


class Codes(NamedTuple):
    """An operand: its codes' format, values of a vector, codes per beat."""

    format: SegmentedFormat
    size: int
    lanes: int


class EngineInput(wiring.Component):
    """Decodes the operands and gives their beats to one engine, those of the first operand first.

    Only one operand comes at a time, because each is computed from the one before it; so no beat that waits is
    overtaken.

    Register slices before the decoders and before the engine, so that whether the engine has room decides nothing in
    the same cycle anywhere else.

    Latency: that of :class:`qse_hw.rtl_gen.mixer.operand.Operand`, and 2 cycles. Throughput: a beat per cycle.

    Parameters:
        operands: by name, in the order of their buffers.
        columns, width: values of an engine's beat, and their bits.
        target: see :class:`qse_hw.rtl_gen.decoder.Decoder`.

    Members:
        the operands' names: streams of codes.
        o: stream of beats: ``values``, ``vector``, the number of the buffer, ``last``: the beat ends a vector.
    """

    def __init__(self, operands: Mapping[str, Codes], *, columns: int, width: int, target: str) -> None:
        self._operands = {
            name: Operand(
                codes.format, size=codes.size, lanes=codes.lanes, columns=columns, width=width, target=target
            )
            for name, codes in operands.items()
        }
        beat = data.StructLayout(
            {
                "values": data.ArrayLayout(signed(width), columns),
                "vector": unsigned(max(1, (len(operands) - 1).bit_length())),
                "last": unsigned(1),
            }
        )
        streams = {name: In(stream.Signature(operand.i.payload.shape())) for name, operand in self._operands.items()}
        super().__init__({**streams, "o": Out(stream.Signature(beat))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.leaving = leaving = RegisterSlice(self.o.payload.shape())
        o = leaving.i.payload
        before: Value = Const(0, 1)  # an operand with a lower number has a beat
        for number, (name, operand) in enumerate(self._operands.items()):
            m.submodules[name] = operand
            forward(m, sliced(m, getattr(self, name), f"{name}_arrived"), operand.i)
            chosen = Signal(name=f"{name}_chosen")
            m.d.comb += [chosen.eq(operand.o.valid & ~before), operand.o.ready.eq(leaving.i.ready & chosen)]
            with m.If(chosen):
                m.d.comb += [
                    o.values.eq(operand.o.payload.values), o.vector.eq(number), o.last.eq(operand.o.payload.last),
                ]  # fmt: skip
            before = before | operand.o.valid
        m.d.comb += leaving.i.valid.eq(before)
        forward(m, leaving.o, self.o)
        return m
