"""The way out of a tile's totals: one per cycle, while the next tile's may wait."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.reset import omit_reset


class Drain(wiring.Component):
    """Gives the totals of a tile, one per cycle, from the cycle after they are done.

    Each tile has ``rows`` cycles for its totals, also if fewer of them count. Totals that are done earlier wait until
    the tile before them has had its cycles; only one tile's can wait.

    Parameters:
        rows: totals of a tile.
        bits: of a total.
        note: bits of what goes along with all totals of a tile.

    Members:
        done: ``total0`` ..., of which the first ``count`` are given, and ``note`` are there.
        valid, total, noted, last: a total, its tile's note, whether it is the tile's last.
    """

    def __init__(self, *, rows: int, bits: int, note: int) -> None:
        self._rows = rows
        totals = [f"total{n}" for n in range(rows)]
        super().__init__(
            {
                "done": In(1),
                **dict.fromkeys(totals, In(signed(bits))),
                "count": In(range(rows + 1)),
                "note": In(note),
                "valid": Out(1),
                "total": Out(signed(bits)),
                "noted": Out(note),
                "last": Out(1),
            }
        )
        omit_reset(self, "total", "noted")
        self.totals = [getattr(self, name) for name in totals]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self._rows
        tile = data.StructLayout(
            {
                "totals": data.ArrayLayout(self.total.shape(), rows),
                "occupied": unsigned(rows),  # the low ones set
                "note": unsigned(len(self.note)),
            }
        )
        arrived = Signal(tile)
        waiting = Signal(tile, reset_less=True)
        leaving = Signal(tile)
        waits = Signal()
        slots = Signal(rows)  # bit 0: the tile that leaves has more cycles after this one
        free = Signal()
        m.d.comb += [
            Cat(arrived.totals).eq(Cat(self.totals)),
            arrived.occupied.eq(Cat(self.count > n for n in range(rows))),
            arrived.note.eq(self.note),
            free.eq(~slots[0]),
            self.valid.eq(leaving.occupied[0]),
            self.total.eq(leaving.totals[0]),
            self.noted.eq(leaving.note),
            self.last.eq(~leaving.occupied[1:].any()),
        ]
        with m.If(free & (waits | self.done)):
            m.d.sync += [
                leaving.eq(Mux(waits, waiting.as_value(), arrived.as_value())),
                slots.eq((1 << (rows - 1)) - 1),
            ]
        with m.Else():
            m.d.sync += [
                Cat(list(leaving.totals)[:-1]).eq(Cat(list(leaving.totals)[1:])),
                leaving.occupied.eq(leaving.occupied >> 1),
                slots.eq(slots >> 1),
            ]
        with m.If(self.done):
            m.d.sync += waiting.eq(arrived)
        m.d.sync += waits.eq(Mux(free, waits & self.done, waits | self.done))
        return m
