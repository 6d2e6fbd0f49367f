"""Stimuli of a unit: beats, when they are offered, when outputs are accepted, and its other inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Offered:
    """Beats of a further input stream, and when they are offered, by the rule of :class:`Stimulus`.

    Attributes:
        beats: payloads in order, (beats, bytes) uint8.
        offer: (cycles,) bool.
    """

    beats: npt.NDArray[np.uint8]
    offer: Bits


@dataclass(frozen=True, kw_only=True, eq=False)
class Stimulus:
    """Inputs of a unit over ``cycles`` cycles, the first of which follows the reset.

    The driver's rule in every cycle t: a beat that was offered and not accepted stays offered, unchanged; otherwise, if
    ``offer[t]`` is true and beats are left, the next one is offered; otherwise ``i__valid`` is 0. The same holds for
    the further streams. ``o__ready`` is ``accept[t]``.

    Attributes:
        beats: payloads of the input stream in order, (beats, bytes) uint8, as :func:`qse_hw.sim.packing.pack` makes
            them.
        offer: (cycles,) bool.
        accept: (cycles,) bool.
        ports: values of the unit's other inputs by name, in every cycle: integers (cycles,), or (cycles, bytes) uint8,
            little-endian, for ports of more than 64 bits. Inputs that are not named here are 0.
        streams: what is offered on further input streams, by name.

    Raises:
        InputError: if the shapes do not fit each other.
    """

    beats: npt.NDArray[np.uint8]
    offer: Bits
    accept: Bits
    ports: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    streams: Mapping[str, Offered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        offers = {f"{name} offer": stream.offer for name, stream in self.streams.items()}
        for name, values in {"accept": self.accept, **self.ports, **offers}.items():
            if len(values) != self.cycles:
                raise InputError(f"Stimulus {name} must have a value per cycle, {self.cycles}, not {len(values)}")
        every = {"": self.beats} | {f"{name} ": stream.beats for name, stream in self.streams.items()}
        for name, beats in every.items():
            if beats.ndim != 2 or beats.dtype != np.uint8:
                raise InputError(f"Stimulus {name}beats must be (beats, bytes) uint8, not {beats.shape} {beats.dtype}")

    @property
    def cycles(self) -> int:
        """Cycles after reset."""
        return len(self.offer)

    @property
    def offered(self) -> dict[str, Offered]:
        """What is offered on every input stream, the stream ``i`` first."""
        return {"i": Offered(beats=self.beats, offer=self.offer), **self.streams}

    def port(self, name: str) -> npt.NDArray[Any]:
        """The values of one of the unit's other inputs, (cycles,)."""
        return self.ports.get(name, np.zeros(self.cycles, np.uint64))


def full_speed(
    beats: npt.NDArray[np.uint8], *, cycles: int, ports: Mapping[str, npt.NDArray[Any]] | None = None
) -> Stimulus:
    """Every beat is offered as soon as possible, every output is accepted at once."""
    always = np.ones(cycles, np.bool_)
    return Stimulus(beats=beats, offer=always, accept=always, ports=ports or {})


def random_stalls(
    beats: npt.NDArray[np.uint8], *, cycles: int, seed: int, ports: Mapping[str, npt.NDArray[Any]] | None = None
) -> Stimulus:
    """Both sides pause at random, in runs of random length, half of the time."""
    rng = np.random.default_rng(seed)
    return Stimulus(beats=beats, offer=random_runs(rng, cycles), accept=random_runs(rng, cycles), ports=ports or {})


def random_runs(rng: np.random.Generator, cycles: int) -> Bits:
    """(cycles,) bool that toggles after runs of 1 to 12 cycles, mostly short ones."""
    lengths = rng.choice((1, 1, 1, 2, 3, 5, 12), cycles)
    first = rng.integers(2)
    runs: Bits = np.repeat((np.arange(cycles) + first) % 2 == 0, lengths)[:cycles]
    return runs
