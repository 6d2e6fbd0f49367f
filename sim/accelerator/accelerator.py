"""An integer Mamba-1 in Verilog: token ids in, logits and the values of every tensor out."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.mamba1.weight_stream import weight_stream
from qse_hw.golden.models.integer.taps import Tensor
from qse_hw.golden.reference.matvec import K_BITS, M_BITS
from qse_hw.golden.reference.words import as_signed, join_fields, split_fields
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.mixer.model import embed, parameter_words, token_beats
from qse_hw.rtl_gen.units.model import ModelConfig
from qse_hw.sim.accelerator.library import ALWAYS, Ran, tap_ports
from qse_hw.sim.accelerator.program import Program

Integers = npt.NDArray[np.int64]

PATIENCE = 4
"""A token may take so many times the cycles of its products, and :data:`SPARE` more for every layer."""
SPARE = 5000


class Stepped(NamedTuple):
    """What a token gave.

    Attributes:
        logits: integers (vocabulary,).
        tensors: the values of every tensor that has a tap, as :class:`qse_hw.golden.models.integer.taps.Taps` has them.
        times: the cycles in which they passed, one for each beat of a tap, by tap.
        cycles: from the token's first residual value to its last logit.
        product_cycles: cycles in which the engine's multipliers worked.
    """

    logits: Integers
    tensors: dict[Tensor, Integers]
    times: dict[str, Integers]
    cycles: int
    product_cycles: int


@dataclass(frozen=True)
class Tap:
    """How a tap's payloads are read: ``lanes`` values of ``bits`` each, signed, or codes of ``format``."""

    bits: int
    lanes: int
    format: SegmentedFormat | None = None

    def values(self, payloads: npt.NDArray[np.uint8]) -> Integers:
        """The values of payloads (beats, bytes), in order."""
        lanes = np.stack(split_fields(payloads, [self.bits] * self.lanes), axis=1).ravel()
        if self.format is None:
            return as_signed(lanes, self.bits)
        table = np.zeros(1 << self.format.bits, np.int64)
        table[list(self.format.decoded)] = list(self.format.decoded.values())
        return table[lanes]


def enough_cycles(config: MixerConfig) -> int:
    """Cycles that no token needs."""
    return PATIENCE * config.product_cycles + SPARE * config.layers


def model_program(
    unit: Emitted, config: ModelConfig, folder: Path, *, share: int = ALWAYS, seed: int = 1, short: bool = False
) -> Program:
    """The program of a model's mixer, with its weights and row multipliers, but without its parameters yet.

    Args:
        unit: Verilog of ``config``, with taps, or another with the same streams.
        config: the model.
        folder, share, seed, short: see :class:`Program`.

    Raises:
        InputError, RuntimeError: as :class:`Program`.
    """
    stream = weight_stream(config.integers, config.mixer.shape)
    scales = join_fields([(stream.M, M_BITS), (stream.k, K_BITS)])
    return Program(
        unit, folder, weights=stream.weights.view(np.uint8), scales=scales, share=share, seed=seed, short=short
    )


class Accelerator:
    """A model's mixer in Verilog, compiled and loaded, at the start of all its sequences.

    Args:
        config: what to build; taps are added.
        folder: for all files that are made.
        share, seed, short: see :class:`Program`.
        build: makes the Verilog; another one than ``emit`` may give a netlist with the same ports.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation or loading fails.
    """

    def __init__(
        self, config: ModelConfig, folder: Path, *, share: int = ALWAYS, seed: int = 1, short: bool = False,
        build: Callable[[UnitConfig], Emitted] = emit,
    ) -> None:
        config = config if config.taps else replace(config, taps=True)  # a new one reads the model again
        self.parameters, self.config = config.integers, config.mixer
        unit = build(config)
        self._program = model_program(unit, config, folder, share=share, seed=seed, short=short)
        self._program.load(parameter_words(self.parameters, self.config))
        self._widths = {port["name"]: port["width"] for port in unit.ports}
        self._begun: set[int] = set()

    def close(self) -> None:
        """End the simulation."""
        self._program.close()

    def restart(self, sequence: int = 0) -> None:
        """The next token of a sequence begins it anew."""
        self._begun.discard(sequence)

    def reset(self, seed: int | None = None, *, kept: Collection[int] = ()) -> None:
        """Reset the unit, wherever it is; the next token of each sequence begins it anew.

        Args:
            seed: see :meth:`Program.reset`.
            kept: sequences without a token inside, which go on.
        """
        self._program.reset(seed)
        self._begun &= set(kept)

    def step(self, token: int, *, sequence: int = 0, limit: int | None = None) -> Stepped:
        """Send a token of the vocabulary.

        Args:
            token: its id.
            sequence: the token's.
            limit: cycles within which the logits come; None: many times those that it takes.

        Raises:
            RuntimeError: if they do not.
        """
        ran = self._run(token, sequence, self._limit() if limit is None else limit)
        self._begun.add(sequence)
        (logits,) = split_fields(ran.outputs, [24])
        tensors, times = self._tensors(ran)
        return Stepped(as_signed(logits, 24), tensors, times, ran.cycles, ran.weight_beats)

    def _limit(self) -> int:
        """Cycles that no token needs."""
        return enough_cycles(self.config)

    def _run(self, token: int, sequence: int, limit: int) -> Ran:
        """Send a token."""
        beats = token_beats(
            embed(self.parameters, token), first=sequence not in self._begun, sequence=sequence,
            sequences=self.config.sequences,
        )  # fmt: skip
        return self._program.run(beats, outputs=self.config.vocabulary, limit=limit)

    def _tensors(self, ran: Ran) -> tuple[dict[Tensor, Integers], dict[str, Integers]]:
        """The taps' values, layer by layer, and the cycles of each tap's beats."""
        names = tap_ports(self._widths)
        widths = [self._widths[f"tap_{name}__payload"] for name in names]
        bits = np.unpackbits(ran.taps, axis=1, bitorder="little")
        tensors: dict[Tensor, Integers] = {}
        times: dict[str, Integers] = {}
        at = len(names)
        for number, (name, width) in enumerate(zip(names, widths, strict=True)):
            valid = bits[:, number] > 0
            passed, times[name] = bits[valid, at : at + width], ran.tap_cycles[valid]
            at += width
            values = self._tap(name).values(np.packbits(passed, axis=1, bitorder="little"))
            tensors |= self._by_layer(name, values)
        return tensors, times

    def _tap(self, name: str) -> Tap:
        config = self.config
        for operand, format in config.formats.items():
            if operand == name:
                return Tap(format.bits, config.code_lanes(operand), format)
        if name == "state":
            return Tap(config.state_bits, config.scan_lanes)
        return Tap(self._widths[f"tap_{name}__payload"], 1)

    def _by_layer(self, name: str, values: Integers) -> dict[Tensor, Integers]:
        """A tensor's values cut into the layers'."""
        if name == "logits":
            return {(None, name): values}
        layers = self.config.layers
        extra = 1 if name in ("residual", "norm") else 0  # the embedding's, the last norm's
        parts = np.split(values, layers + extra) if len(values) % (layers + extra) == 0 else [values]
        if name == "residual":
            return {(None, name): parts[0], **{(layer, name): part for layer, part in enumerate(parts[1:])}}
        tensors: dict[Tensor, Integers] = {(layer, name): part for layer, part in enumerate(parts[:layers])}
        if name == "norm":
            tensors[None, "norm_f"] = parts[-1]
        return tensors
