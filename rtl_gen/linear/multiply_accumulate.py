"""One row of a tile: products of mantissas and weights, shifted, added up, accumulated."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.linear import MAX_WEIGHT
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.linear.mantissa import Split
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.select import choose


def signed_for(magnitude: int) -> int:
    """Bits of a signed integer from ``-magnitude`` to ``magnitude``."""
    return magnitude.bit_length() + 1


def sum_latency(columns: int, split: Split, target: str) -> int:
    """Cycles from mantissas and weights to the sum of the products."""
    return multiplier_latency(split.width, target) + 1 + (columns - 1).bit_length()


class Row(wiring.Component):
    """``total = running + sum((mantissas[n] << shift[n]) * weights[n] for n)``; ``running = total if more else 0``.

    With ``gaps``, ``running`` stays as it is, and ``total`` does not matter, while ``counts`` is low.

    The narrow mantissas are multiplied and the products shifted by one of a few constants. One adder per stage.
    Products are registered even without a shift, because DSPs lie far from the adders.

    Latency: :func:`sum_latency` + 1 cycles from mantissas and weights to the total. Throughput: ``columns`` products
    per cycle.

    Parameters:
        columns: products per cycle.
        split: of the codes' format.
        peak: the largest magnitude of a shifted mantissa.
        limit: the largest magnitude of a total. Larger ones are taken modulo two to the power of its width.
        gaps: whether products may come that do not count.
        target: see :class:`Multiplier`.

    Members:
        mantissa0 ..., weight0 ...: the factors, signed.
        above0 ...: bit r: the mantissa's shift is larger than ``split.shifts[r]``; as late as the product.
        more: the total goes on with the next products; as late as their sum.
        counts (with gaps only): these products count; as late as their sum.
        total: the sum so far.

    Attributes:
        mantissas, weights, above: the ports of these names, as lists.
    """

    def __init__(
        self, *, columns: int, split: Split, peak: int, limit: int, target: str, gaps: bool = False
    ) -> None:
        self._shifts = split.shifts
        self._term = peak * MAX_WEIGHT
        self._target, self._gaps = target, gaps
        ports = {"more": In(1), "total": Out(signed(signed_for(limit)))}
        if gaps:
            ports["counts"] = In(1)
        for n in range(columns):
            ports |= {
                f"mantissa{n}": In(signed(split.width)),
                f"weight{n}": In(signed(8)),
                f"above{n}": In(len(split.shifts) - 1),
            }
        super().__init__(ports)
        omit_reset(self, "total")
        self.mantissas, self.weights, self.above = (
            [getattr(self, f"{name}{n}") for n in range(columns)] for name in ("mantissa", "weight", "above")
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        terms: list[Value] = []
        for n, (mantissa, weight, above) in enumerate(zip(self.mantissas, self.weights, self.above, strict=True)):
            multiplier = Multiplier(mantissa.shape(), weight.shape(), target=self._target)
            m.submodules[f"multiplier{n}"] = multiplier
            m.d.comb += [multiplier.a.eq(mantissa), multiplier.b.eq(weight), multiplier.enable.eq(1)]
            terms.append(self._shift(m, multiplier.p, above, n))
        level, count = 0, 1  # each term is a sum of up to ``count`` products
        while len(terms) > 1:
            level, count = level + 1, 2 * count
            pairs = [terms[n : n + 2] for n in range(0, len(terms), 2)]
            sums = []
            for n, pair in enumerate(pairs):
                width = signed_for(min(count, len(self.mantissas)) * self._term)
                total = Signal(signed(width), name=f"sum{level}_{n}", reset_less=True)
                m.d.sync += total.eq(pair[0] + pair[1] if len(pair) == 2 else pair[0])
                sums.append(total)
            terms = sums
        # two registers, one with a reset: a choice of the addend would put a look-up table before the adder
        # only gaps could keep what a reset has left behind
        running = Signal.like(self.total, name="running", reset_less=not self._gaps)
        added = Signal.like(self.total, name="added")
        m.d.comb += added.eq(running + terms[0])
        next_running = Mux(self.more, added, 0)
        if self._gaps:
            next_running = Mux(self.counts, next_running, running)
        m.d.sync += [self.total.eq(added), running.eq(next_running)]
        return m

    def _shift(self, m: Module, product: Signal, above: Signal, n: int) -> Signal:
        width = signed_for(self._term)
        shifted = [Signal(signed(width), name=f"product{n}_shift{shift}") for shift in self._shifts]
        m.d.comb += [signal.eq(product << shift) for signal, shift in zip(shifted, self._shifts, strict=True)]
        term = Signal(signed(width), name=f"term{n}", reset_less=True)
        m.d.sync += term.eq(choose(list(shifted), list(above)))
        return term
