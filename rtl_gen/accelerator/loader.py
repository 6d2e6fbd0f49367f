"""Checks a memory image while it is read from begin to end, and takes the parameters out of it."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.accelerator.image_words import ImageMap
from qse_hw.rtl_gen.logic.streams import transfers

CRC_BITS = 32


class Loader(wiring.Component):
    """Compares an image's header with what the hardware was built for, and all checksums with the image's own.

    The checksums are those of the tables, whose own is left out of it, and of every part: they cover every byte.

    Latency: 4 cycles from the last word to ``done``. Throughput: a word per cycle.

    Parameters:
        image: where what is.
        bus_bits: of a word.

    Members:
        i: stream of the image's words, from the first to the last.
        o: stream of the words of the part ``parameters``.
        mismatch: the header differs from what the hardware needs.
        damaged: a checksum differs.
        region: while one of these is high, the number of the region of :attr:`ImageMap.regions` that differs.
        done: all was checked, and nothing differs.
    """

    def __init__(self, image: ImageMap, *, bus_bits: int) -> None:
        self._image, self._bytes = image, bus_bits // 8
        word = stream.Signature(unsigned(bus_bits))
        super().__init__(
            {
                "i": In(word),
                "o": Out(word),
                "mismatch": Out(1),
                "damaged": Out(1),
                "region": Out(range(len(image.regions))),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        regions = list(self._image.regions.values())
        place = Signal(range(self._image.size // self._bytes + 1))  # of the word at i
        region = Signal.like(self.region, name="place_region")
        begins = Signal(init=1)
        ends = Signal()
        lasts = Array((begin + length) // self._bytes - 1 for begin, length in regions)
        is_parameters = Signal()
        accepted = Signal()
        m.d.comb += [
            ends.eq(place == lasts[region]),
            is_parameters.eq(region == list(self._image.regions).index("parameters")),
            self.o.valid.eq(self.i.valid & is_parameters),
            self.o.payload.eq(self.i.payload),
            self.i.ready.eq(~is_parameters | self.o.ready),
            accepted.eq(transfers(self.i)),
        ]
        with m.If(accepted):
            m.d.sync += [place.eq(place + 1), begins.eq(ends), region.eq(region + ends)]
        expected = self._expect(m, accepted, place)
        self._compare(m, accepted, place)
        self._sum(m, accepted, begins, ends, region, expected)
        return m

    def _expect(self, m: Module, accepted: Signal, place: Signal) -> Array:
        """Keep the checksums that the image has of itself."""
        kept = []
        for number, begin in enumerate(self._image.checksums):
            word, low = divmod(begin, self._bytes)
            checksum = Signal(CRC_BITS, name=f"checksum{number}", reset_less=True)
            with m.If(accepted & (place == word)):
                m.d.sync += checksum.eq(self.i.payload[8 * low : 8 * low + CRC_BITS])
            kept.append(checksum)
        return Array(kept)

    def _compare(self, m: Module, accepted: Signal, place: Signal) -> None:
        """Compare the header."""
        size = self._bytes
        content, mask = (part.ljust(-(-len(part) // size) * size, b"\0") for part in self._image.header)
        expected = Signal.like(self.i.payload, name="header")
        counts = Signal.like(self.i.payload, name="header_counts")
        with m.Switch(place):
            for begin in range(0, len(content), size):
                with m.Case(begin // size):
                    words = (int.from_bytes(part[begin : begin + size], "little") for part in (content, mask))
                    m.d.comb += Cat(expected, counts).eq(Cat(*(Const(word, 8 * size) for word in words)))
        differs = Signal()
        m.d.sync += differs.eq(accepted & ((self.i.payload ^ expected) & counts).any())
        with m.If(differs):
            m.d.sync += self.mismatch.eq(1)

    def _sum(
        self, m: Module, accepted: Signal, begins: Signal, ends: Signal, region: Signal, expected: Array
    ) -> None:
        """Compute each region's checksum, and compare it behind the region's last word."""
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=8 * self._bytes).create()
        word, low = divmod(self._image.checksums[0], self._bytes)
        own = Signal()  # the word has the header's own checksum
        counted = Signal(word + 2)
        m.d.comb += own.eq(counted[word] & ~counted[word + 1])
        taken = Signal.like(self.i.payload, name="taken", reset_less=True)
        bits = slice(8 * low, 8 * low + CRC_BITS)
        with m.If(accepted):
            m.d.sync += counted.eq(Cat(1, counted))
        arrived = Signal()
        first = Signal()
        last = Signal()
        at = Signal.like(region, name="taken_region")
        m.d.sync += [
            arrived.eq(accepted),
            first.eq(begins),
            last.eq(accepted & ends),
            at.eq(region),
            taken.eq(self.i.payload),
        ]
        m.d.comb += [crc.start.eq(arrived & first), crc.valid.eq(arrived), crc.data.eq(taken)]
        with m.If(own):
            m.d.comb += crc.data[bits].eq(0)
        compare = Signal()
        compared = Signal.like(region, name="compared_region")
        m.d.sync += [compare.eq(last), compared.eq(at)]
        with m.If(compare & (crc.crc != expected[compared])):
            m.d.sync += [self.damaged.eq(1), self.region.eq(Mux(self.damaged, self.region, compared))]
        with m.If(compare & (compared == len(self._image.regions) - 1)):
            m.d.sync += self.done.eq((crc.crc == expected[compared]) & ~self.damaged & ~self.mismatch)
