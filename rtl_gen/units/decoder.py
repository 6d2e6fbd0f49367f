# amaranth: UnusedElaboratable=no
"""Configuration of a decoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.formats.presets import spec_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.vectors import decoder_vectors
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.encoder import code_facts
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import FORMAT, LANES, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.decoder import Decoder


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.decoder.Decoder`; ``scale`` only goes into the manifest."""

    unit: ClassVar[str] = "decoder"
    summary: ClassVar[str] = "codes to integers"

    format: SegmentedFormat = option(FORMAT)
    scale: Scale | None = None
    lanes: int = option(LANES)
    target: str = option(TARGET)

    @property
    def label(self) -> str:
        words = [self.unit, spec_of(self.format), *([self.target] if self.target != "generic" else [])]
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Decoder":
        from qse_hw.rtl_gen.decoder import Decoder

        return Decoder(self)

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
        """Every code, padded with zeros to whole beats; its integer; whether it has no value."""
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


def value_width(format: SegmentedFormat) -> int:
    """Bits of the smallest signed integer that holds every decoded value."""
    low, high = min(format.decoded.values()), max(format.decoded.values())
    return max(high.bit_length(), (~low).bit_length() if low < 0 else 0) + 1
