"""A loadable memory that is read several words at a time."""

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.block_ram import BlockRam


def address_bits(banks: int, depth: int) -> int:
    """Bits of a :class:`Store`'s addresses."""
    return max(1, (banks - 1).bit_length() + (depth - 1).bit_length())


class Store(wiring.Component):
    """``banks`` memories of ``depth`` words: written one word at a time, read one word of each bank at a time.

    Address: the bank in the low bits (as many as ``banks - 1`` has), above them the place in the bank. Writes to
    addresses that do not exist have no effect. All words are 0 at first, a reset does not clear them. A word read in
    the cycle in which it is written is undefined (:class:`BlockRam`).

    Latency: :attr:`latency` cycles from ``place`` to the words. Throughput: a word written and ``banks`` words read per
    cycle.

    Parameters:
        banks, depth, width: memories, words of each, bits of a word.
        target: see :class:`BlockRam`.

    Members:
        enable: see :class:`BlockRam`.
        write, address, data: write ``data`` to ``address``.
        place: the place to read in every bank.
        word0 ...: what was read, a word per bank.

    Attributes:
        words: the ports ``word0 ...`` as a list.
    """

    latency = BlockRam.latency

    def __init__(self, *, banks: int, depth: int, width: int, target: str) -> None:
        self._depth = depth
        self._target = target
        self._bank_bits = (banks - 1).bit_length()
        words = [f"word{n}" for n in range(banks)]
        super().__init__(
            {
                "enable": In(1, init=1),
                "write": In(1),
                "address": In(address_bits(banks, depth)),
                "data": In(width),
                "place": In(range(depth)),
                **dict.fromkeys(words, Out(width)),
            }
        )
        self.words = [getattr(self, name) for name in words]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bank, place = self.address[: self._bank_bits], self.address[self._bank_bits :]
        for number, word in enumerate(self.words):
            ram = BlockRam(width=len(word), depth=self._depth, target=self._target)
            m.submodules[f"bank{number}"] = ram
            m.d.comb += [
                ram.enable.eq(self.enable),
                ram.write.eq(self.write & (bank == number) & (place < self._depth)),
                ram.write_place.eq(place),
                ram.data.eq(self.data),
                ram.place.eq(self.place),
                word.eq(ram.word),
            ]
        return m


def idle_signal(m: Module, *, accepted: Value, left: Value, latency: int) -> Signal:
    """Whether no beat is in a pipeline that stalls as a whole, a cycle late."""
    idle = Signal(init=1, name="idle")
    inside = Signal(range(latency + 1), name="inside")
    m.d.sync += [inside.eq(inside + accepted - left), idle.eq((inside == 0) & ~accepted)]
    return idle


def loadable_store(
    m: Module, port: Any, *, advance: Value, idle: Value, place: Value, banks: int, depth: int, width: int, target: str
) -> Store:
    """A memory of parameters, a word per bank at ``place``, that is written from a stream while the unit is idle.

    Args:
        m: is added to; all of it moves while ``advance`` is high.
        port: the stream: ``address``, ``data``.
        advance, idle: see :func:`idle_signal`.
        place: see :class:`Store`.
        banks, depth, width, target: see :class:`Store`.
    """
    m.submodules.parameters = store = Store(banks=banks, depth=depth, width=width, target=target)
    m.d.comb += [
        port.ready.eq(idle & advance),
        store.enable.eq(advance),
        store.write.eq(port.valid & idle),
        store.address.eq(port.payload.address),
        store.data.eq(port.payload.data),
        store.place.eq(place),
    ]
    return store
