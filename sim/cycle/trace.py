"""Traces: a unit's ports in every cycle, from a model or recorded from Verilog (:mod:`qse_hw.sim.trace.trace`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Trace = dict[str, npt.NDArray[Any]]
"""Each port's value (without clk and rst) in every cycle, sampled by the rising edge at its end: (cycles,) bool
for one bit, else uint64, int64 if the port is signed. Payloads and ports of more than 64 bits are (cycles, bytes)
uint8, little-endian. A payload is zero, by definition, where its valid is 0."""


def first_difference(got: Mapping[str, npt.NDArray[Any]], want: Mapping[str, npt.NDArray[Any]]) -> str:
    """The first difference of two traces, in words; "" if they are equal."""
    if set(got) != set(want):
        return f"ports {', '.join(sorted(set(got) ^ set(want)))} are in one trace only"
    differences = []
    for name in want:
        if got[name].shape != want[name].shape:
            return f"{name} has shape {got[name].shape}, not {want[name].shape}"
        # as patterns, since NumPy would compare int64 and uint64 as floating point
        different = np.argwhere(got[name].astype(np.uint64) != want[name].astype(np.uint64))
        differences += [(int(cycle), name) for cycle, *_ in different[:1]]
    if not differences:
        return ""
    cycle, name = min(differences)
    return f"cycle {cycle}: {name} is {got[name][cycle]}, not {want[name][cycle]}"


def as_port(name: str, width: int, signed: bool, values: Sequence[int]) -> npt.NDArray[Any]:
    """``values``, one per cycle, in the form that a :data:`Trace` has for the port ``name``."""
    if name.endswith("__payload") or width > 64:
        size = -(-width // 8)
        packed = b"".join((value & ((1 << width) - 1)).to_bytes(size, "little") for value in values)
        return np.frombuffer(packed, np.uint8).reshape(-1, size)
    return np.array(values, np.bool_ if width == 1 else np.int64 if signed else np.uint64)


def masked(trace: Trace) -> Trace:
    """The trace with each payload 0 where its valid is 0."""
    return {
        name: values * trace[f"{name.removesuffix('__payload')}__valid"][:, None]
        if name.endswith("__payload")
        else values
        for name, values in trace.items()
    }
