# amaranth: UnusedElaboratable=no
"""Configuration of a quantizer with bus interfaces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.presets import spec_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.vectors import encoder_vectors, expected
from qse_hw.rtl_gen.emit.beats import Beats, Stream, join_lanes
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.encoder import format_facts, scale_json
from qse_hw.rtl_gen.units.option_kinds import Step
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import FORMAT, INPUT, LANES, PIPELINE, SCALE_BITS, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.bus.registers import RegisterMap
    from qse_hw.rtl_gen.quantizer.quantizer import Quantizer


@dataclass(frozen=True, kw_only=True)
class QuantizerConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.quantizer.quantizer.Quantizer`."""

    unit: ClassVar[str] = "quantizer"
    summary: ClassVar[str] = "encoder with AXI4-Stream and AXI4-Lite"

    format: SegmentedFormat = option(FORMAT)
    input: InputType = option(INPUT)
    scale: Scale = option(
        kind=Step(),
        help="the step s after a reset",
        metavar="S",
        text_default="1",
        text_options={"scale_bits": SCALE_BITS},
    )
    lanes: int = option(LANES)
    target: str = option(TARGET)
    pipeline: int | None = option(PIPELINE)

    @property
    def label(self) -> str:
        words = [self.unit, spec_of(self.format), self.input.name]
        if self.target != "generic":
            words.append(self.target)
        if self.pipeline is not None:
            words.append(f"pipeline={self.pipeline}")
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Quantizer":
        from qse_hw.rtl_gen.quantizer.quantizer import Quantizer

        return Quantizer(self)

    @property
    def registers(self) -> "RegisterMap":
        """The register map."""
        from qse_hw.rtl_gen.quantizer.registers import quantizer_registers

        return quantizer_registers(format=self.format, input=self.input, scale=self.scale, lanes=self.lanes)

    def facts(self) -> dict[str, Any]:
        """Format and scale after a reset, and the registers."""
        return {
            "format": format_facts(self.format),
            "scale": scale_json(self.scale),
            "registers": self.registers.facts(),
        }

    def files(self) -> dict[str, str]:
        from qse_hw.rtl_gen.bus.register_files import register_files

        return register_files(self.registers, self.top)

    def meanings(self) -> Mapping[str, str]:
        from qse_hw.rtl_gen.bus.axi_lite import axi_lite_ports, channel_meanings
        from qse_hw.rtl_gen.bus.axi_stream import bytes_of
        from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH

        texts = {f"s_axi_{name}": text for name, text in channel_meanings(axi_lite_ports(ADDRESS_WIDTH)).items()}
        streams = {
            "s_axis": (f"values, {self.input.name}", self.input.width, "a lane counts if all its bytes are kept"),
            "m_axis": ("codes", self.format.bits, "a lane's bytes are kept if it counted"),
        }
        for name, (what, width, keep) in streams.items():
            texts |= {
                f"{name}_tdata": f"{what}, in {8 * bytes_of(width)} bits each, lane 0 in the low ones",
                f"{name}_tkeep": keep,
                f"{name}_tlast": "the beat is its packet's last",
                f"{name}_tvalid": "a beat is offered",
                f"{name}_tready": "a beat is accepted",
            }
        return texts

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Inputs that reach every decision of the initial format, padded with zeros to whole beats, with codes, decoded
        integers and flags."""
        result = encoder_vectors(self.format, self.input, self.scale)
        pad = -len(result.input_bits) % self.lanes
        if pad:
            padded = np.concatenate([result.input_bits, np.zeros(pad, np.uint32)])
            result = expected(padded, self.format, self.input, self.scale)
        return dict(result._asdict())

    def beats(self) -> Beats:
        """The vectors as one packet."""
        arrays = self.vectors()
        inputs = self._stream("s_axis", arrays["input_bits"], self.input.width)
        return Beats(inputs=inputs, outputs=self._stream("m_axis", arrays["codes"], self.format.bits))

    def _stream(self, name: str, values: np.ndarray[Any, Any], width: int) -> Stream:
        from qse_hw.rtl_gen.bus.axi_stream import bytes_of

        size = bytes_of(width) * self.lanes
        beats = join_lanes(values, 8 * bytes_of(width), self.lanes)
        kept = [beat | ((1 << size) - 1) << 8 * size for beat in beats]
        kept[-1] |= 1 << 9 * size
        payload = (f"{name}_tdata", f"{name}_tkeep", f"{name}_tlast")
        return Stream(name=name, beats=kept, payload=payload, valid=f"{name}_tvalid", ready=f"{name}_tready")


CONFIG = QuantizerConfig
