# amaranth: UnusedElaboratable=no
"""Configuration of a convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.convolution import (
    OUTPUT_BITS,
    Parameters,
    convolve,
    max_bias,
    pack_parameters,
    windows,
)
from qse_hw.golden.reference.linear import HIGH, LOW, MAX_SIZE, Words
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import Integer
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import LANES, SEQUENCES, TARGET, first_meaning, mix_sequences

if TYPE_CHECKING:
    from qse_hw.rtl_gen.convolution.convolution import Convolution

LEAST_BEATS = 3
"""Of a token: its inputs are written to the memory so many cycles after they came."""
SEED = 20261130  # of the vectors' random values
_SEQUENCES = (1, 5, 10)  # tokens of each


@dataclass(frozen=True, kw_only=True)
class ConvolutionConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.convolution.convolution.Convolution`."""

    unit: ClassVar[str] = "convolution"
    summary: ClassVar[str] = "causal depthwise convolution with INT8 taps"

    channels: int = option(kind=Integer(1, MAX_SIZE), help="channels of a token", metavar="N", measure="channels")
    taps: int = option(kind=Integer(2, 4), help="taps of each channel", metavar="N", default=4, measure="taps")
    width: int = option(kind=Integer(2, 16), help="bits of the inputs", metavar="B", default=16, measure="bits")
    lanes: int = option(LANES)
    sequences: int = option(SEQUENCES)
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % self.lanes or self.channels < LEAST_BEATS * self.lanes:
            raise InputError(
                f"Channels must be a multiple of the {self.lanes} lanes, and at least {LEAST_BEATS} times as many, "
                f"not {self.channels}; pad a token with channels whose parameters are 0"
            )

    @property
    def label(self) -> str:
        words = [self.unit, str(self.channels), f"taps={self.taps}", f"s{self.width}"]
        if self.sequences > 1:
            words.append(f"sequences={self.sequences}")
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Convolution":
        from qse_hw.rtl_gen.convolution.convolution import Convolution

        return Convolution(self)

    def facts(self) -> dict[str, Any]:
        """Beats per token; the largest bias."""
        return {"beats_per_token": self.channels // self.lanes, "max_bias": max_bias(self.width, self.taps)}

    def meanings(self) -> Mapping[str, str]:
        lane_bits = (self.lanes - 1).bit_length()
        address = "channel"
        if self.lanes > 1:
            address = f"channel modulo {self.lanes} in {lane_bits} bits, above them channel / {self.lanes}"
        return {
            "i__payload": f"inputs, two's complement, {self.width} bits each, lane 0 in the low bits; "
            f"{first_meaning(self.sequences)}; beats per token: {self.channels // self.lanes}",
            "o__payload": f"sums, two's complement, {OUTPUT_BITS} bits each, lane 0 in the low bits",
            "parameters__payload": f"low bits: address ({address}); above: {self.taps} int8 taps, the oldest input's "
            "first, int32 bias, M in 16 bits, k in 6",
            "parameters__valid": "word of parameters is offered",
            "parameters__ready": "word of parameters is accepted: no beat is in the unit",
            "clear": "clears saturated",
            "saturated": "sticky: a sum that left had been clamped",
        }

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Sequences of random inputs, with the extremes, and random parameters with which some sums are clamped; also
        as words to write."""
        rng = np.random.default_rng(SEED)
        low, high = -1 << (self.width - 1), (1 << (self.width - 1)) - 1
        values = rng.integers(low, high + 1, (sum(_SEQUENCES), self.channels))
        values[-3], values[-2] = low, high
        first = np.zeros(len(values), np.bool_)
        first[np.cumsum([0, *_SEQUENCES[:-1]])] = True
        parameters = self.random_parameters(rng)
        sequence, first = mix_sequences(rng, first, self.sequences)
        seen = windows(values, np.repeat(first[:, None], self.channels, axis=1), self.taps, sequence)
        outputs, saturated = convolve(seen, parameters)
        words = pack_parameters(parameters, input_bits=self.width, lanes=self.lanes)
        return {
            "inputs": values,
            "first": first,
            **({"sequence": sequence} if self.sequences > 1 else {}),
            **parameters._asdict(),
            "outputs": outputs,
            "saturated": saturated,
            "parameters_addresses": words.addresses,
            "parameters_words": words.words,
        }

    def random_parameters(self, rng: np.random.Generator) -> Parameters:
        """Random taps and biases, and multipliers with which few sums are clamped."""
        taps = rng.integers(LOW, HIGH + 1, (self.channels, self.taps))
        reach = np.abs(taps).sum(axis=1) + 1 << (self.width - 1)
        bias = rng.integers(-reach, reach + 1)
        # sums of up to ``reach`` become 16-bit numbers, or one bit more or fewer; M has 16 bits
        k = np.frexp(reach.astype(np.float64))[1] + rng.integers(-1, 2, self.channels)
        return Parameters(taps, bias, rng.integers(1 << 15, 1 << 16, self.channels), k.astype(np.int64))

    def beats(self) -> Beats:
        """The vectors, after the parameters."""
        from qse_hw.rtl_gen.linear.store import address_bits

        arrays, beats = self.vectors(), self.channels // self.lanes
        inputs = join_lanes(arrays["inputs"], self.width, self.lanes)
        above = arrays["first"].astype(np.int64) | arrays.get("sequence", np.int64(0)) << 1
        marks = np.repeat(above, beats).tolist()
        words = Words(arrays["parameters_addresses"], arrays["parameters_words"])
        return Beats(
            inputs=stream(
                "i", [beat | mark << self.lanes * self.width for beat, mark in zip(inputs, marks, strict=True)]
            ),
            outputs=stream("o", join_lanes(arrays["outputs"], OUTPUT_BITS, self.lanes)),
            first=(stream("parameters", words.joined(address_bits(self.lanes, beats))),),
            status={"saturated": int(arrays["saturated"].any())},
        )


CONFIG = ConvolutionConfig
