"""An AXI4-Lite subordinate: translates the bus's five channels to single register accesses."""

import re
from collections.abc import Iterable
from operator import index

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.errors import InputError

OKAY, SLVERR = 0b00, 0b10
SETTLE = 3
"""Cycles for which an access's index, data and strobe are stable before it: time for pipelined decoding."""


_CHANNELS = {
    "aw": "write address",
    "w": "write data",
    "b": "write response",
    "ar": "read address",
    "r": "read data",
}


def axi_lite_ports(address_width: int) -> dict[str, wiring.Member]:
    """The subordinate's signals with 32 bits of data, by their names in the AXI specification, in lower case."""
    return {
        "awaddr": In(address_width),
        "awprot": In(3),
        "awvalid": In(1),
        "awready": Out(1),
        "wdata": In(32),
        "wstrb": In(4),
        "wvalid": In(1),
        "wready": Out(1),
        "bresp": Out(2),
        "bvalid": Out(1),
        "bready": In(1),
        "araddr": In(address_width),
        "arprot": In(3),
        "arvalid": In(1),
        "arready": Out(1),
        "rdata": Out(32),
        "rresp": Out(2),
        "rvalid": Out(1),
        "rready": In(1),
    }


def channel_meanings(ports: Iterable[str]) -> dict[str, str]:
    """What the subordinate's signals mean, by name."""
    texts = {
        name: f"AXI4-Lite, {meaning}"
        for name in ports
        for channel, meaning in _CHANNELS.items()
        if re.match(f"{channel}(addr|data|strb|resp|valid|ready)$", name)
    }
    return texts | dict.fromkeys(("awprot", "arprot"), "AXI4-Lite, ignored")


class AxiLite(wiring.Component):
    """Accepts a write's address and data in any order, performs the access and responds; reads go on in parallel.

    An access takes one cycle in which ``write`` (or ``read``) is high and ``write_error`` (or ``read_data`` and
    ``read_error``) is sampled; its index, data and strobe are stable for :data:`SETTLE` cycles before. Addresses that
    are not multiples of 4 cause no access. The response to an error is SLVERR, with read data 0. Protection bits are
    ignored.

    Latency: a response is valid 2 + SETTLE cycles after its address (and data) were accepted. Throughput: one write and
    one read in that time. No combinational path leads from an input of the bus to an output.

    Parameters:
        address_width: bits of a byte address, 3 to 32.

    Members:
        awaddr ... rready: the bus.
        write, write_index, write_data, write_strobe: write those bytes of a register whose strobe bit is 1.
        write_error: the write is refused.
        read, read_index, read_data, read_error: read a register.

    Raises:
        InputError: for an address width out of range.
    """

    def __init__(self, *, address_width: int) -> None:
        self.address_width = index(address_width)
        if not 3 <= self.address_width <= 32:
            raise InputError(f"Address width must be from 3 to 32, not {address_width!r}")
        super().__init__(
            axi_lite_ports(self.address_width)
            | {
                "write": Out(1),
                "write_index": Out(self.address_width - 2),
                "write_data": Out(32),
                "write_strobe": Out(4),
                "write_error": In(1),
                "read": Out(1),
                "read_index": Out(self.address_width - 2),
                "read_data": In(32),
                "read_error": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()

        def slot(name: str, valid: Signal, ready: Signal, done: Signal, **ports: Signal) -> tuple[Signal, list[Signal]]:
            """Hold a channel's accepted beat until its access is done."""
            full = Signal(name=f"{name}_full")
            held = [Signal.like(port, name=f"{name}_{part}", reset_less=True) for part, port in ports.items()]
            m.d.comb += ready.eq(~full)
            with m.If(full):
                m.d.sync += full.eq(~done)
            with m.Else():
                m.d.sync += full.eq(valid)
                m.d.sync += [register.eq(port) for register, port in zip(held, ports.values(), strict=True)]
            return full, held

        written = Signal()
        has_read = Signal()
        aw, (aw_address,) = slot("aw", self.awvalid, self.awready, written, address=self.awaddr)
        w, (data, strobe) = slot("w", self.wvalid, self.wready, written, data=self.wdata, strobe=self.wstrb)
        ar, (ar_address,) = slot("ar", self.arvalid, self.arready, has_read, address=self.araddr)

        def settled(there: Value, done: Signal, name: str) -> Value:
            line = Signal(SETTLE, name=name)
            with m.If(done):
                m.d.sync += line.eq(0)
            with m.Else():
                m.d.sync += line.eq(Cat(there, line))
            return line[-1]

        odd_write = Signal()
        odd_read = Signal()
        refused = Signal()
        m.d.comb += [
            odd_write.eq(aw_address[:2].any()),
            written.eq(settled(aw & w, written, "write_settled") & (self.bready | ~self.bvalid)),
            self.write.eq(written & ~odd_write),
            self.write_index.eq(aw_address[2:]),
            self.write_data.eq(data),
            self.write_strobe.eq(strobe),
            odd_read.eq(ar_address[:2].any()),
            has_read.eq(settled(ar, has_read, "read_settled") & (self.rready | ~self.rvalid)),
            self.read.eq(has_read & ~odd_read),
            self.read_index.eq(ar_address[2:]),
            refused.eq(odd_read | self.read_error),
        ]
        with m.If(written):
            m.d.sync += [self.bvalid.eq(1), self.bresp.eq(Mux(odd_write | self.write_error, SLVERR, OKAY))]
        with m.Elif(self.bready):
            m.d.sync += self.bvalid.eq(0)
        with m.If(has_read):
            m.d.sync += [
                self.rvalid.eq(1),
                self.rresp.eq(Mux(refused, SLVERR, OKAY)),
                self.rdata.eq(Mux(refused, 0, self.read_data)),
            ]
        with m.Elif(self.rready):
            m.d.sync += self.rvalid.eq(0)
        return m
