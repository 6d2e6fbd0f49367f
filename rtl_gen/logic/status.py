"""Sticky flags and a saturating counter: an encoder's events since the last clear."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.event_counter import accumulate, popcount
from qse_hw.rtl_gen.units.shared import COUNTER_WIDTH


class Status(wiring.Component):
    """Accumulates events of ``lanes`` values per beat.

    ``saturated <= any(saturated_lanes) or (saturated and not clear)``; ``nan`` likewise;
    ``saturation_count <= min((0 if clear else saturation_count) + sum(saturated_lanes), 2**counter_width - 1)``.
    An event in the cycle of a clear is kept.

    Latency: 1 cycle.

    Parameters:
        lanes: values per beat.
        counter_width: bits of ``saturation_count``; 0: it stays 0.

    Members:
        enable: the events of this cycle count.
        clear: clears flags and count.
        saturated_lanes, nan_lanes: a bit per value: whether it saturates, is NaN.
        saturated, nan, saturation_count: flags and count so far.
    """

    def __init__(self, *, lanes: int, counter_width: int) -> None:
        self._counter_width = COUNTER_WIDTH.kind.check("counter_width", counter_width)
        super().__init__(
            {
                "enable": In(1),
                "clear": In(1),
                "saturated_lanes": In(lanes),
                "nan_lanes": In(lanes),
                "saturated": Out(1),
                "nan": Out(1),
                "saturation_count": Out(counter_width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for flag, lanes in ((self.saturated, self.saturated_lanes), (self.nan, self.nan_lanes)):
            m.d.sync += flag.eq((self.enable & lanes.any()) | (flag & ~self.clear))
        if self._counter_width:
            # signals, since Amaranth converts an expression again at each use
            happened = Signal.like(self.saturated_lanes)
            events = Signal(range(len(happened) + 1))
            m.d.comb += [
                happened.eq(self.saturated_lanes & self.enable.replicate(len(happened))),
                events.eq(popcount(happened)),
            ]
            accumulate(m, events, clear=self.clear, count=self.saturation_count)
        return m
