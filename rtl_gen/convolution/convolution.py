"""The convolution unit: a stream of channels in, token after token, and the channels' sums out."""

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.convolution import BIAS_BITS, K_BITS, M_BITS, OUTPUT_BITS, TAP_BITS, word_bits
from qse_hw.rtl_gen.convolution.channel_sum import ChannelSum, channel_sum_latency
from qse_hw.rtl_gen.linear.store import address_bits, idle_signal, loadable_store
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.fields import split
from qse_hw.rtl_gen.logic.sequences import sequence_field, walk
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import connect, stall_control, sticky
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig

READ_DELAY = 1 + BlockRam.latency
"""Cycles from an accepted beat until its channels' parameters and past inputs are read."""


class Convolution(wiring.Component):
    """Causal depthwise convolution of ``channels`` channels, ``lanes`` of them per beat, in order.

    Arithmetic, per channel: ``y = clamp(round((sum(taps[n] * x[n]) + bias) * M / 2**k), -2**15, 2**15 - 1)``, half up,
    where x are the channel's inputs of this token and of the ``taps - 1`` tokens before it: exactly
    :func:`qse_hw.golden.reference.convolution.convolve_scalar`. With biases of at most
    :func:`qse_hw.golden.reference.convolution.max_bias` the sum stays within int32.

    The past inputs of each channel are in a memory, a word per beat: read :data:`READ_DELAY` cycles after a beat is
    accepted, and written in that cycle without the oldest input and with the new one. A token has at least
    ``READ_DELAY`` beats, so it is written before the next token reads it. In a sequence's first token, past inputs
    count as 0, so nothing has to be cleared. For several layers in turn, ``channels`` is the sum over the layers.

    With several sequences, each has past inputs of its own, and a token those of its sequence: the memory is
    ``sequences`` times as deep.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle (initiation interval 1); stalls as a whole.

    Parameters:
        config: what to build.
        sliced: ``o`` leads into a register slice (:func:`qse_hw.rtl_gen.logic.stall.stall_control`).

    Members:
        i: stream of ``lanes`` signed inputs, lane 0 in the low bits, above them ``first``: the beat belongs to the
            first token of a sequence; with several ``sequences``, above that the ``sequence``, of which that in a
            token's first beat counts and must be below ``sequences``; ``channels / lanes`` beats per token.
        o: stream of ``lanes`` signed 16-bit sums.
        parameters: stream of words, a channel's parameters and an address
            (:func:`qse_hw.golden.reference.convolution.pack_parameters`); ready while no beat is in the unit. The
            memory is 0 at first; a reset does not clear it.
        clear: clears ``saturated`` (an event in the same cycle is kept).
        saturated: sticky: a beat that left contained a clamped sum.
    """

    def __init__(self, config: ConvolutionConfig, *, sliced: bool = False) -> None:
        self.config = config
        self._sliced = sliced
        self.beats = config.channels // config.lanes
        word = {
            "address": unsigned(address_bits(config.lanes, self.beats)), "data": unsigned(word_bits(config.taps))
        }  # fmt: skip
        beat = {
            "values": data.ArrayLayout(signed(config.width), config.lanes), "first": unsigned(1),
            **sequence_field(config.sequences),
        }  # fmt: skip
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(beat))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(OUTPUT_BITS), config.lanes))),
                "parameters": In(stream.Signature(data.StructLayout(word))),
                "clear": In(1),
                "saturated": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        config = self.config
        return READ_DELAY + channel_sum_latency(config.width, config.taps, config.target)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, o_valid = stall_control(
            m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency, sliced=self._sliced
        )
        core = Module()
        m.submodules.core = EnableInserter(advance)(core)
        idle = idle_signal(m, accepted=self.i.valid & advance, left=o_valid & self.o.ready, latency=self.latency)
        lanes = self._core(core, advance, idle)
        connect(m, self, advance, o_valid, (lane.value for lane in lanes))
        sticky(m, self, self.saturated, (lane.saturated for lane in lanes))
        return m

    def _core(self, m: Module, advance: Signal, idle: Signal) -> list[ChannelSum]:
        """From the input stream to the lanes' outputs. All of it moves while ``advance`` is high."""
        config = self.config
        stages = Stages(m, ())
        with m.If(self.i.valid):
            position, last = count(m, self.beats, "position")
        place = stages.register(position, "place")
        past_place = place
        if config.sequences > 1:
            begins = Signal(init=1)
            with m.If(self.i.valid):
                m.d.sync += begins.eq(last)
                past_place = walk(
                    m, begins=begins, sequence=self.i.payload["sequence"], sequences=config.sequences,
                    places=self.beats, name="past_place",
                )  # fmt: skip
        parameters = loadable_store(
            m, self.parameters, advance=advance, idle=idle, place=place, banks=config.lanes, depth=self.beats,
            width=word_bits(config.taps), target=config.target,
        )  # fmt: skip

        past_bits = (config.taps - 1) * config.width
        m.submodules.past = past = BlockRam(
            width=config.lanes * past_bits, depth=config.sequences * self.beats, target=config.target
        )
        values = stages.delay(self.i.payload["values"].as_value(), READ_DELAY, "values")
        first = stages.delay(self.i.payload["first"], READ_DELAY, "first")
        entered = Signal(READ_DELAY)  # with a reset: what entered before it is not written
        m.d.sync += entered.eq(Cat(self.i.valid, entered))
        lanes, moved = [], []
        for number, word in enumerate(parameters.words):
            lane = ChannelSum(input_bits=config.width, width=config.taps, target=config.target)
            m.submodules[f"lane{number}"] = lane
            old = Mux(first, 0, past.word.word_select(number, past_bits))
            window = stages.name(Cat(old[:past_bits], values.word_select(number, config.width)), f"window{number}")
            moved.append(window[config.width :])
            fields = _fields(word, config.taps)
            m.d.comb += [
                lane.enable.eq(advance),
                Cat(lane.inputs).eq(window),
                Cat(lane.taps, lane.bias, lane.scale_m, lane.scale_k).eq(Cat(fields)),
            ]
            lanes.append(lane)
        m.d.comb += [
            past.enable.eq(advance),
            past.place.eq(past_place),
            past.write.eq(entered[-1]),
            past.write_place.eq(stages.delay(past_place, BlockRam.latency, "write_place")),
            past.data.eq(Cat(moved)),
        ]
        return lanes


def _fields(word: Value, taps: int) -> list[Value]:
    """Taps, bias, M and k of a word."""
    sizes = [*[TAP_BITS] * taps, BIAS_BITS, M_BITS, K_BITS]
    return split(word, sizes)
