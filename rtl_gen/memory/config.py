"""Options of an AXI4 manager that reads."""

from dataclasses import dataclass

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.memory.axi_read import MAX_BEATS
from qse_hw.rtl_gen.memory.reader import most_beats
from qse_hw.rtl_gen.units.option_kinds import Integer
from qse_hw.rtl_gen.units.options import Option, check, option

WIDTHS = (64, 128)
BUS_BITS = Option(
    kind=Integer(), help=f"bits of the memory's bus, {' or '.join(map(str, WIDTHS))}", metavar="B", default=128,
    measure="bits",
)  # fmt: skip
ADDRESS_BITS = Option(
    kind=Integer(32, 64), help="bits of the bus's byte addresses", metavar="B", default=32, measure="bits"
)
BURST_BEATS = Option(
    kind=Integer(1, MAX_BEATS), help="bus words of the longest burst, a power of two", metavar="N", default=32,
    measure="bus words",
)  # fmt: skip
BURSTS = Option(
    kind=Integer(2, 64), help="bursts of weights for which there is room: on the way, or waiting", metavar="N",
    default=4,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BusConfig:
    """Of the memory's bus, and how it is read.

    Raises:
        InputError: for another width than one of :data:`WIDTHS`, a longest burst that is no power of two or could
            cross a multiple of 4 KiB.
    """

    bus_bits: int = option(BUS_BITS)
    address_bits: int = option(ADDRESS_BITS)
    burst_beats: int = option(BURST_BEATS)
    bursts: int = option(BURSTS)

    def __post_init__(self) -> None:
        check(self)
        if self.bus_bits not in WIDTHS:
            raise InputError(f"Bus bits must be {' or '.join(map(str, WIDTHS))}, not {self.bus_bits}")
        most = most_beats(self.bus_bits)
        if self.burst_beats & (self.burst_beats - 1) or self.burst_beats > most:
            raise InputError(
                f"Burst beats must be a power of two up to {most} with {self.bus_bits} bits, so that no burst crosses "
                f"a multiple of 4 KiB, not {self.burst_beats}"
            )
