"""The encoder: values in, codes out."""

from operator import index

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale, check_scale_bits
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.lane import K_SHAPE, Lane, lane_latency
from qse_hw.rtl_gen.lane.parallel import ParallelLane, parallel_latency
from qse_hw.rtl_gen.logic.stall import stall_all
from qse_hw.rtl_gen.logic.status import Status, check_counter_width

ARCHS = ("fused", "parallel")
MAX_LANES = 1024


def check_lanes(lanes: int) -> int:
    """``lanes`` as an int, or an InputError."""
    lanes = index(lanes)
    if not 1 <= lanes <= MAX_LANES:
        raise InputError(f"Lanes must be from 1 to {MAX_LANES}, not {lanes!r}")
    return lanes


class Encoder(wiring.Component):
    """Quantises ``lanes`` values per beat.

    Arithmetic, per lane: ``T = floor(2**(F+1) * |x| * M * 2**-k)``, then one comparison per region of T, one constant
    added and a bit slice picked (:func:`qse_hw.rtl_gen.lane.decision.regions`): exactly
    :func:`qse_hw.golden.formats.scalar.quantise`.

    Latency: :attr:`latency` cycles from an accepted beat to its output. Throughput: one beat per cycle (initiation
    interval 1); while the output is stalled the whole pipeline is.

    Parameters:
        format: the code's format.
        input: the input type.
        scale: a :class:`Scale` (a constant), or None for one set at run time.
        scale_bits: width of M; only with a scale set at run time.
        lanes: values per beat, 1 to 1024.
        counter_width: width of ``saturation_count``, 0 for none.
        arch: ``fused``: one multiplier serves every segment; ``parallel``: the paper's drawing, comparators on the
            input, a quantiser with its own multiplier per segment, a multiplexer. The same function.
        target: ``ecp5`` instantiates that family's multipliers with their registers; ``generic`` is portable.
        pipeline: how many of the optional registers are made
            (:attr:`qse_hw.rtl_gen.lane.geometry.Geometry.optional_cuts`); None: all of them for ``ecp5``; one, or two
            if there is a shift, otherwise.

    Members:
        i: stream of ``lanes`` input bit patterns, lane 0 in the low bits.
        o: stream of ``lanes`` codes, lane 0 in the low bits.
        scale_m, scale_k (run-time scale only): M, top bit set, and k, signed; sampled with each accepted beat.
        clear: clears the flags and the counter (an event in the same cycle is kept).
        saturated, nan: sticky: a beat that left contained a saturated value, a NaN.
        saturation_count: saturated values that left, stops at its maximum; absent if ``counter_width`` is 0.

    Raises:
        TypeError, InputError: for parameters of the wrong type or out of range.
    """

    def __init__(
        self,
        *,
        format: SegmentedFormat,
        input: InputType,
        scale: Scale | None,
        scale_bits: int = 16,
        lanes: int = 1,
        counter_width: int = 32,
        arch: str = "fused",
        target: str = "generic",
        pipeline: int | None = None,
    ) -> None:
        if not isinstance(format, SegmentedFormat):
            raise TypeError(f"Format must be a SegmentedFormat, not {format!r}")
        if not isinstance(input, InputType):
            raise TypeError(f"Input must be an InputType, not {input!r}")
        if scale is not None and not isinstance(scale, Scale):
            raise TypeError(f"Scale must be a Scale or None, not {scale!r}")
        if arch not in ARCHS:
            raise InputError(f"Arch must be one of {', '.join(ARCHS)}, not {arch!r}")
        if arch == "parallel" and scale is None:
            raise InputError("Scale must be a constant for arch parallel, which compares with it, not set at run time")
        self.format = format
        self.input = input
        self.scale = scale
        self.scale_bits = scale.bits if scale is not None else check_scale_bits(scale_bits)
        self.lanes = check_lanes(lanes)
        self.counter_width = check_counter_width(counter_width)
        self.arch = arch
        self.geometry = Geometry(
            format=format,
            input=input,
            scale=scale,
            scale_bits=self.scale_bits,
            target=target,
            pipeline=pipeline,
        )
        # An ECP5 multiplier has registers at its inputs, which are as good as the encoder's own.
        self._registered = target == "ecp5" and not input.is_float and arch == "fused"
        ports = {
            "i": In(stream.Signature(data.ArrayLayout(unsigned(input.width), self.lanes))),
            "o": Out(stream.Signature(data.ArrayLayout(unsigned(format.bits), self.lanes))),
            "clear": In(1),
            "saturated": Out(1),
            "nan": Out(1),
        }
        if scale is None:
            ports |= {"scale_m": In(self.scale_bits), "scale_k": In(K_SHAPE)}
        if self.counter_width:
            ports["saturation_count"] = Out(self.counter_width)
        super().__init__(ports)

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        lane = lane_latency(self.geometry) if self.arch == "fused" else parallel_latency(self.geometry)
        return lane + (not self._registered)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, o_valid = stall_all(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)

        def arriving(value: Value) -> Value:
            if self._registered:
                return value
            register = Signal.like(value, name="arrived", reset_less=True)
            with m.If(advance):
                m.d.sync += register.eq(value)
            return register

        x = arriving(self.i.payload.as_value())
        if self.scale is None:
            scale_m, scale_k = arriving(self.scale_m), arriving(self.scale_k)
        lanes = []
        for number in range(self.lanes):
            lane = Lane(self.geometry) if self.arch == "fused" else ParallelLane(self.geometry)
            m.submodules[f"lane{number}"] = EnableInserter(advance)(lane)
            m.d.comb += [lane.x.eq(x.word_select(number, self.input.width)), lane.enable.eq(advance)]
            if self.scale is None:
                m.d.comb += [lane.scale_m.eq(scale_m), lane.scale_k.eq(scale_k)]
            lanes.append(lane)

        m.submodules.status = status = Status(lanes=self.lanes, counter_width=self.counter_width)
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
        if self.counter_width:
            m.d.comb += self.saturation_count.eq(status.saturation_count)
        return m
