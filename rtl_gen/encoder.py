"""The encoder: values in, codes out."""

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.lane import K_SHAPE, Lane, lane_latency
from qse_hw.rtl_gen.lane.parallel import ParallelLane, parallel_latency
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.logic.status import Status
from qse_hw.rtl_gen.units.encoder import EncoderConfig


class Encoder(wiring.Component):
    """Quantizes ``lanes`` values per beat.

    Arithmetic, per lane: ``T = floor(2**(F+1) * |x| * M * 2**-k)``; T is compared with one threshold per region, then a
    constant is added and a bit slice picked (:func:`qse_hw.rtl_gen.lane.piecewise.regions`): exactly
    :func:`qse_hw.golden.formats.scalar.quantize`.

    Latency: :attr:`latency` cycles from an accepted beat to its output. Throughput: one beat per cycle (initiation
    interval 1); a stalled output stalls the whole pipeline.

    Parameters:
        config: what to build. ``arch`` ``fused`` has one multiplier for all segments; ``parallel``, the paper's
        drawing,
            has comparators on the input, a quantizer with a multiplier per segment, and a multiplexer. Both compute the
            same function. Target ``ecp5`` instantiates that family's multipliers with their registers; ``generic`` is
            portable. ``pipeline`` is the number of registered steps among
            :attr:`qse_hw.rtl_gen.lane.geometry.Geometry.optional_steps`; None: all for ``ecp5``, else one, or two if
            there is a shift.

    Members:
        i: stream of ``lanes`` input bit patterns, lane 0 in the low bits.
        o: stream of ``lanes`` codes, lane 0 in the low bits.
        scale_m, scale_k (run-time scale only): M, top bit set, and k, signed; sampled with each accepted beat.
        clear: clears the flags and the counter (an event in the same cycle is kept).
        saturated, nan: sticky: a beat that left contained a saturated value, a NaN.
        saturation_count: saturated values that left, at most its maximum; absent if ``counter_width`` is 0.

    Raises:
        InputError: if ``pipeline`` exceeds the number of optional steps, or M is too wide for the target's multipliers.
    """

    def __init__(self, config: EncoderConfig) -> None:
        self.config = config
        self.geometry = Geometry(
            format=config.format,
            input=config.input,
            scale=config.scale,
            scale_bits=config.scale_bits,
            target=config.target,
            pipeline=config.pipeline,
        )
        # An ECP5 multiplier has registers at its inputs, which replace the encoder's own.
        self._registered = config.target == "ecp5" and not config.input.is_float and config.arch == "fused"
        ports = {
            "i": In(stream.Signature(data.ArrayLayout(unsigned(config.input.width), config.lanes))),
            "o": Out(stream.Signature(data.ArrayLayout(unsigned(config.format.bits), config.lanes))),
            "clear": In(1),
            "saturated": Out(1),
            "nan": Out(1),
        }
        if config.scale is None:
            ports |= {"scale_m": In(config.scale_bits), "scale_k": In(K_SHAPE)}
        if config.counter_width:
            ports["saturation_count"] = Out(config.counter_width)
        super().__init__(ports)

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        lane = lane_latency(self.geometry) if self.config.arch == "fused" else parallel_latency(self.geometry)
        return lane + (not self._registered)

    def elaborate(self, platform: object) -> Module:
        m, config = Module(), self.config
        advance, o_valid = stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)

        def arriving(value: Value) -> Value:
            if self._registered:
                return value
            register = Signal.like(value, name="arrived", reset_less=True)
            with m.If(advance):
                m.d.sync += register.eq(value)
            return register

        x = arriving(self.i.payload.as_value())
        if config.scale is None:
            scale_m, scale_k = arriving(self.scale_m), arriving(self.scale_k)
        lanes = []
        for number in range(config.lanes):
            lane = Lane(self.geometry) if config.arch == "fused" else ParallelLane(self.geometry)
            m.submodules[f"lane{number}"] = EnableInserter(advance)(lane)
            m.d.comb += [lane.x.eq(x.word_select(number, config.input.width)), lane.enable.eq(advance)]
            if config.scale is None:
                m.d.comb += [lane.scale_m.eq(scale_m), lane.scale_k.eq(scale_k)]
            lanes.append(lane)

        m.submodules.status = status = Status(lanes=config.lanes, counter_width=config.counter_width)
        m.d.comb += [
            self.i.ready.eq(advance),
            self.o.valid.eq(o_valid),
            Value.cast(self.o.payload).eq(Cat(lane.code for lane in lanes)),
            status.enable.eq(self.o.valid & self.o.ready),
            status.clear.eq(self.clear),
            status.saturated_lanes.eq(Cat(lane.saturated for lane in lanes)),
            status.nan_lanes.eq(Cat(lane.nan for lane in lanes)),
            self.saturated.eq(status.saturated),
            self.nan.eq(status.nan),
        ]
        if config.counter_width:
            m.d.comb += self.saturation_count.eq(status.saturation_count)
        return m
