"""When an accelerator loads, runs and stops."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.accelerator.registers import STATES


class Control(wiring.Component):
    """From a start through the check of the image to tokens; after an error or a soft reset back, when all is quiet.

    Members:
        start, soft_reset: commands.
        fits: the image lies within the address space.
        read_failed, image_failed: the memory answered with an error; the image is not suitable or damaged.
        loaded: the image was checked, and its parameters are where they belong.
        memory_idle: all answers of the memory have come.
        output_idle: no output packet is open.
        state: one of :data:`qse_hw.rtl_gen.accelerator.registers.STATES`, by its number.
        begin: high for one cycle when loading begins.
        load, run, stop: it is loading; tokens are taken; nothing more is to be read.
        reset: high for one cycle: everything but registers and bus begins anew.
        misplaced: high for one cycle: the start was refused, because the image does not fit.
    """

    def __init__(self) -> None:
        inputs = (
            "start", "soft_reset", "fits", "read_failed", "image_failed", "loaded", "memory_idle", "output_idle",
        )  # fmt: skip
        outputs = ("begin", "load", "run", "stop", "reset", "misplaced")
        super().__init__(
            {"state": Out(range(len(STATES)))} | dict.fromkeys(inputs, In(1)) | dict.fromkeys(outputs, Out(1))
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        names = list(STATES)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.state.eq(names.index("IDLE"))
                with m.If(self.soft_reset):
                    m.next = "STOPPING"
                with m.Elif(self.start):
                    m.d.comb += [self.begin.eq(self.fits), self.misplaced.eq(~self.fits)]
                    with m.If(self.fits):
                        m.next = "LOADING"
            with m.State("LOADING"):
                m.d.comb += [self.state.eq(names.index("LOADING")), self.load.eq(1)]
                with m.If(self.soft_reset | self.read_failed | self.image_failed):
                    m.next = "STOPPING"
                with m.Elif(self.loaded & self.output_idle):
                    m.next = "READY"
            with m.State("READY"):
                m.d.comb += [self.state.eq(names.index("READY")), self.run.eq(1)]
                with m.If(self.soft_reset | self.read_failed):
                    m.next = "STOPPING"
            with m.State("STOPPING"):
                m.d.comb += [self.state.eq(names.index("STOPPING")), self.stop.eq(1)]
                with m.If(self.memory_idle & self.output_idle):
                    m.next = "RESET"
            with m.State("RESET"):
                m.d.comb += [self.state.eq(names.index("STOPPING")), self.stop.eq(1), self.reset.eq(1)]
                m.next = "IDLE"
        return m
