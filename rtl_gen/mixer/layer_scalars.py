"""What one number each says of a layer: the scales of norm, x and y, and the gate's shift."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.lane.lane import K_SHAPE
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.mixer.config import M_BITS, SHIFT_BITS

SCALE = data.StructLayout({"m": unsigned(M_BITS), "k": K_SHAPE})
"""``m * 2**-k``."""
SCALARS = data.StructLayout({"norm": SCALE, "x": SCALE, "y": SCALE, "gated_shift": unsigned(SHIFT_BITS)})
"""Of a layer. The last norm's, before the head, is the norm's of one layer more."""
READERS = ("norm", "x", "y", "gated_shift")


class LayerScalars(wiring.Component):
    """A memory of :data:`SCALARS`, read by units that are in different layers at a time.

    Each reader begins with layer 0 and goes on to the next one, and from the last one to layer 0, with its ``next``.
    The norm's reads the next layer's in the next cycle, as a token may follow the one before at once; the others a
    cycle later: between two layers they pause.

    Latency: none. Throughput: a layer per cycle.

    Parameters:
        layers: number of layers; the norm has one more if ``last_norm``.

    Members:
        words: stream of words, a layer's scalars and its number; always ready. The memory is 0 at first; a reset does
            not clear it.
        norm, x, y, gated_shift: of each reader's layer.
        norm_next, x_next, y_next, gated_shift_next: the reader goes on to its next layer.
    """

    def __init__(self, *, layers: int, last_norm: bool) -> None:
        self._layers = dict.fromkeys(READERS, layers) | {"norm": layers + last_norm}
        numbers = unsigned(max(1, (layers + last_norm - 1).bit_length()))
        word = data.StructLayout({"layer": numbers, "scalars": SCALARS})
        super().__init__(
            {
                "words": In(stream.Signature(word)),
                **{name: Out(SCALARS[name].shape) for name in READERS},
                **{f"{name}_next": In(1) for name in READERS},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = self.words.payload
        m.submodules.memory = memory = Memory(
            shape=SCALARS, depth=max(self._layers.values()), init=[], attrs={"ram_style": "distributed"}
        )
        write = memory.write_port()
        m.d.comb += [
            self.words.ready.eq(1),
            write.en.eq(self.words.valid),
            write.addr.eq(word.layer),
            write.data.eq(word.scalars),
        ]
        for name, layers in self._layers.items():
            next = getattr(self, f"{name}_next")
            if name != "norm":  # what decides it is far away
                asked = Signal(name=f"{name}_asked")
                m.d.sync += asked.eq(next)
                next = asked
            with m.If(next):
                layer, _ = count(m, layers, f"{name}_layer")
            read = memory.read_port(domain="comb")
            m.d.comb += [read.addr.eq(layer), getattr(self, name).eq(read.data[name])]
        return m
