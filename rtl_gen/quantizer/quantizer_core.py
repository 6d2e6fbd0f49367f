"""The lanes of the quantizer, and the delay line beside them: kept lanes, the packet's end, bypassed values."""

from amaranth.hdl import EnableInserter, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.lane import Lane, lane_latency
from qse_hw.rtl_gen.logic.delay import Delay
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.quantizer.registers import K_WIDTH


def beat_layout(width: int, lanes: int) -> data.StructLayout:
    """A beat: ``values``, which of them count (``keep``), whether the beat is the packet's ``last``."""
    return data.StructLayout({"values": data.ArrayLayout(unsigned(width), lanes), "keep": lanes, "last": 1})


class QuantizerCore(wiring.Component):
    """Quantizes ``lanes`` values per beat with scale and format from ports, or passes their low bits unchanged.

    Lanes that are not kept give the code of 0, or 0 if bypassed, and no flags.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle; stalls as a whole.

    Parameters:
        geometry: of the lanes, with run-time scale and format.
        lanes: values per beat.

    Members:
        i, o: streams of :func:`beat_layout`.
        scale_m, scale_k, regions, bypass: the effective parameters; must not change unless ``empty``.
        empty: no beat is in the core.
        saturated, nan: flags of the beat at ``o``, a bit per lane.
        segment: of the beat at ``o``, per lane, the number of its code's segment.
    """

    def __init__(self, *, geometry: Geometry, lanes: int) -> None:
        self._geometry = geometry
        self._lanes = lanes
        segments = range(len(geometry.family.shifts))
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(geometry.input.width, lanes))),
                "o": Out(stream.Signature(beat_layout(geometry.format.bits, lanes))),
                "scale_m": In(geometry.scale_bits),
                "scale_k": In(signed(K_WIDTH)),
                "regions": In(geometry.family.layout),
                "bypass": In(1),
                "empty": Out(1),
                "saturated": Out(lanes),
                "nan": Out(lanes),
                "segment": Out(data.ArrayLayout(Shape.cast(segments), lanes)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        return core_latency(self._geometry)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, o, bits = self.i.payload, self.o.payload, self._geometry.format.bits
        advance, o_valid = stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)
        within = Signal(range(self.latency + 1))
        m.d.sync += within.eq(within + (self.i.valid & self.i.ready) - (self.o.valid & self.o.ready))
        m.d.comb += [self.i.ready.eq(advance), self.o.valid.eq(o_valid), self.empty.eq(within == 0)]

        x = Signal.like(i.values, reset_less=True)
        past = Signal(data.StructLayout({"low": data.ArrayLayout(bits, self._lanes), "keep": self._lanes, "last": 1}))
        m.d.comb += [past.keep.eq(i.keep), past.last.eq(i.last)]
        line = Delay(width=len(past.as_value()), slots=self.latency, target=self._geometry.target)
        m.submodules.past = EnableInserter(advance)(line)
        m.d.comb += [line.enable.eq(advance), line.i.eq(past)]
        passed = data.View(past.shape(), line.o)
        m.d.comb += [o.keep.eq(passed.keep), o.last.eq(passed.last)]
        for number in range(self._lanes):
            lane = Lane(self._geometry)
            m.submodules[f"lane{number}"] = EnableInserter(advance)(lane)
            value = i.values[number] & i.keep[number].replicate(len(i.values[number]))
            with m.If(advance):
                m.d.sync += x[number].eq(value)
            low = Mux(self.bypass, passed.low[number], lane.code)
            m.d.comb += [
                past.low[number].eq(value),
                lane.x.eq(x[number]),
                lane.enable.eq(advance),
                lane.scale_m.eq(self.scale_m),
                lane.scale_k.eq(self.scale_k),
                Value.cast(lane.constants).eq(Value.cast(self.regions)),
                o.values[number].eq(low),
                self.saturated[number].eq(lane.saturated),
                self.nan[number].eq(lane.nan),
                self.segment[number].eq(lane.segment),
            ]
        return m


def core_latency(geometry: Geometry) -> int:
    """Cycles from a beat that a core of such lanes accepts to its output."""
    return 1 + lane_latency(geometry)
