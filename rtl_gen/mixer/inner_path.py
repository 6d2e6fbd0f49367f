# amaranth: UnusedElaboratable=no
"""The inner channels of a layer: convolution, SiLU, time steps, scan, gate, Hadamard transform."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.product_schedule import LOCAL_BITS
from qse_hw.rtl_gen.convolution.convolution import Convolution
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.hadamard.hadamard import Hadamard
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.fifo import Fifo
from qse_hw.rtl_gen.logic.register_slice import sliced
from qse_hw.rtl_gen.logic.sequences import sequence_field
from qse_hw.rtl_gen.logic.streams import forward, transfers
from qse_hw.rtl_gen.mixer.coefficients import Coefficients
from qse_hw.rtl_gen.mixer.config import SHIFT_BITS, MixerConfig
from qse_hw.rtl_gen.mixer.layer_scalars import SCALE
from qse_hw.rtl_gen.mixer.pack import Pack
from qse_hw.rtl_gen.pointwise.activation import Activation
from qse_hw.rtl_gen.pointwise.gate import Gate
from qse_hw.rtl_gen.pointwise.time_step import TimeStep
from qse_hw.rtl_gen.scan.scan import FLAGS as SCAN_FLAGS
from qse_hw.rtl_gen.scan.scan import Scan

FLAGS = ("conv_sum", "x", "dt_sum", *(name.removesuffix("_saturated") for name in SCAN_FLAGS), "gated", "y")
"""Tensors whose values may saturate here."""


class InnerPath(wiring.Component):
    """From the results of in_proj, x_proj and dt_proj to the codes of x and y, the operands of x_proj and out_proj.

    x waits for the scan, gates wait for the scan's outputs, and dt for the scan, in FIFOs as long as a layer has
    channels: so no result of the engine has to wait for one that the engine computes later.

    Latency: of x, that of convolution and activation. Throughput: a channel per cycle, of the scan one per
    ``d_state / scan_lanes`` cycles.

    Parameters:
        config: of the mixer.

    Members:
        first: the token is its sequence's first; must not change while its channels come.
        sequence: with several, the token's; likewise.
        conv_input, gate, B, C, dt: streams of the engine's results, by layer.
        x: stream of codes; y: stream of codes, ``hadamard_lanes`` per beat.
        convolution, time_step, scan, decays: streams of the units' parameters.
        x_scale, y_scale, gated_shift: of the layer; x_next, y_next, gated_next: the next layer's is needed.
        conv_sum, scanned, gated: what passed these streams, for observation.
        states: what was written to the scan's memory, for observation.
        clear: clears the flags.
        saturated: a sticky flag for each of :data:`FLAGS`.
    """

    def __init__(self, config: MixerConfig) -> None:
        self._config = config
        self._convolution = Convolution(config.convolution_config, sliced=True)
        self._activation = Activation(config.activation_config)
        self._time_step = TimeStep(config.time_step_config, sliced=True)
        self._scan = Scan(config.scan_config)
        self._gate = Gate(config.gate_config, sliced=True)
        self._hadamard = Hadamard(config.hadamard_config)
        self._encoder = Encoder(config.y_encoder)
        local = In(stream.Signature(signed(LOCAL_BITS)))
        observed = Out(data.StructLayout({"valid": unsigned(1), "value": signed(LOCAL_BITS)}))
        states = {"valid": unsigned(1), "value": unsigned(config.state_bits * config.scan_lanes)}
        super().__init__(
            {
                "first": In(1),
                **{name: In(shape) for name, shape in sequence_field(config.sequences).items()},
                **dict.fromkeys(("conv_input", "gate", "B", "C", "dt"), local),
                "x": Out(stream.Signature(data.ArrayLayout(unsigned(config.x_format.bits), 1))),
                "y": Out(self._encoder.o.signature),
                **{name: In(stream.Signature(unsigned(bits))) for name, bits in config.word_bits.items()},
                "x_scale": In(SCALE),
                "y_scale": In(SCALE),
                "gated_shift": In(SHIFT_BITS),
                **dict.fromkeys(("x_next", "y_next", "gated_next"), Out(1)),
                **dict.fromkeys(("conv_sum", "scanned", "gated"), observed),
                "states": Out(data.StructLayout(states)),
                "clear": In(1),
                "saturated": Out(len(FLAGS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.convolve = convolution = self._convolution
        m.submodules.activation = activation = self._activation
        m.submodules.time_steps = time_step = self._time_step
        m.submodules.selective_scan = scan = self._scan
        m.submodules.gating = gate = self._gate
        units: dict[str, Convolution | TimeStep | Scan] = {
            "convolution": convolution, "time_step": time_step, "scan": scan,
        }  # fmt: skip
        for name, port in (*((name, unit.parameters) for name, unit in units.items()), ("decays", scan.decays)):
            forward(m, getattr(self, name), port)
        clears = [unit.clear for unit in (*units.values(), activation, gate, self._encoder)]
        m.d.comb += [clear.eq(self.clear) for clear in clears]
        waiting_x = self._activate(m)
        self._recur(m, waiting_x)
        self._rotate(m)
        flags = {
            "conv_sum": convolution.saturated, "x": activation.saturated, "dt_sum": time_step.saturated,
            "gated": gate.saturated, "y": self._encoder.saturated,
            **{name.removesuffix("_saturated"): getattr(scan, name) for name in SCAN_FLAGS},
        }  # fmt: skip
        m.d.comb += self.saturated.eq(Cat(flags[name] for name in FLAGS))
        return m

    def _activate(self, m: Module) -> Fifo:
        """From the convolution's input to x: its codes go out, its values wait for the scan."""
        config, convolution, activation = self._config, self._convolution, self._activation
        result = activation.o.payload[0]
        m.submodules.waiting_x = waiting = Fifo(width=len(result.value), depth=config.d_inner, target=config.target)
        i = convolution.i.payload
        m.d.comb += [
            convolution.i.valid.eq(self.conv_input.valid),
            i["values"][0].eq(self.conv_input.payload),
            i["first"].eq(self.first),
            *self._sequence_of(i),
            self.conv_input.ready.eq(convolution.i.ready),
            activation.scale_m.eq(self.x_scale.m),
            activation.scale_k.eq(self.x_scale.k),
            # both take the beat in the same cycle
            self.x.valid.eq(activation.o.valid & waiting.i.ready),
            waiting.i.valid.eq(activation.o.valid & self.x.ready),
            activation.o.ready.eq(self.x.ready & waiting.i.ready),
            self.x.payload[0].eq(result.code),
            waiting.i.payload.eq(result.value),
        ]
        forward(m, sliced(m, convolution.o, "convolved"), activation.i)
        self._layer_ends(m, transfers(activation.i), config.d_inner, self.x_next)
        m.d.comb += [
            self.conv_sum.valid.eq(transfers(convolution.o)), self.conv_sum.value.eq(convolution.o.payload[0])
        ]  # fmt: skip
        return waiting

    def _sequence_of(self, payload: Any) -> list[Any]:
        """Say of which sequence a beat is, if there are several."""
        return [payload["sequence"].eq(self.sequence)] if self._config.sequences > 1 else []

    def _recur(self, m: Module, waiting_x: Fifo) -> None:
        """From B, C, dt, x and the gates to what is gated."""
        config, scan, gate, time_step = self._config, self._scan, self._gate, self._time_step
        m.submodules.coefficients = coefficients = Coefficients(states=config.d_state, lanes=config.scan_lanes)
        m.submodules.waiting_dt = waiting_dt = Fifo(width=LOCAL_BITS, depth=config.d_inner, target=config.target)
        m.submodules.waiting_gates = gates = Fifo(width=LOCAL_BITS, depth=config.d_inner, target=config.target)
        # B and C come one after the other
        m.d.comb += [
            coefficients.i.valid.eq(self.B.valid | self.C.valid),
            coefficients.i.payload.eq(Mux(self.B.valid, self.B.payload, self.C.payload)),
            self.B.ready.eq(coefficients.i.ready),
            self.C.ready.eq(coefficients.i.ready & ~self.B.valid),
        ]
        forward(m, coefficients.o, scan.coefficients)
        forward(m, self.dt, waiting_dt.i)
        forward(m, waiting_dt.o, time_step.i)
        forward(m, self.gate, gates.i)
        forward(m, gates.o, gate.gate)
        channel, step = scan.i.payload, sliced(m, time_step.o, "stepped")
        m.d.comb += [
            scan.i.valid.eq(step.valid & waiting_x.o.valid),
            step.ready.eq(scan.i.ready & waiting_x.o.valid),
            waiting_x.o.ready.eq(scan.i.ready & step.valid),
            channel.x.eq(waiting_x.o.payload.as_signed()),
            channel.delta.eq(step.payload[0]),
            channel.first.eq(self.first),
            *self._sequence_of(channel),
            gate.shift.eq(self.gated_shift),
            self.scanned.valid.eq(transfers(scan.o)),
            self.scanned.value.eq(scan.o.payload),
            self.states.valid.eq(scan.states.write),
            self.states.value.eq(scan.states.data),
        ]
        forward(m, sliced(m, scan.o, "to_gate"), gate.i)
        self._layer_ends(m, transfers(gate.i), config.d_inner, self.gated_next)

    def _rotate(self, m: Module) -> None:
        """From what is gated to y."""
        config, gate = self._config, self._gate
        lanes = config.hadamard_lanes
        m.submodules.pack = pack = Pack(signed(LOCAL_BITS), size=config.d_inner, narrow=1, wide=lanes)
        m.submodules.hadamard = hadamard = self._hadamard
        m.submodules.encoder = encoder = self._encoder
        forward(m, sliced(m, gate.o, "multiplied"), pack.i)
        m.d.comb += [
            hadamard.i.valid.eq(pack.o.valid),
            hadamard.i.payload.as_value().eq(pack.o.payload["values"].as_value()),
            pack.o.ready.eq(hadamard.i.ready),
            encoder.scale_m.eq(self.y_scale.m),
            encoder.scale_k.eq(self.y_scale.k),
            self.gated.valid.eq(transfers(gate.o)),
            self.gated.value.eq(gate.o.payload[0]),
        ]
        forward(m, hadamard.o, encoder.i)
        forward(m, encoder.o, self.y)
        self._layer_ends(m, transfers(encoder.i), config.d_inner // lanes, self.y_next)

    @staticmethod
    def _layer_ends(m: Module, passes: Value, beats: int, next: Signal) -> None:
        """Ask for the next layer's scalars with the last of a layer's ``beats``."""
        with m.If(passes):
            _, last = count(m, beats, f"{next.name}_beat")
        m.d.comb += next.eq(passes & last)
