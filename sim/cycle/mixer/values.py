"""The values of every tensor of a mixer, from what comes in at its ports."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.reference.convolution import convolve
from qse_hw.golden.reference.gate import gated
from qse_hw.golden.reference.hadamard import growth, transform
from qse_hw.golden.reference.norm import normalize
from qse_hw.golden.reference.product_schedule import (
    LOCAL_BITS,
    SOURCES,
    WIDE,
    WIDE_BITS,
    Job,
    Operand,
    Result,
    head_schedule,
    jobs,
    layer_schedule,
)
from qse_hw.golden.reference.rounding import clamp_array, shift_array
from qse_hw.golden.reference.scan import scan
from qse_hw.golden.reference.vectors import expected
from qse_hw.rtl_gen.mixer.config import M_BITS, MixerConfig
from qse_hw.rtl_gen.units.decoder import value_width
from qse_hw.sim.cycle.mixer.memory import Memories
from qse_hw.sim.packing import signed

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


FUTURE = 1 << 40
"""A cycle after all others."""


class Values:
    """Tokens, one after the other.

    Args:
        config: of the mixer.
        weights: int8 (beats, rows, columns), in the order of the products.
        scales: M and k of rows (rows, 2), likewise.
        memories: the units' parameters.
        cycles: when beats pass, by the names of :attr:`qse_hw.sim.cycle.mixer.timing.MixerTiming.log`.

    Attributes:
        values: of each tensor, in parts (beats, lanes), by its name.
        saturated: whether each saturated, likewise; also of the scan's ``inflow`` and ``any_state``.
    """

    def __init__(
        self, config: MixerConfig, *, weights: npt.NDArray[np.int8], scales: Integers, memories: Memories,
        cycles: Mapping[str, Sequence[int]],
    ) -> None:
        self._config, self._weights, self._scales, self._memories = config, weights, scales, memories
        self._cycles, self._beat, self._row, self._norms, self._layers = cycles, 0, 0, 0, 0
        d = config.d_inner
        self._sequence = 0
        self._seen = np.zeros((config.sequences, config.layers, d, config.d_conv), np.int64)
        self._states = np.zeros((config.sequences, config.layers, d, config.d_state), np.int64)
        self._residual = np.zeros(config.d_model, np.int64)
        self.values: defaultdict[str, list[Integers]] = defaultdict(list)
        self.saturated: defaultdict[str, list[Flags]] = defaultdict(list)

    def token(self, residual: Integers, *, first: bool, sequence: int) -> None:
        """The next token: residual values (d_model,), whether it is the first of its sequence, and the sequence."""
        self._residual, self._sequence = residual, sequence
        self._keep("residual", residual, np.zeros(len(residual), np.bool_))
        for layer in range(self._config.layers):
            self._layer(layer, first)
        if self._config.vocabulary:
            operands: dict[Operand, Integers] = {"norm": self._norm(self._config.layers)}
            for job in jobs(head_schedule(self._config.shape)):
                self._product(job, operands)

    def _layer(self, layer: int, first: bool) -> None:
        operands: dict[Operand, Integers] = {"norm": self._norm(layer)}
        results: dict[Result, Integers] = {}
        for job in jobs(layer_schedule(self._config.shape)):
            operand = SOURCES[job.result]
            if operand not in operands:  # all that it comes from is there
                if operand == "x":
                    operands["x"] = self._activate(layer, results["conv_input"], first)
                elif operand == "dt_low":
                    operands["dt_low"] = self._decoded("dt_low", results["dt_low"])
                else:
                    operands["y"] = self._inner(layer, results, operands["x"], first)
            rows = self._product(job, operands)
            results[job.result] = np.concatenate([results.get(job.result, rows[:0]), rows])
        self._residual, clamped = clamp_array(self._residual + results["out"], WIDE_BITS)
        self._keep("residual", self._residual, clamped)
        self._layers += 1

    def _keep(self, name: str, values: Integers, saturated: Flags, lanes: int = 1) -> None:
        self.values[name].append(values.reshape(-1, lanes))
        self.saturated[name].append(saturated.reshape(-1, lanes))

    def _at(self, name: str, beat: int) -> int:
        """The cycle in which a beat passes."""
        cycles = self._cycles[name]
        return cycles[beat] if beat < len(cycles) else FUTURE

    def _begin(self, name: str, lanes: int = 1) -> int:
        """The cycle in which the first of this layer's channels passes."""
        return self._at(name, self._layers * self._config.d_inner // lanes)

    def _decoded(self, operand: Operand, codes: npt.NDArray[np.integer]) -> Integers:
        values: Integers = decode_table(self._config.formats[operand])[0][codes].astype(np.int64)
        return values

    def _norm(self, layer: int) -> Integers:
        """The operand of the norm."""
        config, unit = self._config, self._config.norm_config
        self._norms += 1
        last = self._at("norm_in", self._norms * config.d_model // config.norm_lanes - 1)
        scale = self._memories.scale("norm", layer, last)
        codes, saturated = normalize(
            self._residual[None], unit.root, unit.eps, [scale], config.norm_format, WIDE_BITS
        )
        self._keep("norm", codes[0].astype(np.int64), saturated[0], config.norm_lanes)
        return self._decoded("norm", codes[0])

    def _product(self, job: Job, operands: Mapping[Operand, Integers]) -> Integers:
        """The results of a job; of dt_low the codes."""
        config, vector = self._config, operands[SOURCES[job.result]]
        beats, tiles = -(-len(vector) // config.columns), -(-job.rows // config.rows)
        part = self._weights[self._beat : self._beat + tiles * beats]
        self._beat += tiles * beats
        padded = np.zeros(beats * config.columns, np.int64)
        padded[: len(vector)] = vector
        matrix = part.reshape(tiles, beats, config.rows, config.columns).transpose(0, 2, 1, 3)
        sums = (matrix.reshape(tiles * config.rows, -1).astype(np.int64) @ padded)[: job.rows]
        M, k = self._scales[self._row : self._row + job.rows].T
        self._row += job.rows
        sums = signed(sums & 0xFFFFFFFF, 32)
        if job.result == "dt_low":
            values, saturated = self._low(sums, M, k)
        else:
            values, saturated = clamp_array(shift_array(sums * M, k), WIDE_BITS if job.result in WIDE else LOCAL_BITS)
        self._keep(job.result, values, saturated)
        return values

    def _low(self, sums: Integers, M: Integers, k: Integers) -> tuple[Integers, Flags]:
        """Codes of dt_low."""
        codes, saturated = np.zeros(len(sums), np.int64), np.zeros(len(sums), np.bool_)
        patterns = (sums & 0xFFFFFFFF).astype(np.uint32)
        for row, (own_M, own_k) in enumerate(zip(M.tolist(), k.tolist(), strict=True)):
            scale, one = Scale(M=own_M, k=own_k, bits=M_BITS), slice(row, row + 1)
            answer = expected(patterns[one], self._config.dt_low_format, input_type("s32"), scale)
            codes[one], saturated[one] = answer.codes, answer.saturated
        return codes, saturated

    def _activate(self, layer: int, conv_input: Integers, first: bool) -> Integers:
        """x."""
        config, format = self._config, self._config.x_format
        seen = self._seen[self._sequence, layer]
        seen[:, :-1] = 0 if first else seen[:, 1:].copy()
        seen[:, -1] = conv_input
        sums, clamped = convolve(seen, self._memories.convolution(layer, self._begin("conv_input")))
        self._keep("conv_sum", sums.astype(np.int64), clamped)
        scale = self._memories.scale("x", layer, self._begin("x_in"))
        words, saturated = config.activation_config.expected(sums.astype(np.int64), scale)
        self._keep("x", words & ((1 << format.bits) - 1), saturated)
        return signed(words >> format.bits, value_width(format))

    def _inner(self, layer: int, results: Mapping[Result, Integers], x: Integers, first: bool) -> Integers:
        """The operand y, from B, C, dt, x and the gates."""
        config, memories, lanes = self._config, self._memories, self._config.hadamard_lanes
        parameters = memories.time_step(layer, self._begin("dt_entered"))
        deltas, clamped = config.time_step_config.expected(results["dt"], parameters)
        self._keep("dt_sum", deltas, clamped)
        old = self._states[self._sequence, layer] * (not first)
        scanned, states = scan(
            x, deltas, old, results["B"], results["C"], memories.scan(layer, self._begin("scan_begun")),
            config.scan_config.widths,
        )  # fmt: skip
        self._states[self._sequence, layer] = states
        self._keep("state", states.ravel(), np.zeros(states.size, np.bool_), config.scan_lanes)
        self._keep("scan", scanned.y, scanned.scan_saturated)
        self.saturated["inflow"].append(scanned.inflow_saturated[:, None])
        self.saturated["any_state"].append(scanned.state_saturated[:, None])
        shifts = np.full(config.d_inner, memories.gated_shift(layer, self._begin("scan")))
        values, clamped = gated(scanned.y, results["gate"], shifts, config.gate_config.silu.arithmetic)
        self._keep("gated", values.astype(np.int64), clamped)
        bits = LOCAL_BITS + growth(config.d_inner)
        patterns = (transform(values.astype(np.int64)[None])[0] & ((1 << bits) - 1)).astype(np.uint32)
        scale = memories.scale("y", layer, self._begin("y_in", lanes))
        answer = expected(patterns, config.y_format, input_type(f"s{bits}"), scale)
        self._keep("y", answer.codes.astype(np.int64), answer.saturated, lanes)
        return self._decoded("y", answer.codes)
