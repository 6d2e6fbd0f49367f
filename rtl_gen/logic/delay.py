"""A delay line: registers if it is short, a memory with a running address if it is long."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count

REGISTERS = 4
"""The longest delay that is made of registers."""


class Delay(wiring.Component):
    """``o`` is what ``i`` was ``slots`` slots ago, a slot being a cycle in which ``enable`` is high and with it the
    ``sync`` domain enabled. What leaves in the first ``slots`` slots is not specified.

    Parameters:
        width: bits of ``i`` and ``o``.
        slots: the delay, 0 or more.
        target: see :class:`qse_hw.rtl_gen.logic.block_ram.BlockRam`.

    Members:
        enable: whether this cycle is a slot.
        i, o: input and delayed output.
    """

    def __init__(self, *, width: int, slots: int, target: str) -> None:
        self._slots = slots
        self._target = target
        super().__init__({"enable": In(1), "i": In(width), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self._slots > REGISTERS:
            self._memory(m)
        else:
            line = self.i
            for number in range(self._slots):
                last, line = line, Signal(len(self.i), reset_less=True, name=f"slot{number}")
                m.d.sync += line.eq(last)
            m.d.comb += self.o.eq(line)
        return m

    def _memory(self, m: Module) -> None:
        """The row that is read is the one to be written next."""
        rows = self._slots + 1 - BlockRam.latency
        m.submodules.ram = ram = BlockRam(width=len(self.i), depth=rows, target=self._target)
        read_row, _ = count(m, rows, "read_row")
        write_row = Signal(range(rows), init=rows - 1)
        m.d.sync += write_row.eq(read_row)
        m.d.comb += [
            ram.enable.eq(self.enable),
            ram.write.eq(1),
            ram.write_place.eq(write_row),
            ram.place.eq(read_row),
            ram.data.eq(self.i),
            self.o.eq(ram.word),
        ]
