"""The memory in Amaranth's simulator against a list, and the model of the ECP5's cells against the memory."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.sim.cycle.stimulus import full_speed
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.simulators import icarus


class Ram(wiring.Component):
    """An input beat is an access, an output beat the word read; always ready."""

    def __init__(self, width, depth, target):
        self.ram = BlockRam(width=width, depth=depth, target=target)
        self.latency = BlockRam.latency
        access = {"write": 1, "write_place": len(self.ram.place), "place": len(self.ram.place), "data": width}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({name: unsigned(bits) for name, bits in access.items()}))),
                "o": Out(stream.Signature(unsigned(width))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = self.ram
        valid = Signal(self.latency)
        m.d.sync += valid.eq(Cat(self.i.valid, valid))
        access = self.i.payload
        m.d.comb += [
            self.i.ready.eq(1),
            self.o.valid.eq(valid[-1]),
            ram.write.eq(access.write & self.i.valid),
            ram.write_place.eq(access.write_place),
            ram.place.eq(access.place),
            ram.data.eq(access.data),
            Value.cast(self.o.payload).eq(ram.word),
        ]
        return m


@dataclass(frozen=True, kw_only=True)
class RamConfig(UnitConfig):
    unit: ClassVar[str] = "ram"
    lanes: ClassVar[int] = 1
    width: int
    depth: int
    target: str = "ecp5"

    @property
    def label(self):
        return f"ram {self.width}x{self.depth}"

    def component(self):
        return Ram(self.width, self.depth, self.target)

    def parameters(self):
        return {}

    def vectors(self):
        return {}


def accesses(rng, config):
    """Writes some addresses, the first and last among them, while reading others; then reads those written."""
    chosen = np.unique(np.concatenate([rng.integers(0, config.depth, 150), [0, 1, config.depth - 1]]))
    written = rng.permutation(np.tile(chosen, 2 + 40 // len(chosen)))
    write = np.concatenate([rng.integers(0, 4, len(written)) > 0, np.zeros(len(chosen), bool)])
    write_place = np.concatenate([written, rng.permutation(chosen)])
    place = np.concatenate([rng.choice(chosen, len(written)), chosen])
    place = np.where(write & (place == write_place), (place + 1) % config.depth, place)
    words = [int.from_bytes(rng.bytes(8), "little") % (1 << config.width) for _ in write]
    return write, write_place, place, words


def stimulus(config, write, write_place, place, words):
    bits = (config.depth - 1).bit_length()
    beats = [
        int(w) | int(at) << 1 | int(to) << 1 + bits | word << 1 + 2 * bits
        for w, at, to, word in zip(write, write_place, place, words, strict=True)
    ]
    size = -(-(1 + 2 * bits + config.width) // 8)
    packed = np.frombuffer(b"".join(beat.to_bytes(size, "little") for beat in beats), np.uint8).reshape(-1, size)
    return full_speed(packed, cycles=len(beats) + BlockRam.latency)


def expected(config, write, write_place, place, words):
    memory, reads = {}, []
    for w, at, to, word in zip(write, write_place.tolist(), place.tolist(), words, strict=True):
        reads.append(memory.get(to, 0))
        if w:
            memory[at] = word
    return reads


@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize(("width", "depth"), [(1, 2), (13, 33), (40, 500)])
def test_against_a_list(rng, width, depth, target):
    config = RamConfig(width=width, depth=depth, target=target)
    given = accesses(rng, config)
    trace = simulate(config.component(), stimulus(config, *given))
    payload = trace["o__payload"][trace["o__valid"]]
    got = [int.from_bytes(row.tobytes(), "little") for row in payload]
    want = expected(config, *given)
    assert got == want
    assert len(set(want)) > 1


SHAPES = [(20, 32, 0), (36, 33, 36), (40, 512, 36), (16, 513, 18), (13, 2048, 9), (8, 2049, 4), (5, 5000, 2),
          (2, 16384, 1), (2, 16385, 0)]  # fmt: skip
SHORT = [(40, 512, 36), (13, 2048, 9)]


@pytest.mark.every(6)
@pytest.mark.parametrize(("width", "depth", "bits"), SHAPES)
def test_how_many_cells(width, depth, bits):
    """Cells of the widest shape that holds the depth; none for small and very large memories."""
    unit = emit(RamConfig(width=width, depth=depth))
    assert unit.text.count("DP16KD #(") == (-(-width // bits) if bits else 0)
    assert len(re.findall(rf"\.DATA_WIDTH_[AB]\(32'(?:d{bits}|h{bits:08x})\)", unit.text)) == (
        2 * -(-width // bits) if bits else 0
    )
    assert list(unit.models) == (["DP16KD.v"] if bits else [])


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize(
    ("width", "depth", "bits"), [*SHORT, *(pytest.param(*shape, marks=pytest.mark.full) for shape in SHAPES)]
)
def test_cells(rng, width, depth, bits, simulator, tmp_path):
    """With widths that fill the cells and widths that do not."""
    config = RamConfig(width=width, depth=depth)
    given = stimulus(config, *accesses(rng, config))
    [trace] = record_all(emit(config), [given], folder=tmp_path, simulator=simulator)
    assert first_difference(simulate(config.component(), given), trace) == ""
