"""The beginning of a memory image: header, table of parts, table of sections."""

import zlib
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.image.layout import PARTS, SECTIONS, Place, Sizes, aligned, extents, place
from qse_hw.golden.reference.product_schedule import RESULTS, slices

MAGIC, VERSION = b"QSEHWIMG", 2
HEADER = np.dtype([
    ("magic", "S8"), ("version", "<u4"), ("crc", "<u4"), ("bytes", "<u8"), ("parts", "<u4"), ("sections", "<u4"),
    ("schedule", "<u4"), ("hardware", "<u4"), ("model", "u1", 32), ("formats", "u1", 32),
    *((field.name, "<u4") for field in fields(Sizes)), ("zero", "u1", 12),
])  # fmt: skip
PART = np.dtype([("name", "S16"), ("offset", "<u8"), ("bytes", "<u8"), ("crc", "<u4"), ("zero", "<u4")])
SECTION = np.dtype([
    ("name", "S24"), ("part", "<u4"), ("bits", "<u4"), ("elements", "<u8"), ("offset", "<u8"), ("stride", "<u8"),
    ("copies", "<u4"), ("zero", "<u4"),
])  # fmt: skip
MEANINGS = {
    "magic": f"the letters {MAGIC.decode()}",
    "version": f"of this layout: {VERSION}",
    "crc": "CRC-32 (zlib's) of all that is before the first part, computed with 0 here",
    "bytes": "of the file",
    "parts": "entries of the table of parts, which follows the header",
    "sections": "entries of the table of sections, which follows that",
    "schedule": "CRC-32 of the order of products, see there",
    "hardware": "which accelerator the part `parameters` is for, see there; 0 without it",
    "model": "SHA-256 of the checkpoint, as the calibration has it",
    "formats": "SHA-256 of the calibration's JSON, its keys sorted, without spaces",
    "layers": "their number",
    "d_model": "m, the width of the residual stream",
    "d_inner": "d, channels of the scan",
    "d_state": "n, states of a channel",
    "dt_rank": "r",
    "d_conv": "w, taps of the convolution",
    "vocab_size": "v",
    "rows": "R, rows of the product engine's tile",
    "columns": "C, its columns",
    "parameter_words": "p, words of parameters; 0 without them",
    "parameter_bytes": "b, bytes of such a word; 0 without them",
    "zero": "zeros",
}
TABLES = aligned(HEADER.itemsize + len(PARTS) * PART.itemsize + len(SECTIONS) * SECTION.itemsize)
"""Bytes of header and tables together, with the zeros at their end."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What an image says of itself.

    Attributes:
        model, formats: SHA-256 of the checkpoint and of the calibration, hex.
        sizes: of the model, and of the tile.
        crcs: CRC-32 of every part, in their order.
        hardware: which accelerator the words of parameters are for; 0 without them.
    """

    model: str
    formats: str
    sizes: Sizes
    crcs: tuple[int, ...]
    hardware: int = 0

    @property
    def places(self) -> tuple[Place, ...]:
        """Where every section lies."""
        return place(self.sizes, TABLES)

    @property
    def size(self) -> int:
        """Bytes of the file, which ends with its last part."""
        return sum(list(extents(self.places).values())[-1])


def to_bytes(header: Header) -> bytes:
    """Header and tables, filled up to :data:`TABLES` bytes."""
    head, parts, sections = np.zeros((), HEADER), np.zeros(len(PARTS), PART), np.zeros(len(SECTIONS), SECTION)
    head["magic"], head["version"], head["bytes"] = MAGIC, VERSION, header.size
    head["parts"], head["sections"] = len(parts), len(sections)
    head["schedule"], head["hardware"] = schedule_crc(header.sizes), header.hardware
    for name in ("model", "formats"):
        head[name] = np.frombuffer(bytes.fromhex(getattr(header, name)), np.uint8)
    for field, size in zip(fields(Sizes), astuple(header.sizes), strict=True):
        head[field.name] = size
    for number, (name, (offset, size)) in enumerate(extents(header.places).items()):
        parts[number] = (name.encode(), offset, size, header.crcs[number], 0)
    for number, one in enumerate(header.places):
        part = list(PARTS).index(one.section.part)
        own = one.section.name.encode(), part
        sections[number] = (*own, one.bits, one.elements, one.offset, one.stride, one.copies, 0)
    tables = (parts.tobytes() + sections.tobytes()).ljust(TABLES - HEADER.itemsize, b"\0")
    head["crc"] = zlib.crc32(head.tobytes() + tables)
    return head.tobytes() + tables


def schedule_crc(sizes: Sizes) -> int:
    """CRC-32 of the order of products: of every job of a layer, then of the head, the result's number in
    :data:`qse_hw.golden.reference.product_schedule.RESULTS`, the first row and the one after the last, uint32 each.
    """
    jobs = [job for by_layer in (True, False) for job in slices(sizes.schedule(by_layer))]
    numbers = [(RESULTS.index(job.result), job.first, job.end) for job in jobs]
    return zlib.crc32(np.array(numbers, "<u4").tobytes())


def from_bytes(begin: bytes, size: int, where: str) -> Header:
    """The header of a file of ``size`` bytes that begins so (:data:`TABLES` bytes, or all of a shorter file).

    Raises:
        InputError: which begins with ``where``, for what is no image, of another version, truncated or damaged.
    """
    if not begin.startswith(MAGIC):
        raise InputError(f"{where} must be a memory image of an integer Mamba-1, and does not begin like one")
    if len(begin) < TABLES:
        raise InputError(f"{where} is truncated: its header has {TABLES} bytes, but it ends after {size}; {_REMEDY}")
    head: Any = np.frombuffer(begin[: HEADER.itemsize], HEADER)[0]
    if head["version"] != VERSION:
        raise InputError(f"{where} must be of version {VERSION}, and is of version {head['version']}; {_REMEDY}")
    unsigned = np.frombuffer(begin[: HEADER.itemsize], HEADER).copy()
    unsigned["crc"] = 0
    if zlib.crc32(unsigned.tobytes() + begin[HEADER.itemsize : TABLES]) != head["crc"]:
        raise InputError(f"{where} is damaged: the checksum of its header differs; {_REMEDY}")
    parts = np.frombuffer(begin[HEADER.itemsize :], PART, len(PARTS))
    header = Header(
        model=head["model"].tobytes().hex(),
        formats=head["formats"].tobytes().hex(),
        sizes=_sizes(head, size, where),
        crcs=tuple(map(int, parts["crc"])),
        hardware=int(head["hardware"]),
    )
    if head["schedule"] != schedule_crc(header.sizes):
        raise InputError(f"{where} must have its weights in the product engine's order, and has another; {_REMEDY}")
    if to_bytes(header) != begin[:TABLES]:
        raise InputError(f"{where} must have the layout of version {VERSION}, and has another; {_REMEDY}")
    if size != header.size:
        how = "truncated" if size < header.size else "too long"
        raise InputError(
            f"{where} is {how}: it must have {header.size} bytes, as its header says, not {size}; {_REMEDY}"
        )
    return header


def _sizes(head: Any, size: int, where: str) -> Sizes:
    """The sizes; InputError for those of a model that so many bytes cannot hold, of which nothing is computed."""
    try:
        sizes = Sizes(**{field.name: int(head[field.name]) for field in fields(Sizes)})
    except InputError as error:
        raise InputError(f"{where} is damaged: {error}; {_REMEDY}") from error
    if max(sizes.layers * sizes.d_inner * sizes.d_model, sizes.vocab_size * sizes.d_model) > max(size, _SMALL):
        raise InputError(f"{where} is truncated: {size} bytes cannot hold the weights of its sizes; {_REMEDY}")
    return sizes


_SMALL = 1 << 24  # weights of a model whose layout is quickly computed
_REMEDY = "write the image again"
