# amaranth: UnusedElaboratable=no
"""A Mamba-1 as a block of a system: AXI4-Stream of tokens, AXI4 to a memory with its image, AXI4-Lite registers."""

from typing import Any

from amaranth.hdl import Cat, Module, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from qse_hw.rtl_gen.accelerator.control import Control
from qse_hw.rtl_gen.accelerator.embedding import Embedding
from qse_hw.rtl_gen.accelerator.image_words import ImageMap, stored_bytes
from qse_hw.rtl_gen.accelerator.loader import Loader
from qse_hw.rtl_gen.accelerator.output import Output
from qse_hw.rtl_gen.accelerator.registers import BASE_ALIGNMENT, COUNTERS, accelerator_registers
from qse_hw.rtl_gen.accelerator.results import RESULT_BITS, Results
from qse_hw.rtl_gen.accelerator.streams import WordStream
from qse_hw.rtl_gen.accelerator.tokens import ID_BITS, Tokens
from qse_hw.rtl_gen.bus.axi_lite import AxiLite, axi_lite_ports
from qse_hw.rtl_gen.bus.axi_stream import axi_stream_ports
from qse_hw.rtl_gen.bus.register_block import RegisterBlock, serve
from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH
from qse_hw.rtl_gen.logic.event_counter import EventCounter
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.logic.streams import forward, transfers
from qse_hw.rtl_gen.memory.axi_read import AxiRead, axi_read_ports, word_bits
from qse_hw.rtl_gen.memory.config import BusConfig
from qse_hw.rtl_gen.memory.reader import Reader
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.mixer.mixer import FLAGS, Mixer, tap_shapes
from qse_hw.rtl_gen.units.shared import sequence_bits

READERS = ("image", "scales", "weights")
"""Readers of the memory, the first one first: what is seldom needed goes before what always is."""
_FEW = 2  # bursts for which readers of less than the weights have room
_INSIDE = 8  # more tokens than can be inside


class Accelerator(wiring.Component):
    """Takes tokens' ids and gives logits or the next ids; all parameters lie in a memory.

    Arithmetic: exactly :class:`qse_hw.golden.models.integer.scalar.ScalarMamba`. The memory holds an image
    (:mod:`qse_hw.golden.models.integer.image`) with the part ``parameters``. After CONTROL.START it is read once from
    begin to end: its header and all its checksums are compared, and its parameters are taken. With every token, the
    token's row of the embedding is read, and all weights and row multipliers, ahead as far as there is room.

    A token is the last of its sequence if its TLAST is 1; its result is a packet, in the order of the tokens. An error
    of the memory stops the accelerator; so does a soft reset. It is idle when the memory has answered everything and
    the sink has taken the end of an open packet, and can be started again.

    With several sequences, TID says to which one a token belongs, and of which one a result is.

    Latency: as many cycles as the products, and those in which the engine waits. Throughput: one token at a time; the
    next one is looked up, and what the memory has for it is read ahead. No combinational path leads from an input of
    one of the buses to an output.

    Parameters:
        config: of the mixer; it has a head.
        bus: of the memory.

    Members:
        s_axis_*: stream of ids, 32 bits; TID: the token's sequence, with several.
        m_axis_*: stream of results, 32 bits; TID likewise.
        s_axi_*: AXI4-Lite bus, to the registers of :attr:`registers`.
        m_axi_*: AXI4 bus to the memory, channels AR and R.
        tap_...: as the mixer's.
    """

    def __init__(self, config: MixerConfig, bus: BusConfig) -> None:
        self.config, self.bus, self.image = config, bus, ImageMap(config)
        self.registers = accelerator_registers(self.image, bus)
        self._mixer = Mixer(config)
        id_bits = (len(READERS) - 1).bit_length()
        taps = {name: member for name, member in self._mixer.signature.members.items() if name.startswith("tap_")}
        super().__init__(
            axi_stream_ports("s_axis", ID_BITS, 1, out=False, id_bits=sequence_bits(config.sequences))
            | axi_stream_ports("m_axis", RESULT_BITS, 1, out=True, id_bits=sequence_bits(config.sequences))
            | {f"s_axi_{name}": member for name, member in axi_lite_ports(ADDRESS_WIDTH).items()}
            | {f"m_axi_{name}": one for name, one in axi_read_ports(bus.address_bits, bus.bus_bits, id_bits).items()}
            | taps
        )

    @property
    def latency(self) -> int:
        """Cycles of a token's products, without those in which the engine waits."""
        return self.config.product_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, image = self.bus, self.image
        m.submodules.axi_lite = axi_lite = AxiLite(address_width=ADDRESS_WIDTH)
        m.submodules.registers = registers = RegisterBlock(registers=self.registers)
        m.submodules.control = control = Control()
        m.submodules.memory = memory = AxiRead(
            readers=len(READERS), address_bits=bus.address_bits, bus_bits=bus.bus_bits
        )
        m.submodules.output = output = Output(sequences=self.config.sequences)
        serve(m, axi_lite, registers)
        _export(m, axi_lite, self, "s_axi_", axi_lite_ports(ADDRESS_WIDTH))
        ports = axi_read_ports(bus.address_bits, bus.bus_bits, len(memory.arid))
        _export(m, memory, self, "m_axi_", ports)

        readers = {name: self._reader(m, control, memory, name) for name in READERS}
        within = ResetInserter(control.reset)
        mixer = self._mixer
        m.submodules.mixer = within(mixer)
        tokens = Tokens(vocabulary=self.config.vocabulary, sequences=self.config.sequences)
        embedding = Embedding(
            image, address_bits=bus.address_bits, bus_bits=bus.bus_bits, target=self.config.target
        )
        results = Results(vocabulary=self.config.vocabulary)
        m.submodules.tokens, m.submodules.embedding, m.submodules.results = map(within, (tokens, embedding, results))
        base = self._base(m, registers, control)
        self._stream_weights(m, within, control, readers, base)
        self._load(m, within, control, registers, readers["image"], embedding, base)
        self._pass_tokens(m, control, tokens, embedding, results, output)
        if self.config.sequences > 1:
            self._pass_sequences(m, within, registers, tokens, results, output)
        self._observe(m, control, registers, memory, tokens, results)
        if self.config.taps:
            for name in tap_shapes(self.config):
                ours, theirs = getattr(self, f"tap_{name}"), getattr(mixer, f"tap_{name}")
                m.d.comb += [ours.valid.eq(theirs.valid), ours.payload.eq(theirs.payload)]
        return m

    def _reader(self, m: Module, control: Control, memory: AxiRead, name: str) -> Reader:
        """A reader of the memory."""
        bus, number = self.bus, READERS.index(name)
        reader = Reader(
            address_bits=bus.address_bits, bus_bits=bus.bus_bits, burst_beats=bus.burst_beats,
            bursts=bus.bursts if name == "weights" else _FEW, target=self.config.target,
        )  # fmt: skip
        m.submodules[f"read_{name}"] = ResetInserter(control.reset)(reader)
        forward(m, reader.bursts, getattr(memory, f"bursts{number}"))
        m.d.comb += [
            reader.arrived.eq(memory.arrived[number]),
            reader.data.eq(memory.data),
            reader.stop.eq(control.stop),
        ]
        return reader

    def _base(self, m: Module, registers: RegisterBlock, control: Control) -> Signal:
        """The number of the image's first bus word, since the last start; and whether the image fits there."""
        bus, parameters = self.bus, registers.parameters
        low = Cat(*((parameters[name]) for name in ("base", "base_high") if name in parameters.shape().members))
        words = word_bits(bus.address_bits, bus.bus_bits)
        base = Signal(words)
        per_unit = (BASE_ALIGNMENT * 8 // bus.bus_bits - 1).bit_length()  # bus words in what BASE is a multiple of
        units = -(-self.image.size // BASE_ALIGNMENT)
        end = Signal(len(low) + 1)
        m.d.sync += end.eq(low + (units - 1) % (1 << len(low)))
        m.d.comb += control.fits.eq(~end[-1] if units <= 1 << len(low) else 0)
        with m.If(control.begin):
            m.d.sync += base.eq(low << per_unit)
        return base

    def _stream_weights(
        self, m: Module, within: Any, control: Control, readers: dict[str, Reader], base: Signal
    ) -> None:
        """Weights and row multipliers, token after token."""
        mixer, places, bus = self._mixer, self.image.places, self.bus
        engine = 8 * self.config.rows * self.config.columns
        rows = places["row_scales"].copies * places["row_scales"].elements + places["head_row_scales"].elements
        for name, part, bits, size, port in (
            ("weights", "weights", engine, self.config.product_cycles, mixer.weights),
            ("scales", "row_scales", 32, rows, mixer.scales),
        ):
            words = WordStream(bus_bits=bus.bus_bits, bits=bits, size=size)
            m.submodules[f"{name}_words"] = within(words)
            reader = readers[name]
            m.d.comb += [
                reader.i.valid.eq(control.run),
                reader.i.payload.word.eq(base + self.image.regions[part][0] * 8 // bus.bus_bits),
                reader.i.payload.count.eq(-(-size * bits // bus.bus_bits)),
            ]
            forward(m, reader.o, words.i)
            forward(m, words.o, port)

    def _load(
        self, m: Module, within: Any, control: Control, registers: RegisterBlock, reader: Reader, embedding: Embedding,
        base: Signal,
    ) -> None:
        """The image goes to the loader once; later, the reader is the embedding's."""
        bus, mixer = self.bus, self._mixer
        loader = Loader(self.image, bus_bits=bus.bus_bits)
        bits = 8 * stored_bytes(self.config)
        size = self.image.sizes.parameter_words
        words = WordStream(bus_bits=bus.bus_bits, bits=bits, size=size)
        m.submodules.loader, m.submodules.parameter_words = within(loader), within(words)
        asked = Signal()
        with m.If(transfers(reader.i) | control.reset):
            m.d.sync += asked.eq(control.load & ~control.reset)
        m.d.comb += [
            reader.i.valid.eq((control.load & ~asked) | (control.run & embedding.ranges.valid)),
            embedding.ranges.ready.eq(control.run & reader.i.ready),
            embedding.base.eq(base),
            loader.i.valid.eq(reader.o.valid & control.load),
            loader.i.payload.eq(reader.o.payload),
            embedding.words.valid.eq(reader.o.valid & control.run),
            embedding.words.payload.eq(reader.o.payload),
            reader.o.ready.eq((loader.i.ready & control.load) | (embedding.words.ready & control.run)),
            control.image_failed.eq(loader.mismatch | loader.damaged),
            control.loaded.eq(loader.done & ~mixer.parameters.valid),
            registers.noticed.image_mismatch.eq(loader.mismatch),
            registers.noticed.image_damaged.eq(loader.damaged),
        ]
        with m.If(control.run):
            m.d.comb += reader.i.payload.eq(embedding.ranges.payload)
        with m.Else():
            m.d.comb += [
                reader.i.payload.word.eq(base),
                reader.i.payload.count.eq(self.image.size * 8 // bus.bus_bits),
            ]
        forward(m, loader.o, words.i)
        forward(m, words.o, mixer.parameters)
        region = Signal.like(loader.region, name="region")
        with m.If(loader.damaged):
            m.d.sync += region.eq(loader.region)
        m.d.comb += registers.status.region.eq(region)

    def _pass_tokens(
        self, m: Module, control: Control, tokens: Tokens, embedding: Embedding, results: Results, output: Output
    ) -> None:
        """From the stream of ids to that of results."""
        mixer = self._mixer
        m.d.comb += [
            tokens.i.valid.eq(self.s_axis_tvalid & control.run),
            tokens.i.payload.id.eq(self.s_axis_tdata),
            tokens.i.payload.last.eq(self.s_axis_tlast),
            self.s_axis_tready.eq(tokens.i.ready & control.run),
            output.open.eq(control.run),
            control.output_idle.eq(output.idle),
            self.m_axis_tvalid.eq(output.o.valid),
            self.m_axis_tdata.eq(output.o.payload.value),
            self.m_axis_tlast.eq(output.o.payload.last),
            self.m_axis_tkeep.eq(output.o.payload.kept.replicate(len(self.m_axis_tkeep))),
            output.o.ready.eq(self.m_axis_tready),
        ]
        forward(m, tokens.o, embedding.tokens)
        forward(m, embedding.o, mixer.i)
        forward(m, mixer.o, results.i)
        forward(m, results.o, output.i)

    def _pass_sequences(
        self, m: Module, within: Any, registers: RegisterBlock, tokens: Tokens, results: Results, output: Output
    ) -> None:
        """Tokens' sequences go beside them to their results."""
        queue = Queue(width=sequence_bits(self.config.sequences), depth=_INSIDE)
        m.submodules.sequences = within(queue)
        commands = registers.commands
        m.d.comb += [
            tokens.i.payload.sequence.eq(self.s_axis_tid),
            tokens.begun_sequence.eq(commands.sequence),
            registers.noticed.sequence_error.eq(tokens.misplaced),
            queue.write.eq(transfers(tokens.o)),
            queue.data.eq(tokens.o.payload.sequence),
            queue.ready.eq(_ends(results)),
            output.sequence.eq(queue.payload),
            self.m_axis_tid.eq(output.o.payload.sequence),
        ]

    def _observe(
        self, m: Module, control: Control, registers: RegisterBlock, memory: AxiRead, tokens: Tokens, results: Results
    ) -> None:
        """Commands, state, flags, counters."""
        mixer, commands, noticed = self._mixer, registers.commands, registers.noticed
        ended = _ends(results)
        inside = Signal(range(_INSIDE))
        with m.If(control.reset):
            m.d.sync += inside.eq(0)
        with m.Else():
            m.d.sync += inside.eq(inside + transfers(tokens.o) - ended)
        busy = (inside != 0) & control.run
        m.d.comb += [
            control.start.eq(commands.start),
            control.soft_reset.eq(commands.soft_reset),
            control.read_failed.eq(memory.failed),
            control.memory_idle.eq(memory.idle),
            tokens.new_sequence.eq(commands.new_sequence),
            results.logits.eq(registers.parameters.mode),
            registers.forget.eq(commands.soft_reset),
            registers.status.state.eq(control.state),
            registers.status.busy.eq(busy),
            noticed.read_error.eq(memory.failed & (control.load | control.run)),
            noticed.address_error.eq(control.misplaced),
            noticed.token_error.eq(tokens.dropped),
            mixer.clear.eq(1),  # its flags last a cycle: the registers keep them
            *(noticed[name.lower()].eq(mixer.saturated[n]) for n, name in enumerate(FLAGS)),
        ]
        events: dict[str, Value] = {
            "CYCLES": busy,
            "TOKENS": ended,
            "WEIGHT_WAITS": busy & mixer.weights.ready & ~mixer.weights.valid,
            "SCALE_WAITS": busy & mixer.scales.ready & ~mixer.scales.valid,
            "OUTPUT_WAITS": busy & results.o.valid & ~results.o.ready,
        }
        for name in COUNTERS:
            key = name.lower()
            own = EventCounter(lanes=1)
            m.submodules[f"count_{key}"] = ResetInserter(commands.soft_reset)(own)
            m.d.comb += [
                own.lanes.eq(events[name]),
                own.clear.eq(registers.clear[key]),
                registers.counts[key].eq(own.count),
            ]


def _ends(results: Results) -> Value:
    """Whether a token's last result passes."""
    return transfers(results.o) & results.o.payload.last


def _export(m: Module, part: Any, block: Any, prefix: str, ports: dict[str, wiring.Member]) -> None:
    """Connect a part's ports of a bus to the block's."""
    for name, member in ports.items():
        inner, outer = getattr(part, name), getattr(block, f"{prefix}{name}")
        m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)


