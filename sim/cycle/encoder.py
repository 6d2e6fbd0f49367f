"""The encoder in every cycle."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import expected
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.status import counter, sticky
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, unpack


class EncoderModel:
    """The value of every port of :class:`qse_hw.rtl_gen.encoder.Encoder` in every cycle; ``config``: which encoder.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: EncoderConfig) -> None:
        self._config = config
        self.latency = config.component().latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``.

        Raises:
            InputError: if a beat is accepted with an illegal scale; the hardware is not specified then.
        """
        config = self._config
        handshake = pipeline.stall_all(stimulus, self.latency)
        accepted = handshake.accepted
        x = unpack(stimulus.beats[: len(accepted)], config.input.width, config.lanes)
        codes = np.zeros(x.shape, np.uint16)
        saturated, nan = np.zeros((2, *x.shape), np.bool_)
        used: list[tuple[Scale, npt.NDArray[np.intp] | slice]] = [
            *(scales(stimulus, accepted, config.scale_bits) if config.scale is None else [(config.scale, slice(None))])
        ]
        for scale, beats in used:
            answer = expected(x[beats], config.format, config.input, scale)
            codes[beats], saturated[beats], nan[beats] = answer.codes, answer.saturated, answer.nan

        left = handshake.left
        inputs = ("clear",) if config.scale is not None else ("clear", "scale_m", "scale_k")
        trace = pipeline.ports(stimulus, handshake, pack(codes, config.format.bits), inputs)
        events, nans = np.zeros((2, stimulus.cycles), np.int64)
        events[left] = saturated[: len(left)].sum(axis=1)
        nans[left] = nan[: len(left)].sum(axis=1)
        trace |= {"saturated": sticky(events > 0, trace["clear"]), "nan": sticky(nans > 0, trace["clear"])}
        if config.counter_width:
            trace["saturation_count"] = counter(events, trace["clear"], config.counter_width)
        return trace


def scales(
    stimulus: Stimulus, accepted: npt.NDArray[np.intp], scale_bits: int
) -> list[tuple[Scale, npt.NDArray[np.intp]]]:
    """Each scale on the ports when a beat was accepted, and its beats. Raises InputError if one is illegal."""
    pairs: npt.NDArray[Any] = np.stack(
        [stimulus.port(name)[accepted].astype(np.int64) for name in ("scale_m", "scale_k")], axis=1
    )
    distinct, which = np.unique(pairs, axis=0, return_inverse=True)
    return [
        (Scale(M=M, k=k, bits=scale_bits), np.flatnonzero(which.reshape(-1) == number))
        for number, (M, k) in enumerate(distinct.tolist())
    ]
