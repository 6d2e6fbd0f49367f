"""What exhaustive checks have to know of each kind of unit: what is set, where outputs change, what golden makes."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.reference.time_step import MORE_BITS, PLACES_BITS, Parameters
from qse_hw.golden.reference.vectors import around_decisions, decoder_vectors, expected, from_patterns
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.sim.exhaust.bulk import check_unit

SEED = 20261123
DRAWN = 7  # sets of parameters of time steps, beside those at the ends of the ranges

Unit = EncoderConfig | DecoderConfig | FunctionConfig | ActivationConfig | TimeStepConfig
Patterns = npt.NDArray[np.uint32]


class Setting(NamedTuple):
    """What stays the same during a simulation; None for what the unit does not have."""

    scale: Scale | None = None
    parameters: Parameters | None = None


class Expected(NamedTuple):
    """Golden's outputs (n,), modulo the bits of an output; by name of a flag what raises it, (n,) bool."""

    outputs: npt.NDArray[np.integer]
    events: dict[str, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Kind(ABC):
    """A unit, as its check sees it.

    Attributes:
        config: the unit's.
        output: what an output is, in words.
        edge: where outputs change, in words.
    """

    config: Any
    output: ClassVar[str] = "output"
    edge: ClassVar[str] = "border"

    @property
    def width(self) -> int:
        """Bits of a pattern."""
        width: int = self.config.input.width
        return width

    @property
    def settings(self) -> Sequence[Setting]:
        """Those to check."""
        return [Setting()]

    @property
    def default(self) -> Setting:
        """The one at which every pattern of a wide input is sent."""
        return self.settings[0]

    @property
    def most_counted(self) -> int:
        """Where the counter of saturated values ends; 0 for a unit that has none."""
        return 0

    @abstractmethod
    def edges(self, setting: Setting) -> Patterns:
        """The patterns around every edge, for inputs of more than 16 bits."""

    @abstractmethod
    def expected(self, patterns: Patterns, setting: Setting) -> Expected:
        """What golden makes of ``patterns`` (n,), whole beats, the first of them the first after a reset."""

    def words(self, setting: Setting) -> Sequence[int]:
        """The words to send before the patterns."""
        return ()

    def at(self, setting: Setting, place: int) -> str:
        """What is set for the pattern at ``place``, to be said after it."""
        return f" at {setting.scale}" if setting.scale else ""


class _Encoder(Kind):
    config: EncoderConfig
    output = "code"
    edge = "decision"

    @property
    def settings(self) -> Sequence[Setting]:
        return every_k(self.config.scale_bits) if self.config.scale is None else [Setting(self.config.scale)]

    @property
    def default(self) -> Setting:
        return Setting(self.config.scale or self.config.default_runtime_scale())

    @property
    def most_counted(self) -> int:
        return (1 << self.config.counter_width) - 1

    def edges(self, setting: Setting) -> Patterns:
        assert setting.scale is not None
        return around_decisions(self.config.format, self.config.input, setting.scale)

    def expected(self, patterns: Patterns, setting: Setting) -> Expected:
        assert setting.scale is not None
        want = expected(patterns, self.config.format, self.config.input, setting.scale)
        return Expected(want.codes, {"saturated": want.saturated, "nan": want.nan})


class _Decoder(Kind):
    config: DecoderConfig
    output = "value"

    @property
    def width(self) -> int:
        return self.config.format.bits

    def edges(self, setting: Setting) -> Patterns:
        return np.arange(1 << self.width, dtype=np.uint32)

    def expected(self, patterns: Patterns, setting: Setting) -> Expected:
        _, values, invalid = decoder_vectors(self.config.format)
        return Expected(values[patterns], {"invalid": invalid[patterns]})


class _Function(Kind):
    config: FunctionConfig

    def edges(self, setting: Setting) -> Patterns:
        return self.config.patterns()

    def expected(self, patterns: Patterns, setting: Setting) -> Expected:
        outputs, outside = self.config.expected(patterns)
        return Expected(outputs, {"saturated": outside})


class _Activation(Kind):
    config: ActivationConfig
    output = "code and value"

    @property
    def settings(self) -> Sequence[Setting]:
        return every_k(self.config.scale_bits)

    @property
    def default(self) -> Setting:
        return Setting(self.config.default_scale())

    def edges(self, setting: Setting) -> Patterns:
        return self.config.silu.patterns()

    def expected(self, patterns: Patterns, setting: Setting) -> Expected:
        assert setting.scale is not None
        outputs, saturated = self.config.expected(from_patterns(patterns, self.config.input), setting.scale)
        return Expected(outputs, {"saturated": saturated})


class _TimeStep(Kind):
    config: TimeStepConfig
    output = "time step"

    @cached_property
    def settings(self) -> Sequence[Setting]:
        """In all channels dt itself, then the ends of the ranges; in each channel others, drawn."""
        channels, limit = self.config.channels, 1 << (self.config.input.width + MORE_BITS - 1)
        same = [(0, 0), *itertools.product((0, (1 << PLACES_BITS) - 1), (-limit, limit - 1))]
        rng = np.random.default_rng(SEED)
        drawn = [self.config.random_parameters(rng) for _ in range(DRAWN)]
        all_sets = [*(Parameters(*(np.full(channels, value) for value in values)) for values in same), *drawn]
        return [Setting(parameters=parameters) for parameters in all_sets]

    def edges(self, setting: Setting) -> Patterns:
        """The dt whose sums are nearest to softplus's borders."""
        sums = from_patterns(self.config.softplus.patterns(), self.config.input).astype(np.int64)
        places, bias = _in_turn(setting, len(sums))
        limit = 1 << (self.width - 1)
        dt = np.clip((sums - bias) >> places, -limit, limit - 1)
        patterns: Patterns = (dt & (2 * limit - 1)).astype(np.uint32)
        return patterns

    def expected(self, patterns: Patterns, setting: Setting) -> Expected:
        dt = from_patterns(patterns, self.config.input).astype(np.int64)
        outputs, saturated = self.config.expected(dt, _in_turn(setting, len(dt)))
        return Expected(outputs, {"saturated": saturated})

    def words(self, setting: Setting) -> Sequence[int]:
        assert setting.parameters is not None
        return self.config.parameter_words(setting.parameters)

    def at(self, setting: Setting, place: int) -> str:
        places, bias = (part[-1] for part in _in_turn(setting, place + 1))
        return f" with places {places} and bias {bias}"


def _in_turn(setting: Setting, count: int) -> Parameters:
    """The parameters of ``count`` values, whose channels come in turn."""
    assert setting.parameters is not None
    return Parameters(*(np.resize(part, count) for part in setting.parameters))


KINDS: dict[str, type[Kind]] = {
    "encoder": _Encoder, "decoder": _Decoder, "function": _Function, "activation": _Activation, "time_step": _TimeStep,
}  # fmt: skip


def kind(config: Unit) -> Kind:
    """The unit, as its check sees it.

    Raises:
        InputError: for units that are not checked.
    """
    check_unit(config)
    return KINDS[config.unit](config)


def every_k(bits: int) -> list[Setting]:
    """A scale for every k that scales of ``bits`` bits can have; M is smallest, random, largest in turn."""
    rng = np.random.default_rng(SEED)
    low, high = 1 << (bits - 1), (1 << bits) - 1
    settings = []
    for number, k in enumerate(range(bits - MAX_LOG2_STEP - 1, bits + MAX_LOG2_STEP)):
        drawn = int(rng.integers(low, high, endpoint=True))
        M = (low, drawn, high, drawn)[number % 4]  # the first k allows only M = low
        settings.append(Setting(Scale(M=M, k=k, bits=bits)))
    return settings
