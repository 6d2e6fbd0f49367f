# amaranth: UnusedElaboratable=no
"""When beats pass through the inner channels of a mixer's layers."""

from collections import deque
from collections.abc import Hashable

from qse_hw.rtl_gen.convolution.convolution import Convolution
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.hadamard.hadamard import Hadamard
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.logic.stream_queue import StreamQueue
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.pointwise.activation import Activation
from qse_hw.rtl_gen.pointwise.gate import WAITING, Gate
from qse_hw.rtl_gen.pointwise.time_step import TimeStep
from qse_hw.rtl_gen.scan.scan import Scan
from qse_hw.sim.cycle.mixer.log import Log
from qse_hw.sim.cycle.mixer.parts import NEVER, Fifo, Pack, Pipeline, Room, Sink, Slice, SlicedPipeline, since
from qse_hw.sim.cycle.mixer.vectors import HadamardTiming


class InnerTiming:
    """The cycles of :class:`qse_hw.rtl_gen.mixer.inner_path.InnerPath`.

    Args:
        config: of the mixer.
        x: takes the codes of x.
        y: takes those of y.
        log: keeps when beats pass.

    Attributes:
        conv_input: takes the engine's results of that name.
        time_step: the unit's pipeline.
    """

    def __init__(self, config: MixerConfig, *, x: Slice, y: Sink, log: Log) -> None:
        self._config, self._x, self._log = config, x, log
        activation = Pipeline(Activation(config.activation_config).latency, self._activated)
        self._activation, convolved = activation, Slice(log.kept("x_in", activation.put))
        self.conv_input = SlicedPipeline(
            Convolution(config.convolution_config).latency, convolved, log.kept("conv_sum", convolved.put)
        )
        self._waiting_x, self._waiting_dt, self._gates = (Fifo(config.d_inner) for _ in range(3))

        scan, lanes = Scan(config.scan_config), config.hadamard_lanes
        self._groups, self._scan_latency, self._written = scan.groups, scan.latency, scan.steps.new
        self._release_step = scan.release_step
        self.time_step = Pipeline(TimeStep(config.time_step_config).latency, lambda cycle: NEVER)
        self._steps: deque[int] = deque()  # since when those in the register slice are there
        self._accepted = -1  # when the last channel was
        self._scan = Room(scan.queue_depth, start=1)
        self._channels = 0  # begun, of a layer
        self._outputs: deque[int] = deque()  # since when outputs that wait are there
        self._scanned = -1  # when the last output left the scan
        self._ungated: deque[int] = deque()  # since when outputs in the register slice are there
        self._gated_at = deque([-1, -1], maxlen=2)  # when the last two outputs were gated
        self._coefficient = self._coefficients_left = 0
        self._filled: deque[int] = deque()  # when sets of coefficients were there that are not in use yet
        self._released: deque[int] = deque(maxlen=2)

        encoder = Pipeline(Encoder(config.y_encoder).latency, y)
        hadamard = HadamardTiming(Hadamard(config.hadamard_config), log.kept("y_in", encoder.put))
        pack = Pack(size=config.d_inner, narrow=1, wide=lanes, sink=hadamard.put)
        multiplied = Slice(pack.put)
        self._gate = SlicedPipeline(
            Gate(config.gate_config).latency, multiplied, log.kept("gated", multiplied.put)
        )
        self._gate_queue = Room(WAITING)
        self._rotation = encoder, hadamard, pack

    def _activated(self, cycle: int) -> int:
        """x leaves the activation when both its ways go on."""
        while True:
            free = self._waiting_x.earliest(cycle)
            cycle = self._x.earliest(free)
            if cycle == free or cycle >= NEVER:
                break
        if cycle >= NEVER:
            return NEVER
        self._waiting_x.accept(cycle)
        return self._log.keep("x", self._x.put(cycle))

    def gate(self, cycle: int) -> int:
        """Offer a result of that name."""
        return self._wait(self._gates, cycle)

    def dt(self, cycle: int) -> int:
        """Offer a result of that name."""
        return self._wait(self._waiting_dt, cycle)

    def _wait(self, fifo: Fifo, cycle: int) -> int:
        cycle = fifo.earliest(cycle)
        if cycle >= NEVER:
            return NEVER
        fifo.accept(cycle)
        self._go_on()
        return cycle

    def coefficient(self, cycle: int) -> int:
        """Offer a value of B or C."""
        cycle = max(cycle, self._coefficients_left)
        if cycle >= NEVER:
            return NEVER
        states, lanes = self._config.d_state, self._config.scan_lanes
        self._coefficient += 1
        if self._coefficient > states and self._coefficient % lanes == 0:
            self._coefficients_left = max(cycle + 1, self._set_free())
        if self._coefficient == 2 * states:
            self._coefficient = 0
            self._filled.append(self._coefficients_left)
            self._go_on()
        return cycle

    def _set_free(self) -> int:
        """The first cycle in which at most one set of coefficients is held."""
        number = len(self._filled) - 2
        if number >= 0:
            return NEVER
        return self._released[number] + 1 if len(self._released) >= -number else 0

    def _go_on(self) -> None:
        """Scan the channels of which all has come, and gate the outputs whose gates have come."""
        moved = True
        while moved:
            moved = self._make_step()
            moved = self._scan_channel() or moved
            moved = self._scan_output() or moved
            moved = self._gate_value() or moved

    def _make_step(self) -> bool:
        """The next time step; whether it can be known when it is made."""
        dt = self._waiting_dt.next()
        if dt >= NEVER or len(self._steps) == 2:
            return False
        cycle = self._log.keep("dt_entered", self.time_step.earliest(dt))
        self._waiting_dt.leave(cycle)
        leaves = self._log.keep("dt_sum", self.time_step.enter(cycle))
        there = leaves + RegisterSlice.latency
        if not self._steps:
            self.time_step.wait(there, self._accepted + 1)
        self._steps.append(there)
        return True

    def _scan_channel(self) -> bool:
        """The next channel; whether it can be known when."""
        x = self._waiting_x.next()
        if x >= NEVER or not self._filled or not self._steps:
            return False
        begin = self._scan.earliest(max(self._steps[0], x, self._filled[0] + 1))
        if begin >= NEVER:
            return False
        accepted = begin + self._groups - 1
        self._scan.take(begin)
        self._steps.popleft()
        self._accepted = accepted
        if self._steps:
            self.time_step.wait(self._steps[0], accepted + 1)
        self._waiting_x.leave(accepted)
        self._log.keep("scan_begun", begin)
        self._log.keep_run("state", begin + self._written, self._groups)
        self._outputs.append(accepted + self._scan_latency)
        self._channels += 1
        if self._channels == self._config.d_inner:
            self._channels = 0
            self._filled.popleft()
            self._released.append(accepted + self._release_step)
        return True

    def _scan_output(self) -> bool:
        """The next output of the scan; whether it can be known when it leaves it."""
        if not self._outputs or len(self._ungated) == 2:
            return False
        room = self._gated_at[len(self._ungated)] + 1  # two before it have been gated
        self._scanned = max(self._outputs.popleft(), self._scanned + 1, min(NEVER, room))
        self._log.keep("scan", self._scanned)
        self._scan.free(min(NEVER, self._scanned + 1))  # known a cycle late
        self._ungated.append(self._scanned + RegisterSlice.latency)
        return True

    def _gate_value(self) -> bool:
        """The next value to gate; whether it can be known when."""
        gate = self._gates.next()
        if not self._ungated or gate >= NEVER:
            return False
        queued = self._gate_queue.earliest(gate)
        there = max(self._ungated.popleft(), queued + StreamQueue.latency, self._gated_at[-1] + 1)
        cycle = self._gate.put(there)
        self._gates.leave(queued)
        self._gate_queue.take(queued)
        self._gate_queue.free(cycle)
        self._gated_at.append(cycle)
        return True

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        parts = (
            self.conv_input, self._activation, self._waiting_x, self._waiting_dt, self._gates,
            self.time_step, self._scan, self._gate, self._gate_queue, *self._rotation,
        )  # fmt: skip
        cycles = (
            *self._steps, self._accepted, *self._outputs, *self._filled, *self._released, *self._ungated,
            *self._gated_at, self._scanned, self._coefficients_left,
        )  # fmt: skip
        return (
            tuple(part.state(now) for part in parts), len(self._steps), self._channels, self._coefficient,
            len(self._outputs), len(self._ungated), len(self._filled), tuple(since(cycle, now) for cycle in cycles),
        )  # fmt: skip
