# amaranth: UnusedElaboratable=no
"""Configuration of an activation."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.formats.presets import spec_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.activation import activate
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.units.decoder import value_width
from qse_hw.rtl_gen.units.encoder import EncoderConfig, format_facts
from qse_hw.rtl_gen.units.function import SiluUnitConfig
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import FORMAT, LANES, SCALE_BITS, SILU_ERROR, SILU_INPUT, SILU_OUTPUT, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.pointwise.activation import Activation


@dataclass(frozen=True, kw_only=True)
class ActivationConfig(SiluUnitConfig):
    """See :class:`qse_hw.rtl_gen.pointwise.activation.Activation`."""

    unit: ClassVar[str] = "activation"
    summary: ClassVar[str] = "SiLU of fixed-point values, to codes and their values"

    format: SegmentedFormat = option(FORMAT)
    input: InputType = option(SILU_INPUT)
    output: InputType = option(SILU_OUTPUT)
    error: Fraction = option(SILU_ERROR)
    scale_bits: int = option(SCALE_BITS)
    lanes: int = option(LANES)
    target: str = option(TARGET)

    @property
    def encoder(self) -> EncoderConfig:
        """The encoder whose lanes it has."""
        return EncoderConfig(
            format=self.format, input=input_type(f"s{self.output.width}"), scale=None, scale_bits=self.scale_bits,
            counter_width=0, target=self.target,
        )  # fmt: skip

    @property
    def label(self) -> str:
        words = [self.unit, spec_of(self.format), self.input.name, self.output.name]
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Activation":
        from qse_hw.rtl_gen.pointwise.activation import Activation

        return Activation(self)

    def facts(self) -> dict[str, Any]:
        """How to read the codes."""
        return {"format": format_facts(self.format)}

    def meanings(self) -> Mapping[str, str]:
        return {
            "i__payload": f"values, {self.input.name}, {self.input.width} bits each, lane 0 in the low bits",
            "o__payload": f"of each lane, lane 0 in the low bits: code, {self.format.bits} bits; above: its value in "
            f"fine steps, two's complement, {value_width(self.format)} bits",
            "clear": "clears saturated",
            "saturated": "sticky: a code that left had saturated",
        }

    def default_scale(self) -> Scale:
        """A scale with which the largest inputs saturate."""
        largest = max(self.format.decoded.values()) * 2.0**-self.format.fraction_bits
        reach = int(self.silu.arithmetic.array(np.array([self.silu.arithmetic.high]))[0])
        return Scale.from_step(0.9 * reach / largest, self.scale_bits)

    @property
    def result_bits(self) -> int:
        """Of a code and its value."""
        return self.format.bits + value_width(self.format)

    def expected(
        self, x: np.ndarray[Any, Any], scale: Scale
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Results for values of any shape, int64: codes, and above them the values' bits; whether each saturated."""
        answer = activate(x, self.silu.arithmetic, scale, self.format)
        values = answer.values.astype(np.int64) & ((1 << value_width(self.format)) - 1)
        return answer.codes.astype(np.int64) | values << self.format.bits, answer.saturated

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Every input of up to 16 bits, of more those of a function unit, padded with zeros to whole beats; codes and
        values."""
        patterns = self.silu.patterns()
        patterns = np.concatenate([patterns, np.zeros(-len(patterns) % self.lanes, np.uint32)]).astype(np.int64)
        inputs = patterns - (patterns >> (self.input.width - 1) << self.input.width)
        scale = self.default_scale()
        answer = activate(inputs, self.silu.arithmetic, scale, self.format)
        return {"inputs": inputs, "scale_m": np.array(scale.M), "scale_k": np.array(scale.k), **answer._asdict()}

    def beats(self) -> Beats:
        arrays = self.vectors()
        scale = Scale(M=int(arrays["scale_m"]), k=int(arrays["scale_k"]), bits=self.scale_bits)
        words, _ = self.expected(arrays["inputs"], scale)
        return Beats(
            inputs=stream("i", join_lanes(arrays["inputs"], self.input.width, self.lanes)),
            outputs=stream("o", join_lanes(words, self.result_bits, self.lanes)),
            ports={name: int(arrays[name]) for name in ("scale_m", "scale_k")},
            status={"saturated": int(arrays["saturated"].any())},
        )


CONFIG = ActivationConfig
