"""Writes the tables of docs/image.md from the image's layout: python docs/image.py [--check]."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from blocks import fill, markdown

from qse_hw.golden.models.integer.image import header
from qse_hw.golden.models.integer.image.layout import PARTS, SCALE, Section, Sizes, extents, place
from qse_hw.golden.models.mamba.checkpoint import load_model

PAGE = Path(__file__).parent / "image.md"
TILE = (4, 8)
WORDS = {
    "name": "ASCII, filled up with zeros",
    "offset": "bytes from the beginning of the file (of a section: to the first layer's)",
    "bytes": "of the part",
    "crc": "CRC-32 of the part's bytes",
    "part": "number of the part it lies in, from 0",
    "bits": "of an element",
    "elements": "of one layer, with those that fill up tiles",
    "stride": "bytes from layer to layer",
    "copies": "number of layers, or 1",
    "zero": "zeros",
}


def example() -> Sizes:
    """The bundled Mamba-1's."""
    config: Any = load_model("mamba-bytes").config
    return Sizes(
        layers=config.n_layer, d_model=config.d_model, d_inner=config.d_inner, d_state=config.d_state,
        dt_rank=config.dt_rank, d_conv=config.d_conv, vocab_size=config.vocab_size, rows=TILE[0], columns=TILE[1],
    )  # fmt: skip


def record(dtype: np.dtype[Any], meanings: dict[str, str]) -> str:
    """The fields of a record."""
    assert dtype.fields is not None
    rows = [
        [f"`{name}`", str(offset), _words(own), meanings[name]]
        for name, (own, offset, *_) in dtype.fields.items()
    ]
    return markdown(["field", "at byte", "type", "what"], rows)


def parts(sizes: Sizes) -> str:
    """What the parts are for."""
    rows = [
        [f"`{name}`", PARTS[name].meaning, f"{PARTS[name].alignment}", f"{begin:,}", f"{length:,}"]
        for name, (begin, length) in extents(place(sizes, header.TABLES)).items()
    ]
    return markdown(["part", "what", "stride: multiple of", "offset", "bytes"], rows)


def sections(sizes: Sizes) -> str:
    """Every section."""
    rows = []
    for one in place(sizes, header.TABLES):
        section = one.section
        rows.append([
            f"`{section.name}`", f"`{section.part}`", section.meaning,
            _shape(section), "scale" if section.type == SCALE else section.type.name,
            "layer" if section.by_layer else "model", f"{one.offset:,}", f"{one.stride:,}" if section.by_layer else "",
        ])  # fmt: skip
    return markdown(["section", "part", "what", "shape", "element", "of every", "offset", "stride"], rows)


def _shape(section: Section) -> str:
    if section.shape is None:
        return "as the engine takes it"
    return f"({', '.join(section.shape.split())})" if section.shape else "1"


def _words(own: np.dtype[Any]) -> str:
    if own.subdtype is not None:
        return f"{own.subdtype[1][0]} bytes"
    return f"{own.itemsize} letters" if own.kind == "S" else own.name


def blocks() -> dict[str, str]:
    """Everything computed, by name."""
    sizes = example()
    return {
        "header": record(header.HEADER, header.MEANINGS),
        "part-entry": record(header.PART, WORDS),
        "section-entry": record(header.SECTION, WORDS),
        "parts": parts(sizes),
        "sections": sections(sizes),
    }


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    filled = fill(text, blocks())
    if "--check" in sys.argv[1:]:
        sys.exit(0 if filled == text else "image.md is not what docs/image.py makes")
    PAGE.write_text(filled, encoding="utf-8")
