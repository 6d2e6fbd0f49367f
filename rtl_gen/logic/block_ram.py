"""A memory with an output register: inferred, or an ECP5 block RAM with its own, which synthesis does not use."""

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of a DP16KD."""
_ADDRESS_BITS = 14
_FEW = 32
"""Words up to which look-up tables are the better memory."""


class BlockRam(wiring.Component):
    """``depth`` words of ``width`` bits, 0 at first; one is written and one read per cycle.

    A word read in the cycle in which it is written is undefined, so that tools need no logic for it.

    On the target ``ecp5``, memories of 33 to 16384 words are DP16KD cells with output registers: the register that
    synthesis would infer lies outside the cell and halves the speed. Smaller ones are distributed RAM, larger ones
    inferred as on other targets.

    Latency: :attr:`latency` cycles from ``place`` to ``word``. Throughput: a word written and a word read per cycle.

    Parameters:
        width, depth: of the memory.
        target: one of :data:`qse_hw.rtl_gen.units.shared.TARGETS`.

    Members:
        enable: the same signal as that of the ``EnableInserter`` around the memory, if there is one, which does not
            reach the cells.
        write, write_place, data: write ``data`` to the address ``write_place``.
        place: the address to read.
        word: what was read.
    """

    latency = 2

    def __init__(self, *, width: int, depth: int, target: str) -> None:
        self._depth = depth
        self._ecp5 = target == "ecp5"
        super().__init__(
            {
                "enable": In(1, init=1),
                "write": In(1),
                "write_place": In(range(depth)),
                "data": In(width),
                "place": In(range(depth)),
                "word": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if platform is not None and self._ecp5 and _FEW < self._depth <= _SHAPES[-1][0]:
            bits = next(bits for words, bits in _SHAPES if self._depth <= words)
            for low in range(0, len(self.word), bits):
                m.submodules[f"bits{low}"] = self._cell(bits, low)
            return m
        attributes: dict[str, object] = {"no_rw_check": 1}
        if self._ecp5 and self._depth <= _FEW:
            attributes["ram_style"] = "distributed"
        m.submodules.memory = memory = Memory(shape=len(self.word), depth=self._depth, init=[], attrs=attributes)
        write = memory.write_port()
        read = memory.read_port()
        word = Signal.like(self.word, name="word_register", reset_less=True)
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_place),
            write.data.eq(self.data),
            read.addr.eq(self.place),
            self.word.eq(word),
        ]
        m.d.sync += word.eq(read.data)
        return m

    def _cell(self, bits: int, low: int) -> Instance:
        """The cell that holds bits ``low`` to ``low + bits``: written through its port A, read through B.

        Of 36 bits, the low 18 come in and out at A, the others at B. Addresses are left-aligned in 14 bits; where a
        word has more than 9 bits, the lowest ones are the enables of its bytes.
        """
        unused = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[bits]
        enables = bits // 9 if bits > 9 else 0
        pins: list[tuple[str, str, object]] = []
        for n in range(_ADDRESS_BITS):
            for side, place in (("A", self.write_place), ("B", self.place)):
                constant = Const(int(side == "A" and n < enables), 1)
                pins.append(("i", f"AD{side}{n}", place[n - unused] if 0 <= n - unused < len(place) else constant))
        data, word = self.data[low : low + bits], self.word[low : low + bits]
        for n in range(36):
            pins.append(("i", f"DI{'AB'[n // 18]}{n % 18}", data[n] if n < len(data) else Const(0, 1)))
        for n in range(len(word)):
            pins.append(("o", f"DO{'AB'[n // 18 if bits == 36 else 1]}{n % 18}", word[n]))
        pins += [("i", name, self.enable) for name in ("CEA", "OCEA", "CEB", "OCEB")]
        constants = {"RSTA": 0, "WEB": 0, "RSTB": 0}
        constants |= {f"CS{side}{n}": 0 for side in "AB" for n in range(3)}
        return Instance(
            "DP16KD",
            ("p", "DATA_WIDTH_A", bits),
            ("p", "DATA_WIDTH_B", bits),
            ("p", "REGMODE_A", "OUTREG"),
            ("p", "REGMODE_B", "OUTREG"),
            ("p", "CSDECODE_A", "0b000"),
            ("p", "CSDECODE_B", "0b000"),
            ("p", "GSR", "DISABLED"),
            ("i", "CLKA", ClockSignal()),
            ("i", "CLKB", ClockSignal()),
            ("i", "WEA", self.write),
            *(("i", name, Const(value, 1)) for name, value in constants.items()),
            *pins,
        )
