"""One lane of the convolution: products of a channel's inputs and taps, their sum with a bias, requantized."""

from amaranth.hdl import Module, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.convolution import BIAS_BITS, K_BITS, M_BITS, OUTPUT_BITS, TAP_BITS
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.linear.requantize import Requantizer, requantizer_latency
from qse_hw.rtl_gen.logic.stages import Stages


def channel_sum_latency(input_bits: int, width: int, target: str) -> int:
    """Cycles from inputs and parameters to the output."""
    adders = width.bit_length()  # levels of a tree of width + 1 terms
    return multiplier_latency(input_bits, target) + adders + requantizer_latency(target)


class ChannelSum(wiring.Component):
    """One output per cycle, exactly :func:`qse_hw.golden.reference.convolution.convolve_scalar`; all registers belong
    to the ``sync`` domain.

    A product has ``input_bits + 8`` bits. Sums grow by a bit per level of the tree and are cut to 32 bits, which hold
    every sum, as :func:`qse_hw.golden.reference.convolution.max_bias` limits the bias.

    Latency: :func:`channel_sum_latency` cycles. Throughput: one channel per cycle.

    Parameters:
        input_bits: of the inputs.
        width: number of taps.
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        enable: the same signal as that of the ``EnableInserter`` around the lane.
        input0 ...: the channel's inputs, signed, the oldest first.
        tap0 ...: the factors of these, signed.
        bias, scale_m, scale_k: of the channel.
        value: the output.
        saturated: the output was clamped.
    """

    def __init__(self, *, input_bits: int, width: int, target: str) -> None:
        self._target = target
        super().__init__(
            {
                "enable": In(1),
                **{f"input{n}": In(signed(input_bits)) for n in range(width)},
                **{f"tap{n}": In(signed(TAP_BITS)) for n in range(width)},
                "bias": In(signed(BIAS_BITS)),
                "scale_m": In(M_BITS),
                "scale_k": In(K_BITS),
                "value": Out(signed(OUTPUT_BITS)),
                "saturated": Out(1),
            }
        )
        self.inputs, self.taps = ([getattr(self, f"{name}{n}") for n in range(width)] for name in ("input", "tap"))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        products: list[Value] = []
        for n, (x, tap) in enumerate(zip(self.inputs, self.taps, strict=True)):
            m.submodules[f"multiplier{n}"] = multiplier = Multiplier(x.shape(), tap.shape(), target=self._target)
            m.d.comb += [multiplier.a.eq(x), multiplier.b.eq(tap), multiplier.enable.eq(self.enable)]
            products.append(multiplier.p)
        delay = multiplier_latency(len(self.inputs[0]), self._target)
        terms, level = [*products, stages.delay(self.bias, delay, "bias")], 0
        while len(terms) > 1:
            level += 1
            pairs = [terms[n : n + 2] for n in range(0, len(terms), 2)]
            terms = [
                stages.register(sum(pair[1:], pair[0])[:BIAS_BITS].as_signed(), f"sum{level}_{n}")
                for n, pair in enumerate(pairs)
            ]
        m.submodules.requantizer = requantizer = Requantizer(
            target=self._target, bits=OUTPUT_BITS, half="up", constant_k=False
        )
        m.d.comb += [
            requantizer.enable.eq(self.enable),
            requantizer.a.eq(terms[0]),
            requantizer.scale_m.eq(stages.delay(self.scale_m, delay + level, "scale_m")),
            requantizer.scale_k.eq(stages.delay(self.scale_k, delay + level, "scale_k")),
            self.value.eq(requantizer.value),
            self.saturated.eq(requantizer.saturated),
        ]
        return m
