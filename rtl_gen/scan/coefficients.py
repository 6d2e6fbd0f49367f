"""The sets of B and C of a scan: one is loaded while another is in use."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value

from qse_hw.golden.reference.scan import COEFFICIENT_BITS
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.scan.control import Chains
from qse_hw.rtl_gen.units.scan import ScanConfig


def coefficient_sets(
    m: Module, port: Any, config: ScanConfig, *, chains: Chains, ready: Signal, B_step: int, C_step: int
) -> tuple[Value, Value]:
    """Load sets of B and C from the stream ``port``; returns B at step ``B_step`` and C at ``C_step``, the later one.

    Args:
        m: is added to.
        port: the stream.
        config: of the unit.
        chains: of the groups that were issued.
        ready: is set: there is a set for the groups to be issued.
        B_step, C_step: when they are needed.
    """
    loaded = Signal(range(3))  # sets of which groups are to be issued
    held = Signal(range(3))  # sets that are to be read
    accepted = Signal()
    filled = Signal()
    buffer = Signal()
    released = chains.set_last(release_step(C_step))
    with m.If(accepted):
        fill, fill_last = count(m, config.groups, "fill")
    with m.If(filled):
        m.d.sync += buffer.eq(~buffer)
    m.d.comb += [
        port.ready.eq(~held[1]),
        accepted.eq(port.valid & port.ready),
        filled.eq(accepted & fill_last),
        ready.eq(loaded.any()),
    ]
    m.d.sync += [loaded.eq(loaded + filled - chains.set_last(0)), held.eq(held + filled - released)]
    words = []
    for name, step in (("B", B_step), ("C", C_step)):
        at = step - BlockRam.latency
        read_buffer = Signal(name=f"{name}_buffer")
        with m.If(chains.group(at)):
            number, _ = count(m, config.groups, f"{name}_group")
            m.d.sync += read_buffer.eq(read_buffer ^ chains.set_last(at))
        m.submodules[name] = memory = BlockRam(
            width=config.lanes * COEFFICIENT_BITS,
            depth=2 << (config.groups - 1).bit_length(),
            target=config.target,
        )
        m.d.comb += [
            memory.write.eq(accepted),
            memory.write_place.eq(Cat(fill, buffer)),
            memory.data.eq(port.payload[name].as_value()),
            memory.place.eq(Cat(number, read_buffer)),
        ]
        words.append(memory.word)
    return words[0], words[1]


def release_step(C_step: int) -> int:
    """The step after which a set is not read again."""
    return C_step - BlockRam.latency
