"""Sticky flags and a counter, vectorized over cycles: the model of :mod:`qse_hw.rtl_gen.logic.status`."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.sim.cycle.stimulus import Bits


def sticky(events: Bits, clear: npt.NDArray[Any]) -> Bits:
    """``flag <= event or (flag and not clear)``: its value in each cycle, (cycles,) bool."""
    cycles = np.arange(len(events))
    last_event, last_clear = (
        np.maximum.accumulate(np.where(happened, cycles, -1)) for happened in (events, clear.astype(np.bool_))
    )
    return _a_cycle_later((last_event >= last_clear) & (last_event >= 0))


def flag_of_beats(left: npt.NDArray[np.intp], happened: npt.NDArray[np.bool_], clear: npt.NDArray[Any]) -> Bits:
    """A sticky flag in each cycle, (cycles,) bool.

    Args:
        left: the cycles in which beats leave.
        happened: (beats, lanes): whether a beat's lane raises the flag, at least of the beats that left.
        clear: (cycles,).
    """
    events = np.zeros(len(clear), np.bool_)
    events[left] = happened[: len(left)].any(axis=1)
    return sticky(events, clear)


def counter(events: npt.NDArray[np.int64], clear: npt.NDArray[Any], width: int) -> npt.NDArray[np.uint64]:
    """``count <= min((0 if clear else count) + events, 2**width - 1)``: its value in each cycle, (cycles,)."""
    total = np.cumsum(events)
    before_clear = np.maximum.accumulate(np.where(clear.astype(np.bool_), total - events, 0))
    return _a_cycle_later(np.minimum((total - before_clear).astype(np.uint64), np.uint64((1 << width) - 1)))


def _a_cycle_later(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A register's value in each cycle if it samples ``values`` and starts at 0."""
    return np.concatenate([np.zeros(1, values.dtype), values])[: len(values)]
