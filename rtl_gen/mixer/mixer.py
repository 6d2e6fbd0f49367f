# amaranth: UnusedElaboratable=no
"""The layers of an integer Mamba-1 around one product engine: tokens of the residual stream in and out."""

from typing import Any

from amaranth.hdl import Cat, Module, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.product_schedule import (
    LOCAL_BITS,
    OPERANDS,
    RESULTS,
    WIDE,
    WIDE_BITS,
    head_schedule,
    layer_schedule,
)
from qse_hw.rtl_gen.linear.matvec import Matvec
from qse_hw.rtl_gen.logic.sequences import sequence_field
from qse_hw.rtl_gen.logic.streams import forward, transfers
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.mixer.engine_input import Codes, EngineInput
from qse_hw.rtl_gen.mixer.inner_path import FLAGS as INNER_FLAGS
from qse_hw.rtl_gen.mixer.inner_path import InnerPath
from qse_hw.rtl_gen.mixer.layer_scalars import LayerScalars
from qse_hw.rtl_gen.mixer.parameter_bus import ParameterBus, bus_layout
from qse_hw.rtl_gen.mixer.residual_path import ResidualPath
from qse_hw.rtl_gen.mixer.results import Results
from qse_hw.rtl_gen.mixer.sequencer import Sequencer

FLAGS = ("residual", "norm", *RESULTS, *INNER_FLAGS)
"""Tensors whose values may saturate, in the order of their flags."""


class Mixer(wiring.Component):
    """All layers of a Mamba-1, one token at a time, and the head if there is one.

    Arithmetic: exactly :class:`qse_hw.golden.models.integer.scalar.ScalarMamba` without the embedding, of formats that
    all layers share, with local tensors of 16 bits.

    One engine computes all products, in the order of :mod:`qse_hw.golden.reference.product_schedule`; weights and row
    multipliers come with every token, from a memory. Everything else follows the results as they come: what a
    product has to wait for is computed while the engine is busy with another.

    With several sequences, each has states of its own, and a token those of its sequence; cycles are the same. After a
    reset, the sequence whose token was inside must begin anew; the states of the others are still there.

    Latency: a token takes as many cycles as its products, and those in which the engine waits: for the norm of each
    layer, the last channels of the scan and their transform. The next token may be sent at any time.
    Throughput: one token in the unit at a time.

    Parameters:
        config: what to build.

    Members:
        i: stream of a token's residual values: ``value``, ``first``: the token is its sequence's first; with several
            sequences, ``sequence``: the token's; ``d_model`` beats per token.
        o: stream of the logits, ``vocabulary`` per token, or without a head of the residual stream's values after the
            last layer.
        weights: stream of the engine's beats of weights
            (:func:`qse_hw.golden.models.integer.mamba1.weight_stream.weight_stream`), token after token.
        scales: stream of the rows' multipliers.
        parameters: stream of words for the units that have parameters
            (:func:`qse_hw.rtl_gen.mixer.parameter_bus.bus_layout`); accepted while the unit that they are for is idle.
        tap_...: with ``taps``, the values of a tensor: valid in the cycle in which they pass.
        clear: clears the flags.
        saturated: a sticky flag for each of :data:`FLAGS`.
    """

    def __init__(self, config: MixerConfig) -> None:
        self.config = config
        self._engine = Matvec(config.engine_config)
        self._residual = ResidualPath(config)
        self._inner = InnerPath(config)
        self._results = Results(config.dt_low_format, target=config.target)
        self._operands: dict[str, Codes] = {
            name: Codes(config.formats[name], size=config.shape.inputs(name), lanes=config.code_lanes(name))
            for name in OPERANDS
        }
        taps = {
            f"tap_{name}": Out(wiring.Signature({"valid": Out(1), "payload": Out(shape)}))
            for name, shape in tap_shapes(config).items()
        }
        super().__init__(
            {
                "i": In(stream.Signature(value_layout(config.sequences))),
                "o": Out(stream.Signature(signed(WIDE_BITS))),
                "weights": In(stream.Signature(self._engine.weights.payload.shape())),
                "scales": In(stream.Signature(self._engine.scales.payload.shape())),
                "parameters": In(stream.Signature(bus_layout(config.parameter_bits))),
                **(taps if config.taps else {}),
                "clear": In(1),
                "saturated": Out(len(FLAGS)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles of a token's products, without those in which the engine waits."""
        return self.config.product_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, shape = self.config, self.config.shape
        m.submodules.sequencer = sequencer = Sequencer(
            shape, layer=layer_schedule(shape), head=head_schedule(shape), layers=config.layers
        )
        m.submodules.engine = engine = self._engine
        m.submodules.results = results = self._results
        m.submodules.residual_path = residual = self._residual
        m.submodules.inner_path = inner = self._inner
        m.submodules.operands = operands = EngineInput(
            self._operands, columns=config.columns, width=config.value_bits, target=config.target
        )
        first = Signal()
        with m.If(transfers(self.i)):
            m.d.sync += first.eq(self.i.payload.first)
        if config.sequences > 1:
            sequence = Signal(range(config.sequences))
            with m.If(transfers(self.i)):
                m.d.sync += sequence.eq(self.i.payload.sequence)
            m.d.comb += inner.sequence.eq(sequence)
        m.d.comb += [
            residual.i.valid.eq(self.i.valid),
            residual.i.payload.eq(self.i.payload.value),
            self.i.ready.eq(residual.i.ready),
            inner.first.eq(first),
        ]
        self._scalars(m)
        job, jobs = sequencer.o.payload, engine.jobs.payload
        m.d.comb += [engine.jobs.valid.eq(sequencer.o.valid), sequencer.o.ready.eq(engine.jobs.ready)]
        m.d.comb += [jobs[name].eq(job[name]) for name in ("vector", "beats", "rows", "tag", "release")]
        value, beat = engine.i.payload, operands.o.payload
        m.d.comb += [engine.i.valid.eq(operands.o.valid), operands.o.ready.eq(engine.i.ready)]
        m.d.comb += [Value.cast(value[name]).eq(Value.cast(beat[name])) for name in ("values", "vector", "last")]
        forward(m, self.weights, engine.weights)
        forward(m, self.scales, engine.scales)
        forward(m, engine.o, results.i)
        output = results.logits if config.vocabulary else residual.o
        for source, to in (
            (residual.codes, operands.norm), (inner.x, operands.x), (results.dt_low, operands.dt_low),
            (inner.y, operands.y), (results.out, residual.added), (output, self.o),
            *((getattr(results, name), getattr(inner, name)) for name in ("conv_input", "gate", "B", "C", "dt")),
        ):  # fmt: skip
            forward(m, source, to)
        m.d.comb += [part.clear.eq(self.clear) for part in (residual, inner, results)]
        m.d.comb += self.saturated.eq(
            Cat(residual.residual_saturated, residual.norm_saturated, results.saturated, inner.saturated)
        )
        if config.taps:
            self._tap(m)
        return m

    def _scalars(self, m: Module) -> None:
        """Parameters of all units, and the layers' scalars."""
        config, residual, inner = self.config, self._residual, self._inner
        m.submodules.bus = bus = ParameterBus(config.parameter_bits)
        m.submodules.scalars = scalars = LayerScalars(layers=config.layers, last_norm=config.vocabulary > 0)
        forward(m, self.parameters, bus.i)
        forward(m, bus.scalars, scalars.words)
        for name in config.word_bits:
            forward(m, getattr(bus, name), getattr(inner, name))
        m.d.comb += [
            residual.scale.eq(scalars.norm),
            inner.x_scale.eq(scalars.x),
            inner.y_scale.eq(scalars.y),
            inner.gated_shift.eq(scalars.gated_shift),
            scalars.norm_next.eq(residual.scale_next),
            scalars.x_next.eq(inner.x_next),
            scalars.y_next.eq(inner.y_next),
            scalars.gated_shift_next.eq(inner.gated_next),
        ]

    def _tap(self, m: Module) -> None:
        """Show the values that pass."""
        residual, inner, results = self._residual, self._inner, self._results
        observed = {
            "residual": residual.updated, "conv_sum": inner.conv_sum, "scan": inner.scanned, "gated": inner.gated,
            "state": inner.states,
        }  # fmt: skip
        streams: dict[str, Any] = {
            "norm": residual.codes, "x": inner.x, "dt_low": results.dt_low, "y": inner.y,
            **{name: getattr(results, name) for name in RESULTS if name != "dt_low"},
        }  # fmt: skip
        for name in tap_shapes(self.config):
            tap = getattr(self, f"tap_{name}")
            if name in observed:
                m.d.comb += [tap.valid.eq(observed[name].valid), tap.payload.eq(observed[name].value)]
            else:
                m.d.comb += [tap.valid.eq(transfers(streams[name])), tap.payload.eq(Value.cast(streams[name].payload))]


def value_layout(sequences: int) -> data.StructLayout:
    """A residual value of a token: the value, whether the token is its sequence's first, the number of the sequence if
    there are several."""
    return data.StructLayout({"value": signed(WIDE_BITS), "first": unsigned(1), **sequence_field(sequences)})


def tap_shapes(config: MixerConfig) -> dict[str, Shape]:
    """What a mixer's taps show, by tensor: a value, a beat of codes, a word of the states' memory."""
    shapes: dict[str, Shape] = {"residual": signed(WIDE_BITS)}
    for name, format in config.formats.items():
        shapes[name] = unsigned(format.bits * config.code_lanes(name))
    for result in RESULTS:
        if result != "dt_low" and (result != "logits" or config.vocabulary):
            shapes[result] = signed(WIDE_BITS if result in WIDE else LOCAL_BITS)
    shapes |= dict.fromkeys(("conv_sum", "scan", "gated"), signed(LOCAL_BITS))
    shapes["state"] = unsigned(config.state_bits * config.scan_lanes)
    return shapes
