# amaranth: UnusedElaboratable=no
"""From a token's sum of squares to the scale of its codes."""

from amaranth.hdl import Module, Mux, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.functions.root import MANTISSA_BITS
from qse_hw.golden.functions.root import ReciprocalRoot as Arithmetic
from qse_hw.golden.reference.norm import M_BITS
from qse_hw.rtl_gen.functions.root import ReciprocalRoot
from qse_hw.rtl_gen.lane.lane import K_SHAPE
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.logic.stages import Stages


class TokenScale(wiring.Component):
    """``M * 2**-k``: the reciprocal root of ``v`` times a scale, cut to 16 bits, exactly
    :func:`qse_hw.golden.reference.norm.token_scale_scalar`.

    Mantissa and M of the scale have 16 bits with the highest one set: their product has 31 or 32, of which 15 or 16 are
    cut.

    Latency: :attr:`latency` cycles. Throughput: one scale per cycle.

    Parameters:
        root: the reciprocal square root.
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        v: the sum of squares, at least 1.
        scale_m, scale_k: the scale; :attr:`root_latency` cycles later than ``v``.
        m, k: of the codes' scale.
    """

    def __init__(self, root: Arithmetic, *, target: str) -> None:
        self._root, self._target = ReciprocalRoot(root, target=target), target
        super().__init__(
            {
                "v": In(root.input_bits),
                "scale_m": In(M_BITS),
                "scale_k": In(K_SHAPE),
                "m": Out(M_BITS),
                "k": Out(K_SHAPE),
            }
        )

    @property
    def shift_bits(self) -> int:
        """Bits of the root's shift."""
        return len(self._root.shift)

    @property
    def root_latency(self) -> int:
        """Cycles from ``v`` to its root."""
        return self._root.latency

    @property
    def latency(self) -> int:
        """Cycles from ``v`` to the codes' scale."""
        return self.root_latency + multiplier_latency(MANTISSA_BITS, self._target) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        m.submodules.root = root = self._root
        m.submodules.product = product = Multiplier(unsigned(MANTISSA_BITS), unsigned(M_BITS), target=self._target)
        delay = multiplier_latency(MANTISSA_BITS, self._target)
        total = stages.register(root.shift + self.scale_k, "k_sum")
        k = stages.delay(total, delay - 1, "k")
        top = product.p[-1]
        cut = MANTISSA_BITS
        m.d.comb += [
            root.x.eq(self.v),
            root.enable.eq(1),
            product.a.eq(root.mantissa),
            product.b.eq(self.scale_m),
            product.enable.eq(1),
            self.m.eq(stages.register(Mux(top, product.p[cut:], product.p[cut - 1 : -1]), "m_cut")),
            self.k.eq(stages.register((k - Mux(top, cut, cut - 1))[: K_SHAPE.width].as_signed(), "k_cut")),
        ]
        return m
