# amaranth: UnusedElaboratable=no
"""The residual stream around the layers: loaded, normalized before each layer, added to after it."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.product_schedule import WIDE_BITS
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.register_slice import sliced
from qse_hw.rtl_gen.logic.streams import forward, transfers
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.mixer.layer_scalars import SCALE
from qse_hw.rtl_gen.mixer.pack import Pack
from qse_hw.rtl_gen.norm.rmsnorm import Rmsnorm
from qse_hw.rtl_gen.pointwise.residual import Residual


class ResidualPath(wiring.Component):
    """Takes a token, gives the codes of the first norm; takes what a layer adds, gives those of the next norm.

    After the last layer, the stream goes to the last norm if there is a head, else out. The next token is taken after
    the last addition.

    Latency: that of the residual unit, a register slice, and the norm. Throughput: a value per cycle.

    Parameters:
        config: of the mixer.

    Members:
        i: stream of a token's values, ``d_model`` of them.
        added: stream of what the layers add, ``d_model`` values for each layer.
        codes: stream of the norms' codes, ``norm_lanes`` per beat.
        o: stream of the values after the last layer, without a head; with one it stays empty.
        scale: of the norm of this layer; ``scale_next``: the next layer's is needed.
        updated: the residual stream after each change, for observation: valid when a value leaves the residual unit.
        clear: clears the flags.
        residual_saturated, norm_saturated: sticky.
    """

    def __init__(self, config: MixerConfig) -> None:
        self._config = config
        self._norm = Rmsnorm(config.norm_config)
        self._residual = Residual(config.residual_config, sliced=True)
        value = stream.Signature(signed(WIDE_BITS))
        super().__init__(
            {
                "i": In(value),
                "added": In(value),
                "codes": Out(stream.Signature(data.ArrayLayout(unsigned(config.norm_format.bits), config.norm_lanes))),
                "o": Out(value),
                "scale": In(SCALE),
                "scale_next": Out(1),
                "updated": Out(data.StructLayout({"valid": unsigned(1), "value": signed(WIDE_BITS)})),
                "clear": In(1),
                "residual_saturated": Out(1),
                "norm_saturated": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.residual = residual = self._residual
        m.submodules.norm = norm = self._norm
        m.submodules.pack = pack = Pack(
            signed(WIDE_BITS), size=config.d_model, narrow=1, wide=config.norm_lanes
        )
        updated = sliced(m, residual.o, "updated_value")
        entered = Signal()
        left = Signal()
        loads = Signal(init=1)  # a token is loaded, not added to
        with m.If(entered):
            _, ends = count(m, config.d_model, "entered_value")
        with m.If(entered & ends):
            _, was_last = count(m, config.layers + 1, "entered_vector")
            m.d.sync += loads.eq(was_last)
        m.d.comb += [
            residual.i.valid.eq(Mux(loads, self.i.valid, self.added.valid)),
            residual.i.payload["values"][0].eq(Mux(loads, self.i.payload, self.added.payload)),
            residual.i.payload["load"].eq(loads),
            self.i.ready.eq(residual.i.ready & loads),
            self.added.ready.eq(residual.i.ready & ~loads),
            entered.eq(residual.i.valid & residual.i.ready),
            left.eq(transfers(updated)),
            self.updated.valid.eq(transfers(residual.o)),
            self.updated.value.eq(residual.o.payload[0]),
            residual.clear.eq(self.clear),
            norm.clear.eq(self.clear),
            self.residual_saturated.eq(residual.saturated),
            self.norm_saturated.eq(norm.saturated),
        ]
        last = Signal()  # the vector that leaves is that after the last layer
        with m.If(left):
            _, vector_ends = count(m, config.d_model, "left_value")
        with m.If(left & vector_ends):
            _, last_vector = count(m, config.layers + 1, "left_vector")
        m.d.comb += [
            last.eq(last_vector & (config.vocabulary == 0)),
            pack.i.valid.eq(updated.valid & ~last),
            pack.i.payload[0].eq(updated.payload[0]),
            norm.i.valid.eq(pack.o.valid),
            norm.i.payload.as_value().eq(pack.o.payload["values"].as_value()),
            pack.o.ready.eq(norm.i.ready),
            norm.scale_m.eq(self.scale.m),
            norm.scale_k.eq(self.scale.k),
            self.scale_next.eq(transfers(pack.o) & pack.o.payload["last"]),
            self.o.valid.eq(updated.valid & last),
            self.o.payload.eq(updated.payload[0]),
            updated.ready.eq(Mux(last, self.o.ready, pack.i.ready)),
        ]
        forward(m, norm.o, self.codes)
        return m
