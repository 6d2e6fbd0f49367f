# amaranth: UnusedElaboratable=no
"""Configuration of a selective scan."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.linear import MAX_SIZE, Words
from qse_hw.golden.reference.scan import (
    COEFFICIENT_BITS,
    DELTA_BITS,
    M_BITS,
    OUTPUT_BITS,
    Parameters,
    Scanned,
    Widths,
    pack_channels,
    pack_decays,
    scan,
    total_bits,
)
from qse_hw.rtl_gen.emit.beats import Beats, Stream, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import Integer
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import LANES, SEQUENCES, TARGET, first_meaning, mix_sequences

if TYPE_CHECKING:
    from qse_hw.rtl_gen.scan.scan import Scan

SEED = 20261202  # of the vectors' random values
_SEQUENCES = (1, 5, 10)  # tokens of each
_DSP_BITS = 18
MAX_STATE_WORDS = MAX_SIZE << 8
"""Words of the memory of states, each of as many states as there are lanes."""


@dataclass(frozen=True, kw_only=True)
class ScanConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.scan.scan.Scan`."""

    unit: ClassVar[str] = "scan"
    summary: ClassVar[str] = "selective scan of a Mamba-1, fixed-point states in memory"

    channels: int = option(
        kind=Integer(1, MAX_SIZE), help="channels of a token, of all layers", metavar="N", measure="channels"
    )
    layers: int = option(
        kind=Integer(1, MAX_SIZE), help="that these are of; each has its own B and C", metavar="N", default=1
    )
    states: int = option(kind=Integer(1, 256), help="states of a channel", metavar="N", default=16, measure="states")
    lanes: int = option(LANES, help="states per cycle")
    x_bits: int = option(kind=Integer(2, 16), help="bits of x", metavar="B", default=16, measure="bits")
    d_bits: int = option(kind=Integer(2, 35), help="bits of D", metavar="B", default=32, measure="bits")
    a_bits: int = option(
        kind=Integer(2, 18), help="bits of A, which has no sign", metavar="B", default=16, measure="bits"
    )
    state_bits: int = option(kind=Integer(16, 24), help="bits of a state", metavar="B", default=16, measure="bits")
    decay_shift: int = option(
        kind=Integer(0, 15), help="places by which delta A is shifted right to have 16 fraction bits", metavar="N",
        default=5, measure="places",
    )  # fmt: skip
    sequences: int = option(SEQUENCES)
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.states % self.lanes:
            raise InputError(f"Lanes must divide the {self.states} states, not be {self.lanes}")
        if self.channels % self.layers:
            raise InputError(f"Channels must be a multiple of the {self.layers} layers, not {self.channels}")
        least = -(-self.least_groups // self.groups)
        if self.channels < least:
            raise InputError(
                f"Channels must be at least {least}, so that a state is written before the next token reads it, not "
                f"{self.channels}; pad a token with channels whose parameters are 0, or take fewer lanes"
            )
        most = MAX_STATE_WORDS // (self.channels * self.groups)
        if self.sequences > most:
            raise InputError(
                f"Sequences must be at most {most}, so that the memory of states has at most {MAX_STATE_WORDS:,} "
                f"words, not {self.sequences}; keep fewer sequences, or take more lanes"
            )

    @property
    def groups(self) -> int:
        """Groups of a channel's states."""
        return self.states // self.lanes

    @property
    def least_groups(self) -> int:
        """Of a token: a state is written fewer cycles after it was read."""
        if self.target != "ecp5":
            return 7
        return 9 if self.state_bits <= _DSP_BITS else 10

    @property
    def widths(self) -> Widths:
        """What the arithmetic depends on."""
        return Widths(self.x_bits, self.d_bits, self.a_bits, self.state_bits, self.decay_shift)

    @property
    def label(self) -> str:
        words = [self.unit, str(self.channels), f"states={self.states}", f"s{self.state_bits}"]
        if self.layers > 1:
            words.append(f"layers={self.layers}")
        if self.sequences > 1:
            words.append(f"sequences={self.sequences}")
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    @property
    def initiation_interval(self) -> int:
        return self.groups

    def component(self) -> "Scan":
        from qse_hw.rtl_gen.scan.scan import Scan

        return Scan(self)

    def facts(self) -> dict[str, Any]:
        """Beats per token of both streams; bits of the totals; the fewest channels."""
        return {
            "beats_per_token": self.channels,
            "coefficients_per_token": self.layers * self.groups,
            "total_bits": total_bits(self.widths, self.states),
            "least_channels": -(-self.least_groups // self.groups),
        }

    def meanings(self) -> Mapping[str, str]:
        address = f"low bits: address (channel * {self.groups} + state / {self.lanes}); above: A"
        return {
            "i__payload": f"x, two's complement, {self.x_bits} bits; delta, unsigned, {DELTA_BITS} bits; "
            f"{first_meaning(self.sequences)}; beats per token: {self.channels}",
            "o__payload": f"outputs, two's complement, {OUTPUT_BITS} bits",
            "coefficients__payload": f"B of {self.lanes} states, two's complement, {COEFFICIENT_BITS} bits each, the "
            f"first in the low bits; above, C; beats per layer of each token: {self.groups}",
            "coefficients__valid": "B and C are offered",
            "coefficients__ready": "B and C are accepted: a buffer is free",
            "parameters__payload": "low bits: address (channel); above: M in 16 bits, k in 6, inflow_shift and "
            f"output_shift in 5 each, D, two's complement, {self.d_bits} bits",
            "parameters__valid": "word of parameters is offered",
            "parameters__ready": "word of parameters is accepted: no channel is in the unit",
            "decays__payload": f"{address} of {self.lanes} states, unsigned, {self.a_bits} bits each, the first in the "
            "low bits",
            "decays__valid": "word of A is offered",
            "decays__ready": "word of A is accepted: no channel is in the unit",
            "clear": "clears the flags",
            "inflow_saturated": "sticky: of an output that left, the flow had been clamped",
            "state_saturated": "sticky: of an output that left, a state had been clamped",
            "scan_saturated": "sticky: an output that left had been clamped",
        }

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Sequences of random inputs, with the extremes, and random parameters with which some values are clamped; also
        as words to write."""
        rng = np.random.default_rng(SEED)
        tokens = sum(_SEQUENCES)
        parameters = self.random_parameters(rng)
        x, delta, B, C = self.random_tokens(rng, tokens)
        first = np.zeros(tokens, np.bool_)
        first[np.cumsum([0, *_SEQUENCES[:-1]])] = True
        sequence, first = mix_sequences(rng, first, self.sequences)
        scanned = self.expected(x, delta, first, B, C, parameters, sequence)
        channel_words, decay_words = self.words(parameters)
        return {
            "x": x, "delta": delta, "first": first, **({"sequence": sequence} if self.sequences > 1 else {}),
            "B": B, "C": C, **parameters._asdict(),
            "outputs": np.asarray(scanned.y).astype(np.int16),
            "inflow_saturated": np.asarray(scanned.inflow_saturated),
            "state_saturated": np.asarray(scanned.state_saturated),
            "scan_saturated": np.asarray(scanned.scan_saturated),
            "parameters_addresses": channel_words.addresses, "parameters_words": channel_words.words,
            "decays_addresses": decay_words.addresses, "decays_words": decay_words.words,
        }  # fmt: skip

    def words(self, parameters: Parameters) -> tuple[Words, Words]:
        """The words of the streams ``parameters`` and ``decays``; raises InputError."""
        return pack_channels(parameters, self.widths), pack_decays(parameters, self.widths, self.lanes)

    def expected(
        self,
        x: np.ndarray[Any, Any],
        delta: np.ndarray[Any, Any],
        first: np.ndarray[Any, Any],
        B: np.ndarray[Any, Any],
        C: np.ndarray[Any, Any],
        parameters: Parameters,
        sequence: np.ndarray[Any, Any] | None = None,
    ) -> Scanned:
        """Of tokens x, delta (tokens, channels), first (tokens,), B, C (tokens, layers, states), and the numbers of
        their sequences (tokens,), by default all of the same: arrays (tokens, channels)."""
        numbers = np.zeros(len(x), np.int64) if sequence is None else sequence
        h = np.zeros((self.sequences, self.channels, self.states), np.int64)
        per_layer = self.channels // self.layers
        rows = []
        for token, number in enumerate(numbers.tolist()):
            own = [np.repeat(part[token], per_layer, axis=0) for part in (B, C)]
            old = np.zeros_like(h[number]) if first[token] else h[number]
            scanned, h[number] = scan(x[token], delta[token], old, own[0], own[1], parameters, self.widths)
            rows.append(scanned)
        return Scanned(*(np.stack(part) for part in zip(*rows, strict=True)))

    def random_parameters(self, rng: np.random.Generator) -> Parameters:
        """Parameters of every size, with which few values are clamped."""
        channels = self.channels
        M = rng.integers(1 << (M_BITS - 1), 1 << M_BITS, channels)
        excess = total_bits(self.widths, self.states) - 1 - OUTPUT_BITS
        return Parameters(
            M=M,
            k=self.x_bits + DELTA_BITS - 5 + np.arange(channels) % 6,
            inflow_shift=np.resize((0, 1, 2, 0, 31, 3, 5, 8), channels),
            output_shift=np.clip(excess - 8 + np.arange(channels) % 10, 0, 31),
            D=_magnitudes(rng, self.d_bits - 1, (channels,)) * rng.choice((-1, 1), channels),
            A=_magnitudes(rng, self.a_bits, (channels, self.states)),
        )

    def random_tokens(self, rng: np.random.Generator, tokens: int) -> tuple[np.ndarray[Any, Any], ...]:
        """x, delta (tokens, channels), B and C (tokens, layers, states), of every size; in the middle and at times
        a token of extremes."""
        shape, sets = (tokens, self.channels), (tokens, self.layers, self.states)
        low = -1 << (self.x_bits - 1)
        x = rng.integers(low, -low, shape)
        delta = _magnitudes(rng, DELTA_BITS, shape)
        B, C = (_magnitudes(rng, COEFFICIENT_BITS - 1, sets) * rng.choice((-1, 1), sets) for _ in range(2))
        extreme = rng.random(tokens) < 0.2
        extreme[tokens // 2] = True
        x[extreme], delta[extreme] = low, (1 << DELTA_BITS) - 1
        B[extreme] = C[extreme] = -1 << (COEFFICIENT_BITS - 1)
        return x, delta, B, C

    def beats(self) -> Beats:
        """The vectors, after the parameters."""
        arrays = self.vectors()
        return Beats(
            inputs=stream(
                "i", self.channel_beats(arrays["x"], arrays["delta"], arrays["first"], arrays.get("sequence"))
            ),
            outputs=stream("o", join_lanes(arrays["outputs"], OUTPUT_BITS, 1)),
            first=(
                self._load("parameters", arrays, self.channels),
                self._load("decays", arrays, self.channels * self.groups),
            ),
            beside=(stream("coefficients", self.coefficient_beats(arrays["B"], arrays["C"])),),
            status={
                name: int(arrays[name].any()) for name in ("inflow_saturated", "state_saturated", "scan_saturated")
            },
        )

    def channel_beats(
        self,
        x: np.ndarray[Any, Any],
        delta: np.ndarray[Any, Any],
        first: np.ndarray[Any, Any],
        sequence: np.ndarray[Any, Any] | None = None,
    ) -> list[int]:
        """The beats of tokens x and delta (tokens, channels), first, and the numbers of their sequences (tokens,), by
        default all 0."""
        mask = (1 << self.x_bits) - 1
        above = first.astype(np.int64) | (0 if sequence is None else sequence << 1)
        marks = np.repeat(above, self.channels) << (self.x_bits + DELTA_BITS)
        beats: list[int] = ((x.reshape(-1) & mask) | delta.reshape(-1) << self.x_bits | marks).tolist()
        return beats

    def coefficient_beats(self, B: np.ndarray[Any, Any], C: np.ndarray[Any, Any]) -> list[int]:
        """The beats of B and C (..., states)."""
        parts = [join_lanes(part, COEFFICIENT_BITS, self.lanes) for part in (B, C)]
        return [low | high << self.lanes * COEFFICIENT_BITS for low, high in zip(*parts, strict=True)]

    def _load(self, name: str, arrays: Mapping[str, np.ndarray[Any, Any]], depth: int) -> Stream:
        from qse_hw.rtl_gen.linear.store import address_bits

        words = Words(arrays[f"{name}_addresses"], arrays[f"{name}_words"])
        return stream(name, words.joined(address_bits(1, depth)))


def _magnitudes(rng: np.random.Generator, bits: int, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Integers from 0 to below ``2**bits``, as many of each number of bits."""
    top = (1 << rng.integers(0, bits + 1, shape)).astype(np.int64)
    return rng.integers(0, top)


CONFIG = ScanConfig
