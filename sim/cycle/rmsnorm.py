"""RMSNorm in every cycle."""

from typing import NamedTuple

import numpy as np

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.norm import normalize
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.norm.rmsnorm import WAITING
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, signed, unpack


class _Run(NamedTuple):
    """Handshakes; the cycle in which each token's last beat was accepted."""

    handshake: pipeline.Handshake
    ends: list[int]


class RmsnormModel:
    """The value of every port of :class:`qse_hw.rtl_gen.norm.rmsnorm.Rmsnorm` in every cycle; ``config``: which.

    ``latency``: cycles from a token's last beat to its first codes.
    """

    def __init__(self, config: RmsnormConfig) -> None:
        component = config.component()
        self._config, self._beats, self._depth = config, component.beats, component.depth
        self._scale_delay, self._encoder_latency = component.scale_delay, component.encoder_latency
        self.latency = component.latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``.

        Raises:
            InputError: if a token has an illegal scale; the hardware is not specified then.
        """
        config = self._config
        run = self._control(stimulus)
        tokens = len(run.ends)
        x = signed(unpack(stimulus.beats[: tokens * self._beats], config.width, config.lanes), config.width)
        pairs = zip(*(stimulus.port(name)[run.ends].tolist() for name in ("scale_m", "scale_k")), strict=True)
        scales = [Scale(M=M, k=k) for M, k in pairs]
        values = x.reshape(tokens, config.size)
        codes, saturated = normalize(values, config.root, config.eps, scales, config.format, config.width)
        outputs = pack(codes.reshape(-1, config.lanes), config.format.bits)
        trace = pipeline.ports(stimulus, run.handshake, outputs, ("clear", "scale_m", "scale_k"))
        happened = saturated.reshape(-1, config.lanes)
        return trace | {"saturated": flag_of_beats(run.handshake.left, happened, trace["clear"])}

    def _control(self, stimulus: Stimulus) -> _Run:
        i_valid, i_ready, o_valid = (bytearray(stimulus.cycles) for _ in range(3))
        ends: list[int] = []
        visible: list[int] = []  # the first cycle in which each beat can enter the encoder
        stages, last_stage = 0, 1 << (self._encoder_latency - 1)
        left, held, room, has_room = len(stimulus.beats), False, True, False  # room for two, a cycle ago
        stored = accepted = tokens = made = issued = reserved = encoded = 0
        for t, (offer, accept) in enumerate(zip(stimulus.offer.tolist(), stimulus.accept.tolist(), strict=True)):
            valid = held or (offer and left > 0)
            left -= valid and not held
            full = bool(stages & last_stage)
            advance = accept or not full
            i_valid[t], i_ready[t], o_valid[t] = valid, room, full
            beat, held = valid and room, valid and not room
            issue = has_room and tokens > 0
            taken = advance and encoded < len(visible) and visible[encoded] <= t
            room, has_room = stored <= self._depth - 2, reserved <= WAITING - 2
            if advance:
                stages = (stages & (last_stage - 1)) << 1 | taken
            if beat:
                accepted += 1
                if accepted % self._beats == 0:
                    ends.append(t)
            if issue:
                visible.append(t + BlockRam.latency + Queue.latency)
                issued += 1
                tokens -= issued % self._beats == 0
            if made < len(ends) and ends[made] + self._scale_delay == t:
                made, tokens = made + 1, tokens + 1
            stored += beat - issue
            reserved += issue - taken
            encoded += taken
        handshake = pipeline.Handshake(
            i_valid=np.frombuffer(i_valid, np.bool_),
            i_ready=np.frombuffer(i_ready, np.bool_),
            o_valid=np.frombuffer(o_valid, np.bool_),
            o_ready=stimulus.accept,
        )
        return _Run(handshake, ends)
