# amaranth: UnusedElaboratable=no
"""Configuration of a linear unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.formats.presets import spec_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.reference.linear import (
    HIGH,
    LOW,
    MAX_SIZE,
    Tiling,
    Words,
    accumulate,
    check_scale,
    max_bias,
    pack_biases,
    pack_weights,
    requantize,
    zero_point_bias,
)
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.encoder import format_facts
from qse_hw.rtl_gen.units.option_kinds import Integer
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import FORMAT, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.linear.linear import Linear

VECTORS = 32


@dataclass(frozen=True, kw_only=True)
class LinearConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.linear.linear.Linear`."""

    unit: ClassVar[str] = "linear"
    summary: ClassVar[str] = "codes times INT8 weights, requantized"

    format: SegmentedFormat = option(FORMAT)
    inputs: int = option(kind=Integer(1, MAX_SIZE), help="length of a vector", metavar="N", measure="codes")
    outputs: int = option(kind=Integer(1, MAX_SIZE), help="results per vector", metavar="N", measure="results")
    rows: int = option(
        kind=Integer(), help="results at a time, a divisor of the outputs", metavar="N", default=1, measure="results"
    )
    columns: int = option(kind=Integer(), help="codes per cycle", metavar="N", default=1, measure="codes")
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        max_bias(self.format, self.tiling)  # raises InputError if the sums can overflow

    @property
    def tiling(self) -> Tiling:
        """The matrix and its tile."""
        return Tiling(inputs=self.inputs, outputs=self.outputs, rows=self.rows, columns=self.columns)

    @property
    def lanes(self) -> int:  # type: ignore[override]
        """Results per output beat."""
        return self.tiling.lanes

    @property
    def label(self) -> str:
        words = [self.unit, spec_of(self.format), f"{self.inputs}:{self.outputs}", f"{self.rows}x{self.columns}"]
        return " ".join([*words, *([self.target] if self.target != "generic" else [])])

    @property
    def initiation_interval(self) -> int:
        """Every beat is read once per tile."""
        return self.tiling.tiles

    def component(self) -> "Linear":
        from qse_hw.rtl_gen.linear.linear import Linear

        return Linear(self)

    def facts(self) -> dict[str, Any]:
        """How to read the codes; beats, lanes, cycles per vector; the largest bias."""
        tiling = self.tiling
        return {
            "format": format_facts(self.format),
            "beats_per_vector": tiling.beats,
            "output_lanes": tiling.lanes,
            "cycles_per_vector": tiling.cycles,
            "max_bias": max_bias(self.format, tiling),
        }

    def meanings(self) -> Mapping[str, str]:
        tiling = self.tiling
        lanes, row_bits, lane_bits = tiling.lanes, (tiling.rows - 1).bit_length(), (tiling.lanes - 1).bit_length()
        bias_address = f"row modulo {lanes} in {lane_bits} bits, above them row / {lanes}" if lanes > 1 else "row"
        return {
            "i__payload": f"codes, {self.format.bits} bits each, the first in the low bits; beats per vector: "
            f"{tiling.beats}",
            "o__payload": "int8 results, the first in the low bits; beats per vector: "
            f"{tiling.outputs // tiling.lanes}",
            "weights__payload": f"low bits: address (row within its tile in {row_bits} bits, above them tile * "
            f"{tiling.beats} + beat); above: the row's int8 weights of that beat, the first in the low bits",
            "weights__valid": "word of weights is offered",
            "weights__ready": "word of weights is accepted: the unit is idle",
            "biases__payload": f"low bits: address ({bias_address}); above: int32 bias",
            "biases__valid": "bias is offered",
            "biases__ready": "bias is accepted: the unit is idle",
            "scale_m": "M of the requantizer's scale; sampled while the unit is idle",
            "scale_k": "k of the requantizer's scale, 0 to 63; sampled while the unit is idle",
            "clear": "clears saturated",
            "saturated": "sticky: a result that left had been clamped",
        }

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Random weights and vectors of codes that have a value, a scale at which some results are clamped, and what
        golden makes of them; weights and biases also as words to write."""
        rng, tiling = np.random.default_rng(0), self.tiling
        assigned = np.flatnonzero(decode_table(self.format)[1])
        codes = rng.choice(assigned, (VECTORS, tiling.inputs)).astype(np.uint16)
        codes[:2] = assigned[[0, -1]][:, None]
        weights = rng.integers(LOW, HIGH + 1, (tiling.outputs, tiling.inputs)).astype(np.int8)
        biases = zero_point_bias(weights, self.format) + rng.integers(-1000, 1001, tiling.outputs)
        accumulators = accumulate(codes, weights, biases, self.format)
        scale = Scale.from_step(max(1.0, float(np.percentile(np.abs(accumulators), 95)) / HIGH))
        M, k = check_scale(scale)
        results, saturated = requantize(accumulators, M, k)
        weight_words, bias_words = pack_weights(weights, tiling), pack_biases(biases, tiling, self.format)
        return {
            "codes": codes,
            "weights": weights,
            "biases": biases,
            "scale_m": np.array(M),
            "scale_k": np.array(k),
            "accumulators": accumulators,
            "results": results,
            "saturated": saturated,
            "weights_addresses": weight_words.addresses,
            "weights_words": weight_words.words,
            "biases_addresses": bias_words.addresses,
            "biases_words": bias_words.words,
        }

    def beats(self) -> Beats:
        """The vectors, padded with codes of 0, after weights and biases."""
        from qse_hw.rtl_gen.linear.store import address_bits

        arrays, tiling = self.vectors(), self.tiling
        codes = np.zeros((len(arrays["codes"]), tiling.beats * tiling.columns), np.uint16)
        codes[:, : self.inputs] = arrays["codes"]
        memories = self.component().memories
        first = []
        for name, (banks, depth, _) in memories.items():
            words = Words(arrays[f"{name}_addresses"], arrays[f"{name}_words"])
            first.append(stream(name, words.joined(address_bits(banks, depth))))
        return Beats(
            inputs=stream("i", join_lanes(codes, self.format.bits, tiling.columns)),
            outputs=stream("o", join_lanes(arrays["results"], 8, tiling.lanes)),
            first=tuple(first),
            ports={name: int(arrays[name]) for name in ("scale_m", "scale_k")},
            status={"saturated": int(arrays["saturated"].any())},
        )


CONFIG = LinearConfig
