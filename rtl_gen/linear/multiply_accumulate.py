"""One row of a tile: products of mantissas and weights, shifted, added up, accumulated."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value, signed

from qse_hw.golden.reference.linear import MAX_WEIGHT
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.linear.mantissa import Split
from qse_hw.rtl_gen.logic.select import choose


def signed_for(magnitude: int) -> int:
    """Bits of a signed integer from ``-magnitude`` to ``magnitude``."""
    return magnitude.bit_length() + 1


def sum_latency(columns: int, split: Split, target: str) -> int:
    """Cycles from mantissas and weights to the sum of the products."""
    return multiplier_latency(split.width, target) + 1 + (columns - 1).bit_length()


class Row(Elaboratable):
    """``total = running + sum((mantissas[n] << shift[n]) * weights[n] for n)``; ``running = total if more else 0``.

    The narrow mantissas are multiplied and the products shifted, by one of few constants. One adder per stage; a
    register even behind products that need no shift, as DSPs lie far from the adders.

    Members: ``mantissas`` and ``weights`` in; ``above`` in, the multiplier's latency later (bit r: the shift is larger
    than ``split.shifts[r]``); ``more`` in, :func:`sum_latency` later; ``total`` out, one cycle after that.

    Args:
        columns: products per cycle.
        split: of the codes' format.
        peak: the largest magnitude of a shifted mantissa.
        limit: the largest magnitude of a total.
        target: see :class:`Multiplier`.
    """

    def __init__(self, *, columns: int, split: Split, peak: int, limit: int, target: str) -> None:
        self._shifts = split.shifts
        self._term = peak * MAX_WEIGHT
        self._target = target
        self.mantissas = [Signal(signed(split.width), name=f"mantissa{n}") for n in range(columns)]
        self.weights = [Signal(signed(8), name=f"weight{n}") for n in range(columns)]
        self.above = [Signal(len(split.shifts) - 1, name=f"above{n}") for n in range(columns)]
        self.more = Signal()
        self.total = Signal(signed(signed_for(limit)), reset_less=True)

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
        # of two registers, one with a reset: to choose what is added would take a look-up table before the adder
        running, added = Signal.like(self.total, name="running"), Signal.like(self.total, name="added")
        m.d.comb += added.eq(running + terms[0])
        m.d.sync += [self.total.eq(added), running.eq(Mux(self.more, added, 0))]
        return m

    def _shift(self, m: Module, product: Signal, above: Signal, n: int) -> Signal:
        width = signed_for(self._term)
        shifted = [Signal(signed(width), name=f"product{n}_shift{shift}") for shift in self._shifts]
        m.d.comb += [signal.eq(product << shift) for signal, shift in zip(shifted, self._shifts, strict=True)]
        term = Signal(signed(width), name=f"term{n}", reset_less=True)
        m.d.sync += term.eq(choose(list(shifted), list(above)))
        return term
