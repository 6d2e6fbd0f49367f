"""The stage of a streaming Hadamard transform that multiplies by a small matrix, across the chunks of a vector."""

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Array, Cat, Const, Module, Signal, Value, signed

from qse_hw.rtl_gen.hadamard.butterfly import Stage
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count

Node = tuple[list[Signal], Signal]
"""A node of the adder tree: sums of some chunks, one per lane, and whether the first of the chunks is subtracted."""


class MatrixStage(Stage):
    """``y[r, b] = sum(matrix[r, c] * x[c, b])`` over the chunks c of ``beats`` beats b each, in the order of r, then b.

    Each chunk has a memory for two vectors: while one vector is written, all chunks of the other are read together,
    once per row. A subtracted value is inverted, and the 1 that completes its negation enters the adder tree as a
    carry: the tree has a carry for each chunk but the first, which is never subtracted. So a sum of s chunks of B bits
    is from ``-s * 2**(B-1)`` to ``s * 2**(B-1) - 1`` and needs no more than ``ceil(log2(s))`` bits more.

    Parameters:
        lanes, width: see :class:`qse_hw.rtl_gen.hadamard.butterfly.Stage`.
        matrix: (m, m) of +1 and -1, the first column +1.
        beats: beats of a chunk.
        halves: an incoming vector is two vectors for this stage, and leaves as two, each with its ``y_start``.
        target: see :class:`qse_hw.rtl_gen.logic.block_ram.BlockRam`.
    """

    def __init__(
        self, *, lanes: int, width: int, matrix: npt.NDArray[np.int64], beats: int, halves: bool, target: str
    ) -> None:
        self._matrix = matrix
        self._beats = beats
        self._halves = halves
        self._target = target
        chunks = len(matrix)
        self._levels = (chunks - 1).bit_length()
        slots = (chunks - 1) * beats + 2 + BlockRam.latency + self._levels
        super().__init__(lanes=lanes, width=width, growth=self._levels, slots=slots)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chunks = len(self._matrix)
        chunk, write_row, complete = self._write(m)
        row, read_row = self._read(m, complete)
        start: Value = complete
        for number in range(BlockRam.latency + 1 + self._levels):
            before, start = start, Signal(name=f"start{number}")
            m.d.sync += start.eq(before)
        m.d.comb += self.y_start.eq(start)

        table = [sum(1 << c for c in range(chunks) if entries[c] < 0) for entries in self._matrix.tolist()]
        signs: Value = Array(Const(word, chunks) for word in table)[row]
        for number in range(BlockRam.latency):
            before, signs = signs, Signal(chunks, name=f"signs{number}", reset_less=True)
            m.d.sync += signs.eq(before)
        nodes: list[Node] = []
        for c in range(chunks):
            ram = BlockRam(width=self.lanes * self.width, depth=2 * self._beats, target=self._target)
            m.submodules[f"chunk{c}"] = ram
            m.d.comb += [
                ram.enable.eq(self.enable),
                ram.write.eq(chunk[c]),
                ram.write_place.eq(write_row),
                ram.data.eq(Cat(*self.x)),
                ram.place.eq(read_row),
            ]
            values, sign = self._node(f"leaf{c}", self.width)
            m.d.sync += sign.eq(signs[c])
            for lane, value in enumerate(values):
                m.d.sync += value.eq(ram.word.word_select(lane, self.width) ^ signs[c].replicate(self.width))
            nodes.append((values, sign))
        for level in range(self._levels):
            nodes = [self._sum(m, f"sum{level}_{n // 2}", nodes[n : n + 2]) for n in range(0, len(nodes), 2)]
        m.d.comb += [y.eq(value) for y, value in zip(self.y, nodes[0][0], strict=True)]
        return m

    def _write(self, m: Module) -> tuple[Signal, Value, Signal]:
        """``(chunk, address, complete)``: the chunk of the beat at ``x`` (one-hot; none between vectors), its address
        in the chunk's memory, and whether all chunks can be read from the next slot on.
        """
        chunk = Signal(len(self._matrix))
        side = Signal()
        more = Signal()
        beat, last = count(m, self._beats, "written", restart=self.start)
        again = Signal()
        complete = Signal()
        m.d.comb += [again.eq(more & chunk[-1]), complete.eq(chunk[-1] & (beat == 0))]
        with m.If(self.start):
            m.d.sync += [chunk.eq(1), side.eq(~side), more.eq(int(self._halves))]
        with m.Elif(last):
            m.d.sync += [chunk.eq(Cat(again, chunk)), side.eq(side ^ again), more.eq(more & ~again)]
        return chunk, Cat(beat, side), complete

    def _read(self, m: Module, complete: Signal) -> tuple[Signal, Value]:
        """The row of the matrix, and the address to read in the memories."""
        row = Signal(range(len(self._matrix)))
        side = Signal()
        beat, last = count(m, self._beats, "read", restart=complete)
        with m.If(complete):
            m.d.sync += [row.eq(0), side.eq(~side)]
        with m.Elif(last):
            m.d.sync += row.eq(row + 1)
        return row, Cat(beat, side)

    def _node(self, name: str, width: int) -> Node:
        values = [Signal(signed(width), name=f"{name}_{lane}", reset_less=True) for lane in range(self.lanes)]
        return values, Signal(name=f"{name}_sign", reset_less=True)

    def _sum(self, m: Module, name: str, nodes: list[Node]) -> Node:
        """The sum of two nodes, or a single node unchanged, a slot later."""
        left, *right = nodes
        values, sign = self._node(name, len(left[0][0]) + 1)
        m.d.sync += sign.eq(left[1])
        for lane, value in enumerate(values):
            if right:
                carry = right[0][1]  # enters through an extra low bit
                a, b = (Cat(carry, node[0][lane]).as_signed() for node in (left, right[0]))
                m.d.sync += value.eq((a + b)[1 : len(value) + 1])
            else:
                m.d.sync += value.eq(left[0][lane])
        return values, sign
