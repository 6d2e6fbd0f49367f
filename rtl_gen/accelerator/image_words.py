"""A mixer's words of parameters as a memory image has them, and where the image has what."""

import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from qse_hw.golden.models.integer.image.header import HEADER, PART, TABLES, Header, schedule_crc, to_bytes
from qse_hw.golden.models.integer.image.image import ParameterWords, write_image
from qse_hw.golden.models.integer.image.layout import ALIGNMENT, PARTS, SCALE, Place, Sizes, extents, place
from qse_hw.golden.models.integer.parameters import Parameters
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.mixer.model import parameter_words
from qse_hw.rtl_gen.mixer.parameter_bus import UNIT_BITS
from qse_hw.rtl_gen.units.options import to_json

FREE = ("norm_lanes", "hadamard_lanes", "sequences", "target", "taps")
"""Options of a mixer that change neither its words of parameters nor its arithmetic."""
_LEAST_BYTES, _ANY = 16, "0" * 64


def stored_bytes(config: MixerConfig) -> int:
    """Bytes of a word of parameters in the image: a power of two, so that bus words are parts or multiples of it."""
    bits = UNIT_BITS + max(config.parameter_bits.values())
    return max(_LEAST_BYTES, 1 << (-(-bits // 8) - 1).bit_length())


def word_count(config: MixerConfig) -> int:
    """Words of parameters in the image, with those that fill it up to :data:`ALIGNMENT`."""
    channels = config.layers * config.d_inner
    words = config.layers + (config.vocabulary > 0) + channels * (3 + config.scan_config.groups)
    whole = max(1, ALIGNMENT // stored_bytes(config))
    return -(-words // whole) * whole


def hardware_crc(config: MixerConfig) -> int:
    """What an image's header says of the hardware: CRC-32 of the options' JSON but for :data:`FREE`, sorted by name."""
    options = {name: value for name, value in to_json(config).items() if name not in FREE}
    return zlib.crc32(json.dumps(options, sort_keys=True, separators=(",", ":")).encode())


def image_words(parameters: Parameters, config: MixerConfig) -> ParameterWords:
    """The part ``parameters`` of an image; it is filled up with words for a unit that does not exist."""
    words = parameter_words(parameters, config)
    stored = np.full((word_count(config), stored_bytes(config)), 0xFF, np.uint8)
    stored[: len(words)] = 0
    stored[: len(words), : words.shape[1]] = words
    return ParameterWords(stored, hardware_crc(config))


def image_bytes(parameters: Parameters, config: MixerConfig, folder: Path) -> bytes:
    """The image of an accelerator's model, written to the file ``model.img`` of the folder and read."""
    folder.mkdir(parents=True, exist_ok=True)
    path, words = folder / "model.img", image_words(parameters, config)
    write_image(path, parameters, rows=config.rows, columns=config.columns, words=words)
    return path.read_bytes()


@dataclass(frozen=True)
class ImageMap:
    """Where an accelerator finds what in its image.

    Attributes:
        config: of the mixer.
    """

    config: MixerConfig

    @cached_property
    def sizes(self) -> Sizes:
        """As the image's header has them."""
        config = self.config
        return Sizes(
            layers=config.layers, d_model=config.d_model, d_inner=config.d_inner, d_state=config.d_state,
            dt_rank=config.dt_rank, d_conv=config.d_conv, vocab_size=config.vocabulary, rows=config.rows,
            columns=config.columns, parameter_words=word_count(config), parameter_bytes=stored_bytes(config),
        )  # fmt: skip

    @cached_property
    def places(self) -> dict[str, Place]:
        """The sections by name."""
        return {one.section.name: one for one in place(self.sizes, TABLES)}

    @property
    def regions(self) -> dict[str, tuple[int, int]]:
        """``(begin, length)``, in bytes, of the tables, as "header", and of every part. There is nothing between."""
        return {"header": (0, TABLES), **extents(tuple(self.places.values()))}

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return sum(list(self.regions.values())[-1])

    @property
    def token_bytes(self) -> int:
        """Bytes that a token needs: weights, row multipliers, a row of the embedding and its multiplier."""
        streams = ("weights", "head_weights", "row_scales", "head_row_scales")
        own = [self.places[name] for name in streams]
        return sum(one.bytes * one.copies for one in own) + self.config.d_model + SCALE.itemsize

    @property
    def schedule(self) -> int:
        """CRC-32 of the order of products."""
        return schedule_crc(self.sizes)

    @property
    def header(self) -> tuple[bytes, bytes]:
        """The header's bytes that hardware compares: their values, and 255 where they count.

        Neither checksums count nor which model and which calibration the image is of: whether the hardware suits a
        calibration is what the field ``hardware`` says.
        """
        empty = Header(
            model=_ANY, formats=_ANY, sizes=self.sizes, crcs=(0,) * len(PARTS), hardware=hardware_crc(self.config)
        )
        mask = np.full((), 0, HEADER)
        for name in HEADER.names or ():
            if name not in ("crc", "model", "formats"):
                mask[name] = np.frombuffer(b"\xff" * HEADER[name].itemsize, HEADER[name])[0]
        return to_bytes(empty)[: HEADER.itemsize], mask.tobytes()

    @property
    def checksums(self) -> list[int]:
        """Where the checksums of :attr:`regions` lie, in bytes."""
        assert HEADER.fields is not None
        assert PART.fields is not None
        of_parts = range(HEADER.itemsize, HEADER.itemsize + len(PARTS) * PART.itemsize, PART.itemsize)
        return [HEADER.fields["crc"][1], *(begin + PART.fields["crc"][1] for begin in of_parts)]
