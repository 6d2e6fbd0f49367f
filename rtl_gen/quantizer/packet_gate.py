"""Decides when beats may enter and when parameters may change: between packets."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class PacketGate(wiring.Component):
    """Passes every packet whole, and changes parameters only while no beat is in the core.

    After ``apply`` the parameters are checked while packets pass. If they are legal, the current packet passes to its
    end, no other beat enters, the beats in the core leave, and the parameters are loaded.

    Members:
        accepted, last: a beat enters in this cycle; it is its packet's last.
        empty: no beat is in the core.
        apply: check and load the parameters; ignored while ``pending``.
        soft_reset: the next beat starts a packet.
        check, load: commands to check or load the parameters
            (:class:`qse_hw.rtl_gen.quantizer.apply_parameters.ApplyParameters`).
        done, refused: the command is done; the check has refused the parameters.
        open: beats may enter.
        packet: a packet has begun and not ended.
        pending: high from ``apply`` until the parameters are loaded or refused.
        error: high for one cycle when the parameters are refused.
    """

    def __init__(self) -> None:
        inputs = ("accepted", "last", "empty", "apply", "soft_reset", "done", "refused")
        outputs = ("check", "load", "open", "packet", "pending", "error")
        super().__init__(dict.fromkeys(inputs, In(1)) | dict.fromkeys(outputs, Out(1)))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.If(self.soft_reset):
            m.d.sync += self.packet.eq(0)
        with m.Elif(self.accepted):
            m.d.sync += self.packet.eq(~self.last)
        m.d.comb += [self.pending.eq(1), self.open.eq(1)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.pending.eq(0), self.check.eq(self.apply)]
                with m.If(self.apply):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += self.error.eq(self.done & self.refused)
                with m.If(self.done):
                    m.next = "WAIT"
                with m.If(self.error):
                    m.next = "IDLE"
            with m.State("WAIT"):
                m.d.comb += self.open.eq(self.packet)
                with m.If(~self.packet & self.empty):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += [self.open.eq(0), self.load.eq(1)]
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += self.open.eq(0)
                with m.If(self.done):
                    m.next = "IDLE"
        return m
