"""A table in an ECP5 block RAM, read twice per cycle."""

from collections.abc import Sequence

from amaranth.hdl import Array, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

WORDS, BITS = 1024, 18
"""Of a DP16KD with two independent ports."""
_ROW = 16  # words in a parameter INITVAL_00 ..., each in 20 bits
_PORTS = "AB"


class BlockRom(wiring.Component):
    """``word0`` and ``word1`` are the words at ``place0`` and ``place1``.

    One DP16KD with output registers; in Amaranth's simulator the same function and registers.

    Latency: :attr:`latency` cycles in which ``enable`` is high. Throughput: two words per such cycle.

    Parameters:
        words: the table, at most :data:`WORDS` of them.
        width: bits of a word, at most :data:`BITS`.

    Members:
        enable: the same signal as that of the ``EnableInserter`` around the table, if there is one, which does not
            reach the cell.
        place0, place1: addresses.
        word0, word1: what was read.
    """

    latency = 2

    def __init__(self, words: Sequence[int], *, width: int) -> None:
        assert len(words) <= WORDS
        assert width <= BITS
        self._words = words
        places = dict.fromkeys(("place0", "place1"), In(range(len(words))))
        super().__init__({"enable": In(1, init=1), **places, "word0": Out(width), "word1": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports = ((self.place0, self.word0), (self.place1, self.word1))
        if platform is not None:
            m.submodules.cell = self._cell(ports)
            return m
        table = Array(Const(word, len(self.word0)) for word in self._words)
        for number, (place, word) in enumerate(ports):
            read = Signal.like(word, name=f"read{number}", reset_less=True)
            register = Signal.like(word, name=f"register{number}", reset_less=True)
            m.d.sync += [read.eq(table[place]), register.eq(read)]
            m.d.comb += word.eq(register)
        return m

    def _cell(self, ports: tuple[tuple[Signal, Signal], ...]) -> Instance:
        """The cell, both of whose ports only read: addresses are left-aligned in 14 bits."""
        pins: list[tuple[str, str, object]] = []
        for side, (place, word) in zip(_PORTS, ports, strict=True):
            padded = [Const(0, 1)] * 4 + [place[n] for n in range(len(place))] + [Const(0, 1)] * (10 - len(place))
            pins += [("i", f"AD{side}{n}", bit) for n, bit in enumerate(padded)]
            pins += [("i", f"DI{side}{n}", Const(0, 1)) for n in range(BITS)]
            pins += [("o", f"DO{side}{n}", word[n]) for n in range(len(word))]
            pins += [("i", f"{name}{side}", self.enable) for name in ("CE", "OCE")]
            pins += [("i", f"{name}{side}", Const(0, 1)) for name in ("WE", "RST")]
            pins += [("i", f"CS{side}{n}", Const(0, 1)) for n in range(3)]
            pins.append(("i", f"CLK{side}", ClockSignal()))
        rows = [self._words[first : first + _ROW] for first in range(0, len(self._words), _ROW)]
        return Instance(
            "DP16KD",
            ("p", "DATA_WIDTH_A", BITS),
            ("p", "DATA_WIDTH_B", BITS),
            ("p", "REGMODE_A", "OUTREG"),
            ("p", "REGMODE_B", "OUTREG"),
            ("p", "CSDECODE_A", "0b000"),
            ("p", "CSDECODE_B", "0b000"),
            ("p", "GSR", "DISABLED"),
            *(
                ("p", f"INITVAL_{number:02X}", Const(sum(word << 20 * n for n, word in enumerate(row)), 20 * _ROW))
                for number, row in enumerate(rows)
            ),
            *pins,
        )
