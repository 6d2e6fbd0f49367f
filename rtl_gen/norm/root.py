# amaranth: UnusedElaboratable=no
"""The reciprocal square root of a wide integer, as mantissa and shift."""

from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.functions.root import ARGUMENT_BITS, MANTISSA_BITS, ReciprocalRoot
from qse_hw.rtl_gen.functions.lane import FunctionLane
from qse_hw.rtl_gen.logic.select import resize
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.units.function import FunctionConfig

SHIFT_BITS = 6  # the largest shift is 46


class Root(wiring.Component):
    """``mantissa * 2**-shift``, exactly :class:`qse_hw.golden.functions.root.ReciprocalRoot`.

    The integer is shifted left, by an even number of places, until one of its two highest bits is set. Its 16 highest
    bits are the core's argument, from 2**14 to 2**16 - 1; the mantissa, at most 2**16, is limited to 2**16 - 1.

    Latency: :attr:`latency` cycles. Throughput: one root per cycle.

    Parameters:
        root: what to compute.
        core: the configuration of the core, whose arithmetic is ``root.core``.

    Members:
        v: the integer, at least 1.
        mantissa: from 2**15 on.
        shift: from 16 to 46.
    """

    def __init__(self, root: ReciprocalRoot, core: FunctionConfig) -> None:
        self._width = root.input_bits + root.input_bits % 2
        self._core = FunctionLane(core)
        steps = [1 << n for n in range(1, (self._width - 1).bit_length())]
        self._steps = list(reversed(steps))
        super().__init__({"v": In(root.input_bits), "mantissa": Out(MANTISSA_BITS), "shift": Out(SHIFT_BITS)})

    @property
    def latency(self) -> int:
        """Cycles from ``v`` to the root."""
        return 1 + len(self._steps) + self._core.latency + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        v = resize(self.v, self._width)
        kept, empty = stages.register(v, "kept"), stages.register(_empty(v, self._steps[0]), "empty")
        flags: list[Value] = []
        for number, step in enumerate(self._steps):
            moved, here = (kept << step)[: len(kept)], empty
            flags = [stages.register(flag, f"flag{step}_{n}") for n, flag in enumerate([*flags, here])]
            if number + 1 < len(self._steps):  # the next step's flag, beside this step's shift
                after = self._steps[number + 1]
                empty = stages.register(Mux(here, _empty(moved, after), _empty(kept, after)), f"empty{after}")
            # later steps shift by less than this one
            needed = min(len(kept), ARGUMENT_BITS + step - 2)
            kept = stages.register(Mux(here, moved, kept)[-needed:], f"kept{step}")
        m.submodules.core = core = self._core
        largest = (1 << MANTISSA_BITS) - 1
        pairs = Cat(reversed(flags))  # of zeros, that were shifted out
        none = ReciprocalRoot.shift((self._width - ARGUMENT_BITS) // 2)
        m.d.comb += [
            core.x.eq(kept),
            core.enable.eq(1),
            self.mantissa.eq(stages.register(Mux(core.y[MANTISSA_BITS], largest, core.y[:MANTISSA_BITS]), "limited")),
            self.shift.eq(none - stages.delay(pairs, core.latency + 1, "pairs")),
        ]
        return m


def _empty(value: Value, bits: int) -> Value:
    """Whether the highest ``bits`` bits are 0."""
    return ~value[-bits:].any()
