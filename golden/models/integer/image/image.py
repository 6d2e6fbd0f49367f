"""Writes and reads a memory image: the integers of a Mamba-1 as hardware finds them in its memory."""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.checks import as_path, instance, integer
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.golden.models.integer.document import formats_to_json
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.image.contents import Array, layer_arrays, layers_of, model_arrays, parameters_of
from qse_hw.golden.models.integer.image.header import TABLES, Header, from_bytes, to_bytes
from qse_hw.golden.models.integer.image.layout import BY_NAME, PARTS, Place, Section, Sizes, aligned, extents
from qse_hw.golden.models.integer.parameters import Parameters
from qse_hw.golden.models.integer.shared import shared_formats

_PIECE = 1 << 24  # bytes read at a time


class ParameterWords(NamedTuple):
    """What an accelerator takes when it starts.

    Attributes:
        words: uint8 (words, bytes); 64 bytes are a multiple of a word, or a word is one of them.
        hardware: CRC-32 that says which accelerator they are for; its image has no other.
    """

    words: npt.NDArray[np.uint8]
    hardware: int


_NONE = ParameterWords(np.zeros((0, 0), np.uint8), 0)


class Image:
    """An image that was read: sound, and what its header says.

    Attributes:
        header: of the file.
    """

    def __init__(self, header: Header, content: npt.NDArray[np.uint8]) -> None:
        self.header, self._content = header, content
        self._places = {one.section.name: one for one in header.places}

    def array(self, name: str, layer: int = 0) -> Array:
        """A section's array, a copy.

        Args:
            name: of the section, one of :data:`qse_hw.golden.models.integer.image.layout.BY_NAME`.
            layer: whose; 0 for a section of the model.

        Returns:
            In the section's shape; what the product engine takes is flat, in its order. int64, of scales
            :data:`qse_hw.golden.models.integer.image.layout.SCALE`.

        Raises:
            InputError: for an unknown name, or a layer that the image does not have.
        """
        if name not in self._places:
            raise InputError(f"Section must be one of {', '.join(BY_NAME)}, not {name!r}")
        place = self._places[name]
        if not 0 <= integer(layer, "Layer") < place.copies:
            raise InputError(f"Layer of {name} must be from 0 to {place.copies - 1}, not {layer}")
        begin, section = place.offset + layer * place.stride, place.section
        stored = self._content[begin : begin + place.bytes].tobytes()
        values = np.frombuffer(stored, section.type).reshape(_shape(section, self.header.sizes))
        return values.copy() if section.type.names else values.astype(np.int64)

    def check(self, formats: ModelFormats) -> None:
        """InputError unless the image is of the model with these formats."""
        instance(formats, ModelFormats, "Formats", "a ModelFormats, as calibrate_integer gives it")
        if self.header.model != formats.model:
            raise InputError(
                f"Image must be of the model {formats.model[:12]}, but is of {self.header.model[:12]}; write it again"
            )
        if self.header.formats != digest(formats):
            raise InputError(
                f"Image must be of this calibration, {digest(formats)[:12]}, but is of another of the same model, "
                f"{self.header.formats[:12]}; write it again"
            )

    def parameters(self, formats: ModelFormats) -> Parameters:
        """The integers of the model, equal to those that were written.

        Raises:
            InputError: unless the image is of the model with these formats.
        """
        self.check(formats)
        return parameters_of(self.array, formats, self.header.sizes)


def digest(formats: ModelFormats) -> str:
    """SHA-256 of the formats' JSON document, its keys sorted, without spaces; hex."""
    text = json.dumps(formats_to_json(formats), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_image(
    path: str | os.PathLike[str], parameters: Parameters, *, rows: int, columns: int, words: ParameterWords = _NONE
) -> Header:
    """Write an image, whole or not at all.

    Args:
        path: the file.
        parameters: of a Mamba-1 whose layers share their formats.
        rows, columns: of the product engine's tile, at most 1024 products.
        words: the part ``parameters``; it is empty without them.

    Returns:
        The header, which says where everything lies.

    Raises:
        InputError: for a Mamba-2, formats that the layers do not share, a tile that is too large, a number that its
            element cannot hold, or a place that cannot be written.
    """
    as_path(path, "Image")
    instance(parameters, Parameters, "Parameters", "Parameters, as model_parameters gives them")
    layers, formats = layers_of(parameters), parameters.formats
    shared_formats(formats)
    first = layers[0]
    sizes = Sizes(
        layers=len(layers), d_model=first.out.weights.shape[0], d_inner=first.A.shape[0], d_state=first.A.shape[1],
        dt_rank=first.dt.weights.shape[1], d_conv=first.conv.taps.shape[1], vocab_size=len(parameters.head.weights),
        rows=rows, columns=columns, parameter_words=words.words.shape[0], parameter_bytes=words.words.shape[1],
    )  # fmt: skip
    empty = Header(
        model=formats.model, formats=digest(formats), sizes=sizes, crcs=(0,) * len(PARTS), hardware=words.hardware
    )
    with replacing(path) as temporary, temporary.open("wb") as file:
        crcs = []
        file.write(bytes(TABLES))
        for content in _contents(parameters, empty, words):
            crc = 0
            for piece in content:
                file.write(piece)
                crc = zlib.crc32(piece, crc)
            crcs.append(crc)
        header = replace(empty, crcs=tuple(crcs))
        file.seek(0)
        file.write(to_bytes(header))
    return header


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read and check an image; it is mapped into memory.

    Raises:
        InputError: if it cannot be read, is no image, of another version, truncated, or damaged (naming the part).
    """
    where = f"Image {as_path(path, 'Image')}"
    try:
        with open(path, "rb") as file:
            begin = file.read(TABLES)
            size = file.seek(0, os.SEEK_END)
        header = from_bytes(begin, size, where)
        content = np.memmap(path, np.uint8, "r")
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}") from error
    for (part, (offset, length)), expected in zip(extents(header.places).items(), header.crcs, strict=True):
        end, crc = offset + length, 0
        for start in range(offset, end, _PIECE):
            crc = zlib.crc32(content[start : min(start + _PIECE, end)].tobytes(), crc)
        if crc != expected:
            raise InputError(
                f"{where} is damaged: the checksum of its part {part} is {crc:08x}, and must be {expected:08x}; write "
                "the image again"
            )
    return Image(header, content)


def _contents(parameters: Parameters, header: Header, words: ParameterWords) -> Iterator[Iterator[bytes]]:
    """Every part's content."""
    for part in PARTS:
        places = [one for one in header.places if one.section.part == part]
        yield _content(parameters, places, header.sizes, words)


def _content(parameters: Parameters, places: list[Place], sizes: Sizes, words: ParameterWords) -> Iterator[bytes]:
    """Of a part: what each layer has, then what the model has; zeros up to the next part."""
    length = 0
    for by_layer in (True, False):
        own = [one for one in places if one.section.by_layer == by_layer]
        for number in range(own[0].copies if own else 0):
            layer = layers_of(parameters)[number]
            arrays = layer_arrays(layer, sizes) if by_layer else model_arrays(parameters, sizes)
            arrays["parameters"] = words.words
            where = f"Layer {number}, " if by_layer else ""
            for one in own:
                yield _stored(arrays[one.section.name], one.section, sizes, where)
            yield b"\0" * (own[0].stride - sum(one.bytes for one in own))
            length += own[0].stride
    yield bytes(aligned(length) - length)


def _stored(array: Array, section: Section, sizes: Sizes, where: str) -> bytes:
    """An array's bytes.

    Raises:
        InputError: for another shape than the section has, or a number that its element cannot hold.
    """
    shape = _shape(section, sizes)
    if section.shape is not None and array.shape != shape:
        raise InputError(f"{where}{section.name} must have the shape {shape}, not {array.shape}")
    if section.type.names or not array.size:
        return array.tobytes()
    range_ = np.iinfo(section.type)
    if int(array.min()) < range_.min or int(array.max()) > range_.max:
        raise InputError(
            f"{where}{section.name} must be from {range_.min} to {range_.max} in an image, but is from {array.min()} "
            f"to {array.max()}; calibrate again"
        )
    return array.astype(section.type).tobytes()


def _shape(section: Section, sizes: Sizes) -> tuple[int, ...]:
    return (-1,) if section.shape is None else sizes.of(section.shape)
