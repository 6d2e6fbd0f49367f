"""The read channels of an AXI4 manager, shared by several readers."""

from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

MAX_BEATS, PAGE = 256, 4096
"""Of a burst, beats and the bytes whose multiples it must not cross."""
INCR = 0b01
MODIFIABLE = 0b0010
"""ARCACHE: normal memory, not cacheable, not bufferable."""


def axi_read_ports(address_bits: int, bus_bits: int, id_bits: int) -> dict[str, wiring.Member]:
    """The manager's signals of the channels AR and R, by their names in the AXI specification, in lower case."""
    return {
        "arid": Out(id_bits),
        "araddr": Out(address_bits),
        "arlen": Out(8),
        "arsize": Out(3),
        "arburst": Out(2),
        "arlock": Out(1),
        "arcache": Out(4),
        "arprot": Out(3),
        "arqos": Out(4),
        "arvalid": Out(1),
        "arready": In(1),
        "rid": In(id_bits),
        "rdata": In(bus_bits),
        "rresp": In(2),
        "rlast": In(1),
        "rvalid": In(1),
        "rready": Out(1),
    }


def word_bits(address_bits: int, bus_bits: int) -> int:
    """Bits of a bus word's number."""
    return address_bits - (bus_bits // 8 - 1).bit_length()


def burst_layout(address_bits: int, bus_bits: int) -> data.StructLayout:
    """A burst: the number of its first bus word, and ARLEN, its beats less 1."""
    return data.StructLayout({"word": unsigned(word_bits(address_bits, bus_bits)), "length": unsigned(8)})


class AxiRead(wiring.Component):
    """Sends the bursts of several readers, and gives each what comes for it. The manager has no write channels.

    A reader is an ID of the bus, its number; so the memory may answer different readers in any order, and each in the
    order of its own bursts. The first reader with a burst goes first. Readers have room for all that they ask for:
    RREADY is always 1. RLAST is not needed: beats are counted.

    Latency: 1 cycle from a burst to AR, 1 cycle from R to ``arrived``. Throughput: a burst and a beat per cycle. No
    combinational path leads from an input of the bus to an output.

    Parameters:
        readers: how many, at least 2.
        address_bits, bus_bits: of the bus.

    Members:
        arid ... rready: the bus (:func:`axi_read_ports`).
        bursts0 ...: the readers' bursts (:func:`burst_layout`).
        arrived: a bit for each reader: ``data`` has come for it.
        data: a bus word.
        failed: the answer to the word that has arrived was an error, SLVERR or DECERR; high for one cycle.
        idle: everything that was asked for has come.
    """

    def __init__(self, *, readers: int, address_bits: int, bus_bits: int) -> None:
        self._readers, self._address_bits, self._bus_bits = readers, address_bits, bus_bits
        burst = stream.Signature(burst_layout(address_bits, bus_bits))
        super().__init__(
            axi_read_ports(address_bits, bus_bits, (readers - 1).bit_length())
            | {f"bursts{number}": In(burst) for number in range(readers)}
            | {"arrived": Out(readers), "data": Out(bus_bits), "failed": Out(1), "idle": Out(1, init=1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low = len(self.araddr) - word_bits(self._address_bits, self._bus_bits)
        m.d.comb += [
            self.arsize.eq(low),
            self.arburst.eq(INCR),
            self.arcache.eq(MODIFIABLE),
            self.rready.eq(1),
        ]
        free = Signal()
        accepted = Signal()
        chosen = Signal(self._readers)
        m.d.comb += [free.eq(~self.arvalid | self.arready), accepted.eq(free & chosen.any())]
        before: list[Value] = []
        for number in range(self._readers):
            bursts = getattr(self, f"bursts{number}")
            m.d.comb += [
                chosen[number].eq(bursts.valid & ~Cat(before).any() if before else bursts.valid),
                bursts.ready.eq(free & chosen[number]),
            ]
            before.append(bursts.valid)
            with m.If(free & chosen[number]):
                m.d.sync += [
                    self.arid.eq(number),
                    self.araddr.eq(Cat(Signal(low, name=f"aligned{number}"), bursts.payload.word)),
                    self.arlen.eq(bursts.payload.length),
                ]
        with m.If(free):
            m.d.sync += self.arvalid.eq(chosen.any())
        self._receive(m, accepted, chosen)
        return m

    def _receive(self, m: Module, accepted: Signal, chosen: Signal) -> None:
        """Hand out what comes, and count what is still to come."""
        due = Signal(24)  # beats: far more than readers have room for
        length = Signal(8)
        for number in range(self._readers):
            with m.If(chosen[number]):
                m.d.comb += length.eq(getattr(self, f"bursts{number}").payload.length)
        asked = Signal(9)
        m.d.comb += asked.eq(length + 1)
        with m.If(accepted):
            m.d.sync += due.eq(due + asked - self.rvalid)
        with m.Else():
            m.d.sync += due.eq(due - self.rvalid)
        m.d.sync += [
            self.arrived.eq(Cat(self.rvalid & (self.rid == number) for number in range(self._readers))),
            self.data.eq(self.rdata),
            self.failed.eq(self.rvalid & self.rresp[1]),
            self.idle.eq((due == 0) & ~accepted),
        ]
