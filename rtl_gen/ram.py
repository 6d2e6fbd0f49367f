"""A memory in a pipeline that may stand still."""

from amaranth.hdl import Instance, Signal

from rtl_gen.block_ram import BlockRam


class Ram(BlockRam):
    """:class:`BlockRam` whose ``sync`` domain is enabled by ``enable``: what it does in a cycle, it does in a slot.

    Members: as there, and ``enable`` in, for the cells, which are beyond the reach of an ``EnableInserter``.
    """

    def __init__(self, *, width: int, depth: int, target: str) -> None:
        super().__init__(width=width, depth=depth, target=target)
        self.enable = Signal()

    def _cell(self, bits: int, low: int) -> Instance:
        cell = super()._cell(bits, low)
        for pin in ("CEA", "CEB", "OCEA", "OCEB"):
            cell.ports[pin] = (self.enable, "i")
        return cell
