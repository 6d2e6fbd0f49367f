"""A delay line: registers if it is short, a circular buffer in a memory if it is long."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count

REGISTERS = 4
"""The longest delay that is made of registers."""


class Delay(wiring.Component):
    """``o`` is ``i`` of ``slots`` slots ago. A slot is a cycle in which ``enable`` is high and the ``sync`` domain, by
    the same signal, enabled. In the first ``slots`` slots ``o`` is undefined.

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
        """A circular buffer: the row read now is the next to be written."""
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
