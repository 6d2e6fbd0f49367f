"""A unit for a Mamba-1's layers, and what their scans are given and give in the integer model's Python integers."""

from typing import NamedTuple

import numpy as np

from qse_hw.golden.models.integer.products import reach_of
from qse_hw.golden.models.integer.scalar import ScalarMamba
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.golden.reference.scan import Parameters, scale_decays
from qse_hw.rtl_gen.units.scan import ScanConfig
from tests.sim.cycle.scan_stimuli import Job


class Scans(NamedTuple):
    """Of chosen channels of all layers: what to send, outputs (tokens, channels), states at the end, by layer which of
    the tensors saturated."""

    job: Job
    outputs: np.ndarray
    states: np.ndarray
    saturated: set


def unit_for(layers, channels, lanes, **options):
    """The narrowest unit for so many channels of each of the layers."""
    D = max(int(np.abs(layer.scan.D).max()) for layer in layers)
    shift = max(max(layer.to_exponent, 0) for layer in layers)
    A = max(int(layer.A.max()) << (shift - layer.to_exponent) for layer in layers)
    return ScanConfig(
        channels=channels * len(layers), layers=len(layers), states=layers[0].A.shape[1], lanes=lanes,
        x_bits=max(reach_of(layer.formats.x) for layer in layers).bit_length() + 1, d_bits=D.bit_length() + 1,
        a_bits=A.bit_length(), state_bits=layers[0].formats.state.format, decay_shift=shift, **options,
    )  # fmt: skip


def parameters_of(layers, chosen, widths):
    """The parameters of the channels ``chosen`` of every layer."""
    parts = [
        Parameters(
            layer.scan.inflow.M, layer.scan.inflow.k, layer.scan.inflow_shift, layer.scan.output_shift, layer.scan.D,
            scale_decays(layer.A, layer.to_exponent, widths),
        )
        for layer in layers
    ]  # fmt: skip
    return Parameters(*(np.concatenate([part[chosen] for part in field]) for field in zip(*parts, strict=True)))


def scans_of(parameters, ids, chosen, widths, monkeypatch):
    """Runs the integer model on tokens."""
    given = {name: [] for name in ("x", "delta", "B", "C", "y")}
    original = ScalarArithmetic.scan

    def spy(self, scan, channel, formats, h, x, delta, recurrence):
        y = original(self, scan, channel, formats, h, x, delta, recurrence)
        if channel in chosen:
            for name, value in (("x", x), ("delta", delta), ("y", y)):
                given[name].append(value)
        if channel == 0:
            given["B"].append(recurrence.B)
            given["C"].append(recurrence.C)
        return y

    monkeypatch.setattr(ScalarArithmetic, "scan", spy)
    model, tokens = ScalarMamba(parameters), len(ids)
    for token in ids:
        model.step(int(token))
    x, delta, y = (np.array(given[name]).reshape(tokens, -1) for name in ("x", "delta", "y"))
    B, C = (np.array(given[name]).reshape(tokens, len(parameters.layers), -1) for name in ("B", "C"))
    first, sequence = np.arange(tokens) == 0, np.zeros(tokens, np.int64)
    job = Job(parameters_of(parameters.layers, chosen, widths), x, delta, first, B, C, sequence)
    states = np.concatenate([np.array(mixer.h)[chosen] for mixer in model.mixers])
    return Scans(job, y, states, {name for (_, name), count in model.saturated.items() if count})
