"""A multiplier of adders, for where the target's own are scarce."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.stages import Stages

_LEVELS = 2  # of adders between registers


def logic_multiplier_latency(b_width: int) -> int:
    """Cycles from the operands, the second of which has ``b_width`` bits, to their product."""
    return -(-max(1, (b_width - 1).bit_length()) // _LEVELS)


class LogicMultiplier(wiring.Component):
    """``p = a * b``, a tree of adders over the bits of ``b``, :func:`logic_multiplier_latency` cycles later.

    Throughput: one product per cycle.

    Members:
        a, b: the operands.
        enable: nothing depends on it; :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier` has one.
        p: the product.
    """

    def __init__(self, a: ShapeLike, b: ShapeLike) -> None:
        product = Signal(a) * Signal(b)
        super().__init__({"a": In(a), "b": In(b), "enable": In(1), "p": Out(product.shape())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        rows: list[Value] = [Mux(self.b[n], self.a << n, 0) for n in range(len(self.b))]
        if self.b.shape().signed:
            rows[-1] = -rows[-1]
        level = 0
        while len(rows) > 1 or level % _LEVELS or not level:
            rows = [sum(rows[n : n + 2][1:], rows[n]) for n in range(0, len(rows), 2)]
            level += 1
            if level % _LEVELS == 0:
                rows = [stages.register(row, f"level{level}_{n}") for n, row in enumerate(rows)]
        m.d.comb += self.p.eq(rows[0])
        return m
