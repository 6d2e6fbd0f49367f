# amaranth: UnusedElaboratable=no
"""When everything passes through a mixer, token by token: cycles only, which do not depend on values.

Beats are given to the parts in the order of the engine's jobs, row by row, and each goes as far as it can. That is no
order in time, but all that a beat can wait for comes before it: the engine's results are accepted in their order, what
follows a product is computed before the next product of it begins, and a token is loaded when the one before has been
added to for the last time.
"""

from collections.abc import Hashable
from typing import NamedTuple, Protocol

from qse_hw.golden.reference.product_schedule import Job, Operand, Result, head_schedule, jobs, layer_schedule
from qse_hw.rtl_gen.decoder import Decoder
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.linear.matvec import QUEUE_DEPTH, Matvec
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.mixer.results import TAKERS, Results, low_encoder
from qse_hw.rtl_gen.norm.rmsnorm import Rmsnorm
from qse_hw.rtl_gen.pointwise.residual import Residual
from qse_hw.sim.cycle.mixer.engine import Ended, Engine
from qse_hw.sim.cycle.mixer.inner_path import InnerTiming
from qse_hw.sim.cycle.mixer.log import Log
from qse_hw.sim.cycle.mixer.parts import NEVER, Pack, Pipeline, Sink, Slice, SlicedPipeline, Supply, immediately, since
from qse_hw.sim.cycle.mixer.vectors import NormTiming


class Ports(NamedTuple):
    """The world around a mixer: for a cycle from which on a beat may be offered, or is offered, the first one in which
    it is offered, or accepted."""

    i: Sink = immediately
    weights: Sink = immediately
    scales: Sink = immediately
    o: Sink = immediately


class Part(Protocol):
    """A part of a mixer."""

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""


FULL_SPEED = Ports()
"""Never late."""


class MixerTiming:
    """The cycles of :class:`qse_hw.rtl_gen.mixer.mixer.Mixer`, from its reset on.

    Args:
        config: of the mixer.
        ports: what is around it.
        horizon: first cycle that does not count.
        recorded: keep the cycles of weights and multipliers.

    Attributes:
        engine: of products.
        log: when the values of each tensor pass, also ``i``, ``o``.
        loads: first cycle, and the one after the last one, in which each token may come in.
        weights, scales: the queues at these ports.
        residual: the residual unit.
    """

    def __init__(
        self, config: MixerConfig, ports: Ports = FULL_SPEED, *, horizon: int = NEVER, recorded: bool = False
    ) -> None:
        self._config, self._ports, shape = config, ports, config.shape
        self.log = Log()
        self.weights = Supply(QUEUE_DEPTH, ports.weights, recorded=recorded)
        self.scales = Supply(QUEUE_DEPTH, ports.scales, recorded=recorded)
        self.engine = Engine(
            Matvec(config.engine_config), shape, weights=self.weights, scales=self.scales, results=self._result,
            horizon=horizon,
        )  # fmt: skip
        self._filled: Operand = "norm"
        self._filling = Slice(lambda cycle: self.engine.buffers[self._filled].put(cycle))
        self._ways: list[Part] = []
        operands = {operand: self._operand(operand) for operand in self.engine.buffers}
        self.inner = InnerTiming(
            config, x=operands["x"], y=self.log.kept("y", operands["y"].put), log=self.log
        )
        self._norm = NormTiming(Rmsnorm(config.norm_config), self.log.kept("norm", operands["norm"].put))
        self._pack = Pack(
            size=config.d_model, narrow=1, wide=config.norm_lanes, sink=self.log.kept("norm_in", self._norm.put)
        )
        updated = Slice(self._updated)
        self.residual = SlicedPipeline(
            Residual(config.residual_config).latency, updated, self.log.kept("residual", updated.put)
        )
        low = Encoder(low_encoder(config.dt_low_format, config.target))
        self._low = Pipeline(low.latency, self.log.kept("dt_low", operands["dt_low"].put))
        sinks: dict[Result, Sink] = {
            "conv_input": self.inner.conv_input.put, "gate": self.inner.gate, "B": self.inner.coefficient,
            "C": self.inner.coefficient, "dt": self.inner.dt, "out": self.residual.put, "logits": self._out,
        }  # fmt: skip
        self._sinks = {result: self.log.kept(result, sink) for result, sink in sinks.items()}
        self._current: Result = "conv_input"
        self._slices = [Slice(self._given) for _ in TAKERS]
        self._leaving = {result: part for taker, part in zip(TAKERS, self._slices, strict=True) for result in taker}
        results = Results(config.dt_low_format, target=config.target)
        self._core = Pipeline(results.core_latency, self._requantized)
        self._sums = Slice(self._summed)
        self._updates = 0  # values that left the slice behind the residual unit, of this token
        self.loads: list[tuple[int, int]] = []
        self._loads_from = 0
        self._schedules = list(jobs(layer_schedule(shape))), list(jobs(head_schedule(shape)))

    def _operand(self, operand: Operand) -> Slice:
        """The way of an operand's codes to its buffer."""
        config = self._config

        def fill(cycle: int) -> int:
            self._filled = operand  # a beat goes on at once
            return self._filling.put(cycle)

        pack = Pack(
            size=config.shape.inputs(operand), narrow=config.code_lanes(operand), wide=config.columns,
            sink=fill,
        )  # fmt: skip
        decoder = Pipeline(Decoder.latency, pack.put)
        arrived = Slice(decoder.put)
        self._ways += [pack, decoder, arrived]
        return arrived

    def load(self) -> None:
        """The next token's residual values.

        Raises:
            Ended: if one of them never comes.
        """
        before = self.log.cycles["i"]
        accepted = before[-1] if before else -1  # from then on the next one may be offered
        for _ in range(self._config.d_model):
            accepted = self.residual.put(max(self._ports.i(accepted + 1), self._loads_from))
            if accepted >= NEVER:
                self.loads.append((self._loads_from, NEVER))
                raise Ended
            self.log.keep("i", accepted)
        self.loads.append((self._loads_from, accepted + 1))

    def layer(self) -> None:
        """The products of a layer. Raises Ended as :meth:`Engine.multiply` does."""
        self._do(self._schedules[0])

    def head(self) -> None:
        """The product of the head, if there is one. Raises Ended as :meth:`Engine.multiply` does."""
        self._do(self._schedules[1])

    def _do(self, schedule: list[Job]) -> None:
        for job in schedule:
            self.engine.multiply(job)
        last = self.log.cycles["out"][-1]
        self._loads_from = last + 1

    def run(self) -> None:
        """Tokens until the horizon."""
        try:
            self.load()
            while True:
                for _ in range(self._config.layers):
                    self.layer()
                try:
                    self.head()
                finally:  # a token may be loaded while the logits of the one before come
                    self.load()
        except Ended:
            pass
        for supply in (self.weights, self.scales):  # what comes in without being used
            while supply.next() < NEVER:
                pass

    def _result(self, result: Result, cycle: int) -> int:
        """Offer a sum."""
        self._current = result  # a beat goes on at once
        return self._sums.put(cycle)

    def _summed(self, cycle: int) -> int:
        return (self._low if self._current == "dt_low" else self._core).put(cycle)

    def _requantized(self, cycle: int) -> int:
        return self._leaving[self._current].put(cycle)

    def _given(self, cycle: int) -> int:
        return self._sinks[self._current](cycle)  # a beat that enters a register slice is followed until it leaves

    def _updated(self, cycle: int) -> int:
        """A value leaves the register slice behind the residual unit."""
        config = self._config
        vector = self._updates // config.d_model
        self._updates = (self._updates + 1) % (config.d_model * (config.layers + 1))
        last = vector == config.layers and not config.vocabulary
        return self._out(cycle) if last else self._pack.put(cycle)

    def _out(self, cycle: int) -> int:
        self.log.keep("o_offered", cycle)
        return self.log.keep("o", self._ports.o(cycle))

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on, except the token's progress."""
        parts: tuple[Part, ...] = (
            self.engine, self.inner, self._norm, self._pack, self.residual, self._low, self._core, self._sums,
            self._filling, *self._slices, *self._ways,
        )  # fmt: skip
        return tuple(part.state(now) for part in parts), since(self._loads_from, now)
