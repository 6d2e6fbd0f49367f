"""The square of an integer that may be wider than a multiplier's operands."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.lane.multiplier import DSP_WIDTH, Multiplier, multiplier_latency
from qse_hw.rtl_gen.logic.stages import Stages


def square_latency(width: int, target: str) -> int:
    """Cycles from an integer of ``width`` bits to its square."""
    return multiplier_latency(min(width, DSP_WIDTH), target) + _halved(width, target)


class Square(wiring.Component):
    """``p = x * x``, at most ``2**(2 * width - 2)``.

    Integers that are too wide for the ``ecp5`` multiplier are split: ``x = h * 2**n + l`` has the square
    ``h*h * 2**(2*n) + l*l + h*l * 2**(n+1)``, of which the first two terms do not overlap; an addition is left.

    Latency: :func:`square_latency` cycles. Throughput: one square per cycle.

    Parameters:
        width: of x, at most 32.
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        x: signed.
        p: the square, of ``2 * width - 1`` bits.
    """

    def __init__(self, *, width: int, target: str) -> None:
        self._target = target
        super().__init__({"x": In(signed(width)), "p": Out(2 * width - 1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(self.x)
        if not _halved(width, self._target):
            m.submodules.product = product = Multiplier(signed(width), signed(width), target=self._target)
            m.d.comb += [product.a.eq(self.x), product.b.eq(self.x), product.enable.eq(1), self.p.eq(product.p)]
            return m
        split = width // 2
        low = Signal(split)
        high = Signal(signed(width - split))
        m.d.comb += [low.eq(self.x[:split]), high.eq(self.x[split:])]
        products = []
        for name, a, b in (("low_low", low, low), ("high_high", high, high), ("high_low", high, low)):
            m.submodules[name] = product = Multiplier(a.shape(), b.shape(), target=self._target)
            m.d.comb += [product.a.eq(a), product.b.eq(b), product.enable.eq(1)]
            products.append(product.p)
        squares, mixed = Cat(products[0], products[1][: 2 * (width - split)]), products[2]
        total = Stages(m, ()).register(squares.as_signed() + (mixed << (split + 1)), "total")
        m.d.comb += self.p.eq(total)
        return m


def _halved(width: int, target: str) -> bool:
    return target == "ecp5" and width > DSP_WIDTH
