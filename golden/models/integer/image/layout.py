"""Where everything lies in the memory image of an integer Mamba-1: the table that the writer, the reader and the page
about the image share.

An image is a header, two tables and the parts, each filled up with zeros to a multiple of 64 bytes. All numbers are
little-endian. A part has its sections in a fixed order, once for every layer, so that layers follow each
other at a constant stride; hardware reads a part in one stream. The table in the file says the same as
:func:`place`.

The matrices lie as the product engine takes them, R rows by C columns in a beat, in the order of
:mod:`qse_hw.golden.reference.product_schedule`; so do the multipliers of their rows.

Sizes: ``d_model`` m, ``d_inner`` d, ``d_state`` n, ``dt_rank`` r, width of the convolution w, vocabulary v; words of
parameters p, bytes of such a word b.
"""

from dataclasses import dataclass, fields
from math import prod
from typing import Any, NamedTuple

import numpy as np

from qse_hw.golden.checks import integer
from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.linear import MAX_PRODUCTS
from qse_hw.golden.reference.product_schedule import (
    SOURCES,
    Group,
    Shape,
    Slice,
    head_schedule,
    layer_schedule,
    slices,
)

ALIGNMENT = 64
SCALE = np.dtype([("M", "<u2"), ("k", "i1"), ("zero", "u1")])
"""``M * 2**-k`` in 32 bits: M in the low 16, k (signed) in the next 8, zeros."""
MAX_SIZE = (1 << 32) - 1


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of a model and of the product engine's tile; how many words of parameters there are, and their bytes.

    Raises:
        InputError: naming the size that is not from 1 to 2**32 - 1 (0 of the words of parameters), or a tile of more
            than 1024 products.
    """

    layers: int
    d_model: int
    d_inner: int
    d_state: int
    dt_rank: int
    d_conv: int
    vocab_size: int
    rows: int
    columns: int
    parameter_words: int = 0
    parameter_bytes: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            name = f"Image's {field.name}"
            least = 0 if field.name.startswith("parameter_") else 1
            if not least <= integer(getattr(self, field.name), name) <= MAX_SIZE:
                raise InputError(f"{name} must be from {least} to {MAX_SIZE}, not {getattr(self, field.name)}")
        if self.rows * self.columns > MAX_PRODUCTS:
            raise InputError(
                f"Image's rows times columns must be at most {MAX_PRODUCTS}, not {self.rows} times {self.columns}"
            )

    @property
    def engine(self) -> Shape:
        """As the product engine's schedule has them."""
        return Shape(
            d_model=self.d_model, d_inner=self.d_inner, d_state=self.d_state, dt_rank=self.dt_rank, rows=self.rows,
            columns=self.columns, vocabulary=self.vocab_size,
        )  # fmt: skip

    def schedule(self, by_layer: bool) -> list[Group]:
        """The products of a layer, or of the head."""
        return layer_schedule(self.engine) if by_layer else head_schedule(self.engine)

    def of(self, words: str) -> tuple[int, ...]:
        """A shape, given in the letters of this module."""
        letters = {
            "m": self.d_model, "d": self.d_inner, "n": self.d_state, "r": self.dt_rank, "w": self.d_conv,
            "v": self.vocab_size, "p": self.parameter_words, "b": self.parameter_bytes,
        }  # fmt: skip
        return tuple(letters[letter] for letter in words.split())


class Section(NamedTuple):
    """A kind of array.

    Attributes:
        name: in the file's table, up to 24 characters.
        part: where it lies, one of :data:`PARTS`.
        shape: in the letters of this module; "": one number; None: as the product engine takes it.
        type: of an element.
        by_layer: whether every layer has one, or the model.
        meaning: in words.
    """

    name: str
    part: str
    shape: str | None
    type: np.dtype[Any]
    by_layer: bool
    meaning: str


class Part(NamedTuple):
    """A contiguous range that hardware reads in one stream.

    Attributes:
        alignment: of the stride from layer to layer, in bytes; what fills it up is 0.
        meaning: in words.
    """

    alignment: int
    meaning: str


PARTS = {
    "weights": Part(1, "the matrices, beat by beat as the product engine takes them, the head's last"),
    "row_scales": Part(4, "the multipliers of their rows, in the same order; rows that fill up a tile have none"),
    "channels": Part(8, "what the units beside the product engine have for every channel of a layer"),
    "scalars": Part(8, "single numbers of every layer, and of the last norm"),
    "embedding": Part(8, "rows of the embedding, and their multipliers"),
    "parameters": Part(1, "channels and scalars once more, in the words that an accelerator takes when it starts"),
}

_INT8, _INT32, _UINT8, _UINT32, _UINT64 = (np.dtype(name) for name in ("i1", "<i4", "u1", "<u4", "<u8"))
SECTIONS = (
    Section("weights", "weights", None, _INT8, True, "in_proj, x_proj, dt_proj, out_proj"),
    Section("head_weights", "weights", None, _INT8, False, "the head"),
    Section("row_scales", "row_scales", None, SCALE, True, "multipliers of their rows"),
    Section("head_row_scales", "row_scales", None, SCALE, False, "multipliers of the head's rows"),
    Section("A", "channels", "d n", _UINT32, True, "-A log2(e)"),
    Section("D", "channels", "d", _INT32, True, "x's weight in units of C h"),
    Section("inflow_scale", "channels", "d", SCALE, True, "multiplier of delta x"),
    Section("conv_scale", "channels", "d", SCALE, True, "multiplier of the convolution's sum"),
    Section("conv_bias", "channels", "d", _INT32, True, "added to the convolution's sum"),
    Section("dt_bias", "channels", "d", _INT32, True, "added to dt in units of dt_sum"),
    Section("dt_shift", "channels", "d", _UINT8, True, "how far dt is shifted left to units of dt_sum"),
    Section("inflow_shift", "channels", "d", _UINT8, True, "how far delta x B is shifted left to the state's unit"),
    Section("scan_shift", "channels", "d", _UINT8, True, "how far C h + D x is shifted right to scan's unit"),
    Section("conv_taps", "channels", "d w", _INT8, True, "the convolution's taps, the oldest input's first"),
    Section("norm_eps", "scalars", "", _UINT64, True, "added to the norm's sum of squares"),
    Section("norm_scale", "scalars", "", SCALE, True, "the norm's outputs over the root of that sum, to codes"),
    Section("x_scale", "scalars", "", SCALE, True, "SiLU's output to x's codes"),
    Section("y_scale", "scalars", "", SCALE, True, "the Hadamard transform's sums to y's codes"),
    Section("decay_shift", "scalars", "", _INT32, True, "how far delta A is shifted right to exp2's input"),
    Section("gated_shift", "scalars", "", _INT32, True, "how far scan times SiLU(gate) is shifted right"),
    Section("norm_f_eps", "scalars", "", _UINT64, False, "as norm_eps, of the last norm"),
    Section("norm_f_scale", "scalars", "", SCALE, False, "as norm_scale, of the last norm"),
    Section("embedding_scale", "embedding", "v", SCALE, False, "multipliers of the rows, to the residual's unit"),
    Section("embedding", "embedding", "v m", _INT8, False, "a row for every token"),
    Section("parameters", "parameters", "p b", _UINT8, False, "the words, in order"),
)
BY_NAME = {section.name: section for section in SECTIONS}


@dataclass(frozen=True)
class Place:
    """Where a section lies.

    Attributes:
        section: what it is.
        offset: bytes from the beginning of the file to the first layer's.
        stride: bytes from layer to layer.
        copies: layers, or 1.
        elements: of one layer, with those that fill up tiles.
        bits: of an element.
    """

    section: Section
    offset: int
    stride: int
    copies: int
    elements: int
    bits: int

    @property
    def bytes(self) -> int:
        """Of one layer."""
        return self.elements * self.bits // 8


def place(sizes: Sizes, begin: int) -> tuple[Place, ...]:
    """Where every section lies in an image whose parts begin at or after ``begin``, as the file's table has it."""
    places: list[Place] = []
    for part in PARTS:
        begin = aligned(begin)
        for by_layer in (True, False):
            measured = [
                (section, *_measure(section, sizes))
                for section in SECTIONS
                if (section.part, section.by_layer) == (part, by_layer)
            ]
            copies = sizes.layers if by_layer else 1
            stride = aligned(sum(count * bits // 8 for _, count, bits in measured), PARTS[part].alignment)
            offset = begin
            for section, count, bits in measured:
                places.append(Place(section, offset, stride, copies, count, bits))
                offset += places[-1].bytes
            begin += copies * stride
    return tuple(places)


def extents(places: tuple[Place, ...]) -> dict[str, tuple[int, int]]:
    """Where each part begins, and how many bytes it has with the zeros at its end, by name."""
    groups = {part: [one for one in places if one.section.part == part] for part in PARTS}
    return {
        part: (own[0].offset, aligned(sum({one.section.by_layer: one.copies * one.stride for one in own}.values())))
        for part, own in groups.items()
    }


def aligned(offset: int, alignment: int = ALIGNMENT) -> int:
    """The next multiple of the alignment."""
    return -(-offset // alignment) * alignment


def _measure(section: Section, sizes: Sizes) -> tuple[int, int]:
    """Elements of one layer, and bits of an element."""
    bits = 8 * section.type.itemsize
    if section.shape is not None:
        return prod(sizes.of(section.shape)), bits
    jobs = list(slices(sizes.schedule(section.by_layer)))
    if section.part == "row_scales":
        return sum(job.end - job.first for job in jobs), bits
    return sum(job_beats(job, sizes.engine) for job in jobs) * sizes.rows * sizes.columns, bits


def job_beats(job: Slice, shape: Shape) -> int:
    """Beats of a job's weights."""
    return -(-(job.end - job.first) // shape.rows) * shape.beats(SOURCES[job.result])
