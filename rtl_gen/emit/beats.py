"""Stimuli of a unit and its expected outputs, for testbenches without Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Beats on one stream, in order.

    Attributes:
        name: of the stream: ``i``, ``o``, ``weights``.
        beats: payloads, as integers.
        payload: the ports that the payload is made of, lowest bits first.
        valid, ready: the ports of the handshake.
    """

    name: str
    beats: Sequence[int]
    payload: tuple[str, ...]
    valid: str
    ready: str


def stream(name: str, beats: Sequence[int]) -> Stream:
    """A stream of :mod:`amaranth.lib.stream`, whose ports begin with its name."""
    return Stream(
        name=name, beats=beats, payload=(f"{name}__payload",), valid=f"{name}__valid", ready=f"{name}__ready"
    )


@dataclass(frozen=True, kw_only=True)
class Beats:
    """A test of a unit, from its reset on; it can be repeated after ``clear``.

    Attributes:
        inputs: the input beats; the unit may accept them at any pace.
        outputs: the expected output beats, in order.
        first: streams to send once before the input, one after another, such as weights.
        beside: streams to send along with the input, each at its own pace; all of their beats are needed.
        ports: values of further inputs; inputs without a value are 0.
        status: expected values of status outputs after the last beat has left; ``clear`` makes them 0.
    """

    inputs: Stream
    outputs: Stream
    first: tuple[Stream, ...] = ()
    beside: tuple[Stream, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    status: Mapping[str, int] = field(default_factory=dict)


def join_lanes(values: npt.NDArray[Any], width: int, lanes: int) -> list[int]:
    """Beats of ``lanes`` values of ``width`` bits, lane 0 in the low bits; negative values in two's complement.

    ``values``: integers, any shape, whole beats.
    """
    bits = (values.reshape(-1, lanes).astype(np.int64) & ((1 << width) - 1)).astype("<u8")
    flat = np.unpackbits(bits.view(np.uint8).reshape(-1, lanes, 8), axis=2, count=width, bitorder="little")
    packed = np.packbits(flat.reshape(-1, lanes * width), axis=1, bitorder="little")
    return from_rows(packed)


def from_rows(rows: npt.NDArray[np.uint8]) -> list[int]:
    """Beats of rows (beats, bytes), whose first byte is the lowest."""
    return [int.from_bytes(row.tobytes(), "little") for row in rows]
