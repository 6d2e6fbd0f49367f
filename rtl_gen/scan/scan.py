# amaranth: UnusedElaboratable=no
"""The scan unit: a stream of channels in, token after token, and the outputs of their states out."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.scan import COEFFICIENT_BITS, DELTA_BITS, FLOW_BITS, OUTPUT_BITS, channel_bits, total_bits
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.linear.requantize import Requantizer
from qse_hw.rtl_gen.linear.rounding_shift import K_BITS, RoundingShift
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.delay import Delay
from qse_hw.rtl_gen.logic.fields import split
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.logic.sequences import sequence_field
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.scan.coefficients import coefficient_sets, release_step
from qse_hw.rtl_gen.scan.control import Chains, issue, reserve, state_places
from qse_hw.rtl_gen.scan.parameters import Word, accepted_word, word_memory
from qse_hw.rtl_gen.scan.schedule import accumulator_bits, schedule
from qse_hw.rtl_gen.scan.state import StateLane
from qse_hw.rtl_gen.units.scan import ScanConfig

FLAGS = ("inflow_saturated", "state_saturated", "scan_saturated")


class Scan(wiring.Component):
    """The selective scan of ``channels`` channels with ``states`` states each, ``lanes`` states per cycle, in order.

    Arithmetic: exactly :func:`qse_hw.golden.reference.scan.scan_scalar`. Totals have
    :func:`qse_hw.golden.reference.scan.total_bits` bits, which hold every one.

    A beat stays on the input while its channel's groups of ``lanes`` states are issued, one per cycle, and is accepted
    with the last one. From then on all moves on in every cycle (:class:`qse_hw.rtl_gen.scan.schedule.Schedule`): a
    channel is begun only when the queue at the end has room for its output. So a stalled output stops the unit between
    channels. The states are in a memory, a word per group. A token has at least :attr:`least_groups` groups, so a word
    is written before the next token reads it. In a sequence's first token, old states count as 0, so nothing has to be
    cleared. With several sequences, each has states of its own, and a token those of its sequence: the memory is
    ``sequences`` times as deep.

    Each layer's channels share one set of B and C, loaded into one of two buffers while the other is in use. Counters
    that are advanced where a word is needed address it there; no address is delayed for long. A word of parameters is
    written a cycle after it was accepted, and so a channel that is begun in that cycle reads its own a cycle later:
    registers before the many cells of a memory keep the check of the address off the critical path.

    Latency: :attr:`latency` cycles from an accepted beat to its output. Throughput: a group per cycle, without a pause
    between channels; a beat per ``states / lanes`` cycles.

    Parameters:
        config: what to build.

    Attributes:
        states: the states' memory, for observation.

    Members:
        i: stream of channels: x, signed; ``delta``, unsigned; ``first``: the beat belongs to the first token of a
            sequence; with several ``sequences``, above that the ``sequence``, of which that in a token's first beat
            counts and must be below ``sequences``.
        o: stream of outputs, signed.
        coefficients: stream of B and C of ``lanes`` states each; ``states / lanes`` beats per layer of each token, from
            state 0 on.
        parameters: stream of words, a channel's parameters and an address
            (:func:`qse_hw.golden.reference.scan.pack_channels`); ready while no channel is in the unit. The memory is 0
            at first; a reset does not clear it.
        decays: stream of words, A of a group and an address (:func:`qse_hw.golden.reference.scan.pack_decays`); ready
            and initialized as ``parameters``.
        clear: clears the flags (an event in the same cycle is kept).
        inflow_saturated, state_saturated, scan_saturated: sticky: of an output that left, the flow, a state, the output
            itself had been clamped.
    """

    def __init__(self, config: ScanConfig) -> None:
        self.config = config
        widths, lanes, target = config.widths, config.lanes, config.target
        self.groups = config.states // lanes
        self._lanes = [StateLane(widths, target=target) for _ in range(lanes)]
        self.steps = schedule(widths, lanes, self._lanes[0], target)
        self.depths = {"parameters": config.channels, "decays": config.channels * self.groups}
        self._word_bits = {"parameters": sum(channel_bits(widths)), "decays": lanes * widths.A}
        words = {
            name: data.StructLayout(
                {"address": unsigned(address_bits(1, depth)), "data": unsigned(self._word_bits[name])}
            )
            for name, depth in self.depths.items()
        }
        beat = {
            "x": signed(widths.x), "delta": unsigned(DELTA_BITS), "first": unsigned(1),
            **sequence_field(config.sequences),
        }  # fmt: skip
        coefficients = data.ArrayLayout(signed(COEFFICIENT_BITS), lanes)
        self.states = BlockRam(
            width=lanes * widths.state, depth=config.sequences * self.depths["decays"], target=target
        )
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(beat))),
                "o": Out(stream.Signature(signed(OUTPUT_BITS))),
                "coefficients": In(stream.Signature(data.StructLayout({"B": coefficients, "C": coefficients}))),
                **{name: In(stream.Signature(layout)) for name, layout in words.items()},
                "clear": In(1),
                **dict.fromkeys(FLAGS, Out(1)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        return self.steps.latency

    @property
    def least_groups(self) -> int:
        """The fewest groups that a token may have."""
        return self.steps.least_groups

    @property
    def release_step(self) -> int:
        """The step after which a set of coefficients is not read again."""
        return release_step(self.steps.new)

    @property
    def queue_depth(self) -> int:
        """Places of the output queue: enough that no channel waits unless the output stalls."""
        # a place is reserved from the first group's issue until a cycle after the output left; two are to be free, as
        # channels begun in this cycle and the one before are not counted yet
        return -(-(self.groups + self.latency) // self.groups) + 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        idle = Signal(init=1)
        begins = Signal()
        left = Signal()
        room = Signal()
        ready = Signal()  # coefficients are there
        issued, place, channel = issue(m, self.i, self.config, begins=begins, room=room, ready=ready)
        chains = Chains(m, issued, self.steps.output)
        reserve(m, depth=self.queue_depth, begins=begins, left=left, room=room, idle=idle)
        m.d.comb += [self.parameters.ready.eq(idle), self.decays.ready.eq(idle)]
        coefficients = coefficient_sets(
            m, self.coefficients, self.config, chains=chains, ready=ready, B_step=self.steps.inflow,
            C_step=self.steps.new,
        )  # fmt: skip
        words = {
            name: accepted_word(m, getattr(self, name), idle=idle, depth=depth, name=name)
            for name, depth in self.depths.items()
        }
        flow, inflow_saturated = self._flow(m, channel, words["parameters"])
        terms, state_saturated = self._states(m, chains, place, flow, coefficients, words["decays"])
        direct, output_shift = self._direct(m, chains, words["parameters"])
        self._output(m, chains, terms, direct, output_shift, inflow_saturated, state_saturated, left)
        return m

    @property
    def _early_bits(self) -> int:
        """Bits of a channel's M, k and inflow_shift."""
        return sum(channel_bits(self.config.widths)[:3])

    def _flow(self, m: Module, channel: Signal, word: Word) -> tuple[tuple[Value, Value], Value]:
        """``((flow, shift), saturated)``: the flow, doubled if its shift is odd, at step ``inflow``, and half of its
        shift when a lane needs it; whether it was clamped, at step ``flow``."""
        widths, target, steps = self.config.widths, self.config.target, self.steps
        stages = Stages(m, ())
        memory = word_memory(m, word, slice(None, self._early_bits), target=target, name="parameters_early")
        m.d.comb += memory.place.eq(stages.delay(channel, steps.parameters - BlockRam.latency, "channel_place"))
        fields = split(memory.word, channel_bits(widths)[:3])
        M, k, inflow_shift = fields

        m.submodules.delta_x = delta_x = Multiplier(unsigned(DELTA_BITS), signed(widths.x), target=target)
        start = steps.product - multiplier_latency(DELTA_BITS, target)
        m.submodules.requantizer = requantizer = Requantizer(
            target=target, bits=FLOW_BITS, half="up", constant_k=False, accumulator_bits=accumulator_bits(widths)
        )
        m.d.comb += [
            delta_x.a.eq(stages.delay(self.i.payload.delta, start, "delta")),
            delta_x.b.eq(stages.delay(self.i.payload.x, start, "x")),
            delta_x.enable.eq(1),
            requantizer.a.eq(delta_x.p),
            requantizer.scale_m.eq(stages.delay(M, steps.product - steps.parameters, "scale_m")),
            requantizer.scale_k.eq(stages.delay(k, steps.product - steps.parameters, "scale_k")),
        ]
        flow = stages.delay(requantizer.value, steps.inflow - steps.flow - 1, "flow")
        shift = self._delayed(m, inflow_shift, steps.inflow - steps.parameters - 1, "inflow_shift")
        doubled = stages.register(Mux(shift[0], flow << 1, flow), "doubled_flow")
        half = stages.delay(shift[1:], 1 + multiplier_latency(FLOW_BITS, target) + 1, "half_shift")
        return (doubled, half), requantizer.saturated

    def _delayed(self, m: Module, value: Value, cycles: int, name: str) -> Value:
        """``value``, many cycles later."""
        m.submodules[f"{name}_delay"] = delay = Delay(width=len(value), slots=cycles, target=self.config.target)
        m.d.comb += [delay.enable.eq(1), delay.i.eq(value)]
        return delay.o

    def _states(
        self,
        m: Module,
        chains: Chains,
        place: Signal,
        flow: tuple[Value, Value],
        coefficients: tuple[Value, Value],
        word: Word,
    ) -> tuple[Value, Value]:
        """The sum of each group's terms, and whether one of its states was clamped, both at step ``terms``."""
        config, steps, stages = self.config, self.steps, Stages(m, ())
        widths = config.widths
        decays = word_memory(m, word, slice(None), target=config.target, name="decays_memory")
        m.d.comb += decays.place.eq(stages.delay(place, steps.parameters - BlockRam.latency, "decay_place"))
        delta = stages.delay(self.i.payload.delta, steps.parameters, "lane_delta")
        first = stages.delay(self.i.payload.first, steps.forget, "first")
        m.submodules.states = memory = self.states
        read_place, write_place = state_places(
            m, config, chains, self.i.payload, read=steps.state - BlockRam.latency, write=steps.new
        )
        B, C = coefficients
        for number, lane in enumerate(self._lanes):
            m.submodules[f"lane{number}"] = lane
            m.d.comb += [
                lane.delta.eq(delta),
                lane.A.eq(decays.word.word_select(number, widths.A)),
                lane.flow.eq(flow[0]),
                lane.shift.eq(flow[1]),
                lane.B.eq(B.word_select(number, COEFFICIENT_BITS)),
                lane.forget.eq(first),
                lane.h.eq(memory.word.word_select(number, widths.state)),
                lane.C.eq(C.word_select(number, COEFFICIENT_BITS)),
            ]
        m.d.comb += [
            memory.place.eq(read_place),
            memory.write.eq(chains.group(steps.new)),
            memory.write_place.eq(write_place),
            memory.data.eq(Cat(lane.new for lane in self._lanes)),
        ]
        terms: list[Value] = [lane.term for lane in self._lanes]
        level = 0
        while len(terms) > 1:
            level += 1
            pairs = [terms[n : n + 2] for n in range(0, len(terms), 2)]
            terms = [stages.register(sum(pair[1:], pair[0]), f"sum{level}_{n}") for n, pair in enumerate(pairs)]
        saturated = Cat(lane.saturated for lane in self._lanes).any()
        return terms[0], stages.delay(saturated, steps.terms - steps.new, "state_saturated_at")

    def _direct(self, m: Module, chains: Chains, word: Word) -> tuple[Value, Value]:
        """D x, a step before ``terms``, and ``output_shift`` at step ``total``."""
        widths, target, steps, stages = self.config.widths, self.config.target, self.steps, Stages(m, ())
        memory = word_memory(m, word, slice(self._early_bits, None), target=target, name="parameters_late")
        at = steps.direct - BlockRam.latency
        with m.If(chains.last(at)):
            place, _ = count(m, self.config.channels, "direct_place")
        output_shift, D = split(memory.word, channel_bits(widths)[3:])
        m.submodules.direct = product = Multiplier(signed(widths.D), signed(widths.x), target=target)
        m.d.comb += [
            memory.place.eq(place),
            product.a.eq(D),
            product.b.eq(self._delayed(m, self.i.payload.x, steps.direct, "x")),
            product.enable.eq(1),
        ]
        return product.p, stages.delay(output_shift, steps.total - steps.direct, "output_shift")

    def _output(
        self,
        m: Module,
        chains: Chains,
        terms: Value,
        direct: Value,
        output_shift: Value,
        inflow_saturated: Value,
        state_saturated: Value,
        left: Signal,
    ) -> None:
        """From the sums of groups to the output stream, and the flags."""
        config, steps, stages = self.config, self.steps, Stages(m, ())
        bits = total_bits(config.widths, config.states)
        # two registers: a choice of the addend would put a look-up table before the adder
        running = Signal(signed(bits), reset_less=True)
        total = Signal(signed(bits), reset_less=True)
        added = Signal(signed(bits))
        some = Signal(reset_less=True)
        any_state = Signal(reset_less=True)
        begin = Signal(init=1)
        if self.groups > 1:
            with m.If(chains.group(steps.terms - 1)):
                m.d.sync += begin.eq(chains.last(steps.terms - 1))
        m.d.comb += added.eq(running + terms)
        m.d.sync += [
            total.eq(added),
            running.eq(Mux(begin, direct, added)),
            any_state.eq(some | state_saturated),
            some.eq(~begin & (some | state_saturated)),
        ]
        m.submodules.shift = shift = RoundingShift(width=bits, bits=OUTPUT_BITS)
        m.d.comb += [shift.a.eq(total), shift.k.eq(Cat(output_shift, Const(0, K_BITS - len(output_shift))))]
        flags = [
            stages.delay(inflow_saturated, steps.output - steps.flow, "inflow_saturated_at"),
            stages.delay(any_state, steps.output - steps.total, "any_state_saturated_at"),
            shift.saturated,
        ]
        m.submodules.queue = queue = Queue(width=OUTPUT_BITS + len(flags), depth=self.queue_depth)
        taken = Signal()
        m.d.comb += [
            queue.write.eq(chains.last(steps.output)),
            queue.data.eq(Cat(shift.value, flags)),
            queue.ready.eq(self.o.ready),
            self.o.valid.eq(queue.valid),
            self.o.payload.eq(queue.payload[:OUTPUT_BITS]),
            taken.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += left.eq(taken)
        for number, name in enumerate(FLAGS):
            flag = getattr(self, name)
            m.d.sync += flag.eq((taken & queue.payload[OUTPUT_BITS + number]) | (flag & ~self.clear))
