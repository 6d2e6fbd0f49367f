# amaranth: UnusedElaboratable=no
"""One lane of the scan: a state's time step, and what it adds to the output."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.scan import COEFFICIENT_BITS, DECAY_FRACTION, DELTA_BITS, Widths
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.scan.decay import Decay
from qse_hw.rtl_gen.scan.inflow import DOUBLED_BITS, SHIFT_BITS, Inflow, inflow_latency


def update_latency(state_bits: int, target: str) -> int:
    """Cycles from an old state to the new one."""
    return multiplier_latency(state_bits, target) + 3


class StateLane(wiring.Component):
    """``new = clamp(round((a * h + inflow) / 2**15))`` half up, ``term = C * new``.

    Products are registered once more, because DSPs lie far from the adders.

    Attributes:
        forget_step: cycles from ``delta`` and ``A`` until ``forget`` is due.
        decay_latency: cycles until ``h`` is due.
        inflow_step: cycles until ``flow`` and ``B`` are due; for ``shift`` see the inflow.
        update_step: cycles until ``new`` and ``saturated`` are there, and ``C`` is due.
        term_step: cycles until ``term`` is there.

    Throughput: one state per cycle.

    Parameters:
        widths: of A, the state, and what delta A is shifted by.
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        delta, A, forget: see :class:`qse_hw.rtl_gen.scan.decay.Decay`.
        flow, B, shift: see :class:`qse_hw.rtl_gen.scan.inflow.Inflow`.
        h: the old state, signed.
        C: signed.
        new: the new state, signed.
        saturated: it was clamped.
        term: what it adds to the output, signed.
    """

    def __init__(self, widths: Widths, *, target: str) -> None:
        self._target = target
        self._decay = Decay(bits=widths.A, shift=widths.decay_shift, target=target)
        multiply = multiplier_latency(widths.state, target) + 1
        self.forget_step = self._decay.forget_step
        self.decay_latency = self._decay.latency
        self.inflow_step = self.decay_latency + multiply - inflow_latency(target)
        self.update_step = self.decay_latency + update_latency(widths.state, target)
        self.term_step = self.update_step + multiply
        super().__init__(
            {
                "delta": In(DELTA_BITS),
                "A": In(widths.A),
                "forget": In(1),
                "flow": In(signed(DOUBLED_BITS)),
                "B": In(signed(COEFFICIENT_BITS)),
                "shift": In(SHIFT_BITS),
                "h": In(signed(widths.state)),
                "C": In(signed(COEFFICIENT_BITS)),
                "new": Out(signed(widths.state)),
                "saturated": Out(1),
                "term": Out(signed(widths.state + COEFFICIENT_BITS)),
            }
        )
        omit_reset(self, "new", "saturated")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits, stages = len(self.h), Stages(m, ())
        m.submodules.decay = decay = self._decay
        m.submodules.inflow = inflow = Inflow(state_bits=bits, target=self._target)
        m.submodules.kept = kept = Multiplier(self.h.shape(), unsigned(len(decay.y)), target=self._target)
        m.submodules.term = term = Multiplier(self.new.shape(), self.C.shape(), target=self._target)
        total = stages.register(stages.register(kept.p, "product") + inflow.inflow, "total")
        rounded = total[DECAY_FRACTION:]  # half a unit is in it
        clamped = Signal()
        m.d.comb += [
            decay.delta.eq(self.delta),
            decay.A.eq(self.A),
            decay.forget.eq(self.forget),
            inflow.flow.eq(self.flow),
            inflow.B.eq(self.B),
            inflow.shift.eq(self.shift),
            kept.a.eq(self.h),
            kept.b.eq(decay.y),
            kept.enable.eq(1),
            clamped.eq(rounded[bits - 1 :] != total[-1].replicate(len(rounded) - bits + 1)),
            term.a.eq(self.new),
            term.b.eq(self.C),
            term.enable.eq(1),
            self.term.eq(stages.register(term.p, "term_kept")),
        ]
        m.d.sync += [
            self.new.eq(Mux(clamped, Cat((~total[-1]).replicate(bits - 1), total[-1]), rounded[:bits])),
            self.saturated.eq(clamped),
        ]
        return m
