"""Cycles of a Mamba-1 block's units at full speed, computed from each component's latency and interval.

A *vector* is a unit's input for one token, usually d_inner values. Units are coupled beat by beat; streams of different
widths are coupled by converters, which wait only for their values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qse_hw.rtl_gen.emit.unit import UnitConfig


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cycles that a unit needs for one vector.

    Attributes:
        name: of the unit in the block.
        label: the unit's configuration.
        beats: input beats of the vector.
        interval: from one vector to the next, in steady state.
        delay: from the vector's last input beat to its last output beat, if no other vector is ahead.
        load: to write the weights of another layer.
    """

    name: str
    label: str
    beats: int
    interval: int
    delay: int
    load: int = 0

    @classmethod
    def of(cls, name: str, config: UnitConfig, values: int) -> "Cost":
        """The cost of a vector of ``values`` values (a linear or Hadamard unit has a fixed size)."""
        component = config.component()
        return _linear(name, config, component) if config.unit == "linear" else _stream(name, config, component, values)


def _stream(name: str, config: UnitConfig, component: Any, values: int) -> Cost:
    """One beat of ``lanes`` values per cycle in and out."""
    beats = -(-values // config.lanes)
    return Cost(name=name, label=config.label, beats=beats, interval=beats, delay=component.latency)


def _linear(name: str, config: UnitConfig, component: Any) -> Cost:
    """A vector is loaded once and multiplied a tile of rows at a time; a tile's results leave over several beats."""
    tiling = component.tiling
    rest = (tiling.tiles - 1) * tiling.beats + tiling.rows // tiling.lanes - 1
    return Cost(
        name=name,
        label=config.label,
        beats=tiling.beats,
        interval=tiling.cycles,
        delay=component.latency + rest,
        load=tiling.outputs * tiling.beats,
    )


def chain(costs: Sequence[Cost]) -> int:
    """Cycles from a vector's first beat into the first unit to its last beat out of the last, both included."""
    return max(cost.beats for cost in costs) + sum(cost.delay for cost in costs)


@dataclass(frozen=True, kw_only=True)
class Block:
    """The units of a block, one of each, shared by all layers in turn.

    Attributes:
        stages: in order; each is one or more chains of units that work at the same time.
        layers: number of layers of the model.
    """

    stages: tuple[tuple[tuple[Cost, ...], ...], ...]
    layers: int

    @property
    def units(self) -> tuple[Cost, ...]:
        """Every unit once, in order."""
        return tuple(dict.fromkeys(cost for stage in self.stages for costs in stage for cost in costs))

    @property
    def slowest(self) -> Cost:
        """The unit that limits throughput when vectors follow each other."""
        return max(self.units, key=lambda cost: cost.interval)

    @property
    def path(self) -> int:
        """Cycles of one token through the units of one layer."""
        return sum(max(chain(costs) for costs in stage) for stage in self.stages)

    @property
    def load(self) -> int:
        """Cycles to write the weights of one layer, all units at the same time."""
        return max(cost.load for cost in self.units)

    def prompt(self, tokens: int) -> int:
        """Cycles of ``tokens`` tokens, layer after layer, every unit busy with another token."""
        return self.layers * (self.load + self.path + (tokens - 1) * self.slowest.interval)

    def token(self, *, resident: bool) -> int:
        """Cycles of one token alone; ``resident``: every layer has its own linear units, whose weights stay."""
        return self.layers * (self.path + (0 if resident else self.load))
