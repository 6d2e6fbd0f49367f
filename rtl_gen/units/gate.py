# amaranth: UnusedElaboratable=no
"""Configuration of a gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.reference.gate import BITS, SHIFT_BITS, gated
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.units.function import SiluUnitConfig
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import LANES, SILU_ERROR, SILU_INPUT, SILU_OUTPUT, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.pointwise.gate import Gate

SEED = 20261207  # of the vectors' random values


@dataclass(frozen=True, kw_only=True)
class GateConfig(SiluUnitConfig):
    """See :class:`qse_hw.rtl_gen.pointwise.gate.Gate`."""

    unit: ClassVar[str] = "gate"
    summary: ClassVar[str] = "values times SiLU of their gates"

    input: InputType = option(SILU_INPUT)
    output: InputType = option(SILU_OUTPUT)
    error: Fraction = option(SILU_ERROR)
    lanes: int = option(LANES)
    target: str = option(TARGET)

    @property
    def label(self) -> str:
        words = [self.unit, self.input.name, self.output.name]
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Gate":
        from qse_hw.rtl_gen.pointwise.gate import Gate

        return Gate(self)

    def meanings(self) -> Mapping[str, str]:
        return {
            "i__payload": f"values, two's complement, {BITS} bits each, lane 0 in the low bits",
            "gate__payload": f"gates, {self.input.name}, {self.input.width} bits each, lane 0 in the low bits",
            "gate__valid": "beat of gates is offered",
            "gate__ready": "beat of gates is accepted: the queue has room",
            "o__payload": f"results, two's complement, {BITS} bits each, lane 0 in the low bits",
            "shift": f"how far products are shifted right, 0 to {(1 << SHIFT_BITS) - 1}; sampled with each accepted "
            "beat of values",
            "clear": "clears saturated",
            "saturated": "sticky: a result that left had been clamped",
        }

    def default_shift(self) -> int:
        """A shift with which the largest products are clamped."""
        return self.output.width - 2

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Every gate of up to 16 bits, of more those of a function unit, padded with zeros to whole beats, each with a
        random value, some of them the largest; a shift; results."""
        rng = np.random.default_rng(SEED)
        patterns = self.silu.patterns()
        patterns = np.concatenate([patterns, np.zeros(-len(patterns) % self.lanes, np.uint32)]).astype(np.int64)
        gates = patterns - (patterns >> (self.input.width - 1) << self.input.width)
        reach = (1 << BITS - 1) - 1
        inputs = rng.integers(-reach - 1, reach + 1, len(gates))
        inputs[::16], inputs[1::16] = -reach - 1, reach
        shift = self.default_shift()
        outputs, saturated = gated(inputs, gates, np.full(len(gates), shift), self.silu.arithmetic)
        return {"inputs": inputs, "gates": gates, "shift": np.array(shift), "outputs": outputs, "saturated": saturated}

    def beats(self) -> Beats:
        arrays = self.vectors()
        return Beats(
            inputs=stream("i", join_lanes(arrays["inputs"], BITS, self.lanes)),
            beside=(stream("gate", join_lanes(arrays["gates"], self.input.width, self.lanes)),),
            outputs=stream("o", join_lanes(arrays["outputs"], BITS, self.lanes)),
            ports={"shift": int(arrays["shift"])},
            status={"saturated": int(arrays["saturated"].any())},
        )


CONFIG = GateConfig
