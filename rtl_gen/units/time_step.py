# amaranth: UnusedElaboratable=no
"""Configuration of time steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.reference.linear import MAX_SIZE
from qse_hw.golden.reference.time_step import MORE_BITS, PLACES_BITS, Parameters, pack_parameters, time_steps
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.rtl_gen.units.option_kinds import Input, Integer, Number
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import LANES, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.pointwise.time_step import TimeStep

SEED = 20261206  # of the vectors' random values
_BEATS = 2048  # of the vectors, at least


@dataclass(frozen=True, kw_only=True)
class TimeStepConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.pointwise.time_step.TimeStep`."""

    unit: ClassVar[str] = "time_step"
    summary: ClassVar[str] = "time steps of a scan: softplus of dt and a bias"

    channels: int = option(
        kind=Integer(1, MAX_SIZE), help="channels of a token, of all layers", metavar="N", measure="channels"
    )
    input: InputType = option(
        kind=Input(), help="of the sums; dt has as many bits", metavar="T", default=input_type("s16e-10"),
        text_default="s16e-10",
    )  # fmt: skip
    output: InputType = option(
        kind=Input(), help="of the time steps", metavar="T", default=input_type("s18e-13"), text_default="s18e-13"
    )
    error: Fraction = option(
        kind=Number(), help="the most that a time step may be away from softplus", metavar="E",
        default=Fraction(3, 1 << 15), text_default="3/32768",
    )  # fmt: skip
    lanes: int = option(LANES)
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % self.lanes:
            raise InputError(
                f"Channels must be a multiple of the {self.lanes} lanes, not {self.channels}; pad a token"
            )
        _ = self.softplus.arithmetic

    @property
    def softplus(self) -> FunctionConfig:
        """The function unit whose lanes it has."""
        return FunctionConfig(
            function="softplus", input=self.input, output=self.output, error=self.error, target=self.target
        )

    @property
    def label(self) -> str:
        words = [self.unit, str(self.channels), self.input.name, self.output.name]
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "TimeStep":
        from qse_hw.rtl_gen.pointwise.time_step import TimeStep

        return TimeStep(self)

    def facts(self) -> dict[str, Any]:
        """Beats per token; bits of a bias."""
        return {"beats_per_token": self.channels // self.lanes, "bias_bits": self.input.width + MORE_BITS}

    def meanings(self) -> Mapping[str, str]:
        lane_bits = (self.lanes - 1).bit_length()
        address = "channel"
        if self.lanes > 1:
            address = f"channel modulo {self.lanes} in {lane_bits} bits, above them channel / {self.lanes}"
        return {
            "i__payload": f"dt, two's complement, {self.input.width} bits each, lane 0 in the low bits; beats per "
            f"token: {self.channels // self.lanes}",
            "o__payload": f"time steps, {self.output.name}, {self.output.width} bits each, lane 0 in the low bits",
            "parameters__payload": f"low bits: address ({address}); above: places by which dt is shifted left in "
            f"{PLACES_BITS} bits, bias, two's complement, in {self.input.width + MORE_BITS}",
            "parameters__valid": "word of parameters is offered",
            "parameters__ready": "word of parameters is accepted: no beat is in the unit",
            "clear": "clears saturated",
            "saturated": "sticky: a sum that left had been clamped, or was beyond softplus's domain",
        }

    def expected(
        self, dt: np.ndarray[Any, Any], parameters: Parameters
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Time steps for dt (..., channels), and whether each sum was clamped or beyond softplus's domain."""
        unit = self.softplus.arithmetic
        steps, clamped = time_steps(dt, parameters, unit)
        totals = (dt << parameters.places) + parameters.bias
        return steps, clamped | (totals < unit.low) | (totals > unit.high)

    def random_parameters(self, rng: np.random.Generator) -> Parameters:
        """Mostly small places, and biases with which most sums are in range; of each some extremes."""
        places = np.where(rng.random(self.channels) < 0.8, rng.integers(0, 4, self.channels),
                          rng.integers(0, 1 << PLACES_BITS, self.channels))  # fmt: skip
        limit = 1 << (self.input.width + MORE_BITS - 1)
        bias = rng.integers(-limit >> MORE_BITS, limit >> MORE_BITS, self.channels)
        return Parameters(places, np.where(rng.random(self.channels) < 0.1, rng.choice([-limit, limit - 1]), bias))

    def random_inputs(self, rng: np.random.Generator, tokens: int) -> np.ndarray[Any, Any]:
        """dt (tokens, channels) of every magnitude."""
        bits = rng.integers(1, self.input.width, (tokens, self.channels))
        return rng.integers(-1 << bits, 1 << bits)

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Random dt (tokens, channels), with the extremes, and parameters, also as words to write; time steps."""
        rng = np.random.default_rng(SEED)
        parameters = self.random_parameters(rng)
        inputs = self.random_inputs(rng, max(4, -(-_BEATS * self.lanes // self.channels)))
        inputs[0], inputs[1] = -1 << (self.input.width - 1), (1 << (self.input.width - 1)) - 1
        outputs, saturated = self.expected(inputs, parameters)
        words = pack_parameters(parameters, width=self.input.width, lanes=self.lanes)
        return {
            "inputs": inputs,
            **parameters._asdict(),
            "outputs": outputs,
            "saturated": saturated,
            "parameters_addresses": words.addresses,
            "parameters_words": words.words,
        }

    def parameter_words(self, parameters: Parameters) -> list[int]:
        """What the stream of parameters has to be sent."""
        from qse_hw.rtl_gen.linear.store import address_bits

        words = pack_parameters(parameters, width=self.input.width, lanes=self.lanes)
        return words.joined(address_bits(self.lanes, self.channels // self.lanes))

    def beats(self) -> Beats:
        """The vectors, after the parameters."""
        arrays = self.vectors()
        parameters = Parameters(*(arrays[name] for name in Parameters._fields))
        return Beats(
            inputs=stream("i", join_lanes(arrays["inputs"], self.input.width, self.lanes)),
            outputs=stream("o", join_lanes(arrays["outputs"], self.output.width, self.lanes)),
            first=(stream("parameters", self.parameter_words(parameters)),),
            status={"saturated": int(arrays["saturated"].any())},
        )


CONFIG = TimeStepConfig
