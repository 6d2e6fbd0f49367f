"""What flows into a state in a time step."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.scan import COEFFICIENT_BITS, DECAY_FRACTION, FLOW_BITS
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.logic.select import resize
from qse_hw.rtl_gen.logic.stages import Stages

DOUBLED_BITS = FLOW_BITS + 1
SHIFT_BITS = 4
_LOW, _HIGH = (0, 2, 4, 6), (0, 8, 16, 24)


def inflow_bits(state_bits: int) -> int:
    """Bits of the inflow before half a unit is added, see :class:`Inflow`."""
    return state_bits + DECAY_FRACTION + 1


def inflow_latency(target: str) -> int:
    """Cycles from ``flow`` and ``B`` to ``inflow``."""
    return multiplier_latency(DOUBLED_BITS, target) + 5


class Inflow(wiring.Component):
    """``flow * B * 4**shift``, clamped to two's complement of :func:`inflow_bits`, and half a unit of the state.

    The inflow's unit is ``2**-15`` of the state's. Added to a decayed state, what is clamped here clamps the state, on
    the same side as the true sum: a decayed state reaches half as far.

    Stages: the product, registered once more, because DSPs lie far from other logic; a shift by 0, 2, 4 or 6; by 0, 8,
    16 or 24; clamping; the addition. A shift keeps whether a bit that it dropped differs from the sign.

    Latency: :func:`inflow_latency` cycles. Throughput: one inflow per cycle.

    Parameters:
        state_bits: bits of a state.
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        flow: signed, twice the flow or the flow.
        B: signed.
        shift: a cycle later than the product of these.
        inflow: signed.
    """

    def __init__(self, *, state_bits: int, target: str) -> None:
        self._target = target
        super().__init__(
            {
                "flow": In(signed(DOUBLED_BITS)),
                "B": In(signed(COEFFICIENT_BITS)),
                "shift": In(SHIFT_BITS),
                "inflow": Out(signed(inflow_bits(state_bits) + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        m.submodules.product = product = Multiplier(self.flow.shape(), self.B.shape(), target=self._target)
        m.d.comb += [product.a.eq(self.flow), product.b.eq(self.B), product.enable.eq(1)]
        bits = len(self.inflow) - 1
        high = stages.register(self.shift[2:], "high_shift")
        value = stages.register(product.p, "kept")
        value, beyond = _shifted(stages, value, Const(0, 1), self.shift[:2], _LOW, bits, "low")
        value, beyond = _shifted(stages, value, beyond, high, _HIGH, bits, "high")
        sign = value[-1]
        end = Cat((~sign).replicate(bits - 1), sign).as_signed()
        clamped = stages.register(Mux(beyond, end, value), "clamped")
        inflow = Signal.like(self.inflow, name="sum", reset_less=True)
        m.d.sync += inflow.eq(clamped + (1 << (DECAY_FRACTION - 1)))
        m.d.comb += self.inflow.eq(inflow)
        return m


def _shifted(
    stages: Stages, value: Value, beyond: Value, amount: Value, steps: tuple[int, ...], bits: int, name: str
) -> tuple[Value, Value]:
    """A signed ``value`` shifted left by ``steps[amount]``, its sign and ``bits - 1`` low bits; whether this is not all
    of it, or ``beyond``."""
    sign = value[-1]
    shifted = [Cat(resize(value << step, bits - 1), sign) for step in steps]
    dropped = [value[min(bits - 1 - step, len(value) - 1) : -1] for step in steps]
    lost = [(part ^ sign.replicate(len(part))).any() for part in dropped]
    return (
        stages.register(_choose(shifted, amount).as_signed(), f"{name}_shifted"),
        stages.register(beyond | _choose(lost, amount), f"{name}_beyond"),
    )


def _choose(values: list[Value], amount: Value) -> Value:
    return Mux(amount[1], Mux(amount[0], values[3], values[2]), Mux(amount[0], values[1], values[0]))
