# amaranth: UnusedElaboratable=no
"""What a decoder is to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qse_hw.golden.formats.presets import format_to_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.vectors import decoder_vectors
from qse_hw.rtl_gen.decoder import Decoder, value_width
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.encoder import code_facts


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.decoder.Decoder`; ``scale`` makes no hardware, the manifest tells it."""

    unit: ClassVar[str] = "decoder"

    format: SegmentedFormat
    scale: Scale | None = None
    lanes: int = 1

    @property
    def label(self) -> str:
        return " ".join([self.unit, self.format.name, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> Decoder:
        return Decoder(format=self.format, lanes=self.lanes)

    def parameters(self) -> dict[str, Any]:
        return {"unit": self.unit, "format": format_to_json(self.format), "lanes": self.lanes}

    def facts(self) -> dict[str, Any]:
        return code_facts(self.format, self.scale)

    def meanings(self) -> Mapping[str, str]:
        return {
            "i__payload": f"codes, {self.format.bits} bits each, lane 0 in the low bits",
            "o__payload": f"integers in fine steps, two's complement, {value_width(self.format)} bits each, lane 0 in "
            "the low bits",
            "clear": "clears invalid",
        }

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Every code, padded with zeros to whole beats; its integer; whether it is invalid."""
        codes, decoded, invalid = decoder_vectors(self.format)
        codes = np.concatenate([codes, np.zeros(-len(codes) % self.lanes, codes.dtype)])
        return {"codes": codes, "decoded": decoded[codes], "invalid": invalid[codes]}

    def beats(self) -> Beats:
        arrays = self.vectors()
        return Beats(
            inputs=stream("i", join_lanes(arrays["codes"], self.format.bits, self.lanes)),
            outputs=stream("o", join_lanes(arrays["decoded"], value_width(self.format), self.lanes)),
            status={"invalid": int(arrays["invalid"].any())},
        )


CONFIG = DecoderConfig
