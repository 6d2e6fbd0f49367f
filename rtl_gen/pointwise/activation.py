# amaranth: UnusedElaboratable=no
"""The activation unit: fixed point in, codes of its SiLU and their values out."""

from amaranth.hdl import Cat, EnableInserter, Module, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.decoder import Decoder, decode
from qse_hw.rtl_gen.functions.lane import FunctionLane
from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.lane import K_SHAPE, Lane, lane_latency
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import connect, stall_control, sticky
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.decoder import value_width


class Activation(wiring.Component):
    """Encodes SiLU of ``lanes`` values per beat.

    Arithmetic, per lane: exactly :func:`qse_hw.golden.reference.activation.activate_scalar`, by the lanes of a function
    unit, an encoder and a decoder, one after another.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle (initiation interval 1); stalls as a whole.

    Parameters:
        config: what to build.

    Members:
        i: stream of ``lanes`` signed integers, in steps of the input type, lane 0 in the low bits.
        o: stream of ``lanes`` results, lane 0 in the low bits: ``code``, above it ``value``, in fine steps, signed, of
            :func:`qse_hw.rtl_gen.units.decoder.value_width` bits.
        scale_m: M of the scale, highest bit set; ``scale_k``: its k; sampled with each accepted beat. The scale takes
            integers in steps of SiLU's output type to the step of the format.
        clear: clears ``saturated`` (an event in the same cycle is kept).
        saturated: sticky: a beat that left contained a saturated code.
    """

    def __init__(self, config: ActivationConfig) -> None:
        self.config = config
        encoder = config.encoder
        self._geometry = Geometry(
            format=encoder.format, input=encoder.input, scale=None, scale_bits=encoder.scale_bits,
            target=encoder.target,
        )  # fmt: skip
        self._functions = [FunctionLane(config.silu) for _ in range(config.lanes)]
        result = data.StructLayout({"code": config.format.bits, "value": signed(value_width(config.format))})
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(config.input.width), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(result, config.lanes))),
                "scale_m": In(unsigned(encoder.scale_bits)),
                "scale_k": In(K_SHAPE),
                "clear": In(1),
                "saturated": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        return self._functions[0].latency + lane_latency(self._geometry) + Decoder.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, o_valid = stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)
        core = Module()
        m.submodules.core = EnableInserter(advance)(core)
        outputs, saturated = self._core(core, advance)
        connect(m, self, advance, o_valid, outputs)
        sticky(m, self, self.saturated, saturated)
        return m

    def _core(self, m: Module, advance: Value) -> tuple[list[Value], list[Value]]:
        """From the input stream to the results and whether each saturated. All of it moves with ``advance``."""
        stages, delay = Stages(m, ()), self._functions[0].latency
        scale_m = stages.delay(self.scale_m, delay, "scale_m")
        scale_k = stages.delay(self.scale_k, delay, "scale_k")
        codes: list[Value] = []
        saturated: list[Value] = []
        for number, function in enumerate(self._functions):
            m.submodules[f"silu{number}"] = function
            m.submodules[f"encoder{number}"] = encoder = Lane(self._geometry)
            m.d.comb += [
                function.x.eq(self.i.payload[number]),
                function.enable.eq(advance),
                encoder.x.eq(function.y),
                encoder.enable.eq(advance),
                encoder.scale_m.eq(scale_m),
                encoder.scale_k.eq(scale_k),
            ]
            codes.append(encoder.code)
            saturated.append(stages.delay(encoder.saturated, Decoder.latency, f"saturated{number}_"))
        decoded = decode(
            m, codes, format=self.config.format, target=self.config.target, enable=advance, name="decoder"
        )
        outputs = [
            Cat(stages.delay(code, Decoder.latency, f"code{number}_"), result.value)
            for number, (code, result) in enumerate(zip(codes, decoded, strict=True))
        ]
        return outputs, saturated
