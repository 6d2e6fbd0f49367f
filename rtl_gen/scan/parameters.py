# amaranth: UnusedElaboratable=no
"""The memories of the scan's parameters, and how words come into them."""

from typing import Any, NamedTuple

from amaranth.hdl import Module, Signal, Value

from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.stages import Stages

WRITE_LATENCY = 1
"""Cycles from a word's handshake until it is written: it must not be read in that cycle."""


class Word(NamedTuple):
    """What is written now: whether, the address, the data; and how many addresses there are."""

    write: Value
    address: Value
    data: Value
    depth: int


def accepted_word(m: Module, port: Any, *, idle: Value, depth: int, name: str) -> Word:
    """The word that a stream's handshake brought :data:`WRITE_LATENCY` cycles ago.

    The registers keep the check of the address apart from the way to the memory's many cells, which is long.

    Args:
        m: is added to.
        port: the stream: ``address``, ``data``.
        idle: it is ready.
        depth: addresses; words for others are dropped.
        name: of the signals.
    """
    stages, address = Stages(m, ()), port.payload.address
    write = Signal(name=f"{name}_write")
    m.d.sync += write.eq(port.valid & idle & (address < depth))
    return Word(
        write, stages.register(address, f"{name}_address"), stages.register(port.payload.data, f"{name}_data"), depth
    )


def word_memory(m: Module, word: Word, part: slice, *, target: str, name: str) -> BlockRam:
    """A memory of a part of the words' bits."""
    data = word.data[part]
    m.submodules[name] = memory = BlockRam(width=len(data), depth=word.depth, target=target)
    m.d.comb += [memory.write.eq(word.write), memory.write_place.eq(word.address), memory.data.eq(data)]
    return memory
