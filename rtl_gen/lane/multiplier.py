"""The multiplier: portable, or the ECP5's with all of its registers, which synthesis does not infer."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Shape, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.logic.select import resize, same_sign
from qse_hw.rtl_gen.logic.stages import Stages

DSP_WIDTH = 18  # of a MULT18X18D's operands
_REGISTERS = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")


def multiplier_latency(a_width: int, target: str) -> int:
    """Cycles from the operands, the first of which has ``a_width`` bits, to their product."""
    if target != "ecp5":
        return 1
    return 3 if a_width <= DSP_WIDTH else 4


class Multiplier(wiring.Component):
    """``p = a * b``.

    Latency: :func:`multiplier_latency` cycles in which ``enable`` is high. Throughput: one product per such cycle.

    On the target ``ecp5`` one MULT18X18D, or two and an adder if ``a`` is wider than 18 bits, with input, pipeline and
    output registers, clocked by ``sync``; in Amaranth's simulator the same function and registers. On other targets a
    product and one register.

    Parameters:
        a, b: shapes of the operands.
        target: one of :data:`qse_hw.rtl_gen.units.shared.TARGETS`.

    Members:
        a, b: the operands.
        enable: of the cells' registers. An ``EnableInserter`` does not reach the cells, so the one that enables the
            ``sync`` domain must have the same signal.
        p: the product.

    Raises:
        InputError: if the operands are too wide for the target.
    """

    def __init__(self, a: ShapeLike, b: ShapeLike, *, target: str) -> None:
        self._ecp5 = target == "ecp5"
        a, b = Shape.cast(a), Shape.cast(b)
        product = Shape(a.width + b.width, signed=a.signed or b.signed)
        super().__init__({"a": In(a), "b": In(b), "enable": In(1), "p": Out(product)})
        if self._ecp5 and len(self.a) > 2 * DSP_WIDTH - 1:
            raise InputError(f"First factor must have at most {2 * DSP_WIDTH - 1} bits for ecp5, not {len(self.a)}")
        if self._ecp5 and len(self.b) > DSP_WIDTH:
            raise InputError(f"Second factor must have at most {DSP_WIDTH} bits for ecp5, not {len(self.b)}")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        if not self._ecp5:
            m.d.sync += self.p.eq(self.a * self.b)
        elif len(self.a) <= DSP_WIDTH:
            m.d.comb += self.p.eq(self._cell(m, stages, "dsp", self.a, platform))
        else:
            low_bits = DSP_WIDTH - 1  # the high part takes the sign
            low = Signal(low_bits)
            high = Signal(Shape(len(self.a) - low_bits, self.a.shape().signed))
            m.d.comb += [low.eq(self.a[:low_bits]), high.eq(same_sign(self.a[low_bits:], self.a))]
            low_product = self._cell(m, stages, "low", low, platform)
            high_product = self._cell(m, stages, "high", high, platform)
            # low_product >> low_bits is narrower than high_product: one adder as wide as that, and a bit
            top = Signal.like(high_product + (low_product >> low_bits))
            m.d.comb += top.eq(high_product + (low_product >> low_bits))
            m.d.sync += self.p.eq(Cat(low_product[:low_bits], top))
        return m

    def _cell(self, m: Module, stages: Stages, name: str, a: Signal, platform: object) -> Signal:
        product = Signal((a * self.b).shape(), name=f"{name}_product")
        if platform is None:  # simulation: what the cell does
            kept_a, kept_b = stages.register(a, f"{name}_a"), stages.register(self.b, f"{name}_b")
            m.d.comb += product.eq(stages.delay(kept_a * kept_b, 2, f"{name}_product"))
            return product
        wide = Signal(2 * DSP_WIDTH, name=f"{name}_p")
        m.d.comb += product.eq(same_sign(wide[: len(product)], product))
        m.submodules[name] = Instance(
            "MULT18X18D",
            *(("p", f"REG_{register}_CLK", "CLK0") for register in _REGISTERS),
            *_bits("i", "A", _extended(a)),
            *_bits("i", "B", _extended(self.b)),
            *_bits("i", "C", Const(0, DSP_WIDTH)),
            *_bits("o", "P", wide),
            ("i", "SIGNEDA", Const(int(a.shape().signed), 1)),
            ("i", "SIGNEDB", Const(int(self.b.shape().signed), 1)),
            ("i", "SOURCEA", Const(0, 1)),
            ("i", "SOURCEB", Const(0, 1)),
            ("i", "CLK0", ClockSignal()),
            ("i", "CE0", self.enable),
            ("i", "RST0", Const(0, 1)),
        )
        return product


def _extended(value: Value) -> Value:
    """``value``, with its sign if it has one, as wide as the cell's operands."""
    return resize(value, DSP_WIDTH)


def _bits(direction: str, name: str, value: Value) -> list[tuple[str, str, Value]]:
    return [(direction, f"{name}{n}", value[n]) for n in range(len(value))]
