"""Leading zeros, removed in steps."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from qse_hw.rtl_gen.logic.stages import Stages

LEVELS = 2
"""Steps between registers, of values of up to some 32 bits."""


def steps(most_zeros: int) -> list[int]:
    """Powers of two from 2 on, largest first, whose sums are all even numbers up to ``most_zeros``."""
    return [1 << n for n in reversed(range(1, most_zeros.bit_length()))]


def normalize_latency(most_zeros: int, levels: int = LEVELS) -> int:
    """Cycles from a value to what :func:`normalize` makes of it."""
    return -(-len(steps(most_zeros)) // levels)


def normalize(m: Module, stages: Stages, value: Value, most_zeros: int, levels: int = LEVELS) -> tuple[Value, Value]:
    """``value`` without its leading zeros, an even number of them up to ``most_zeros``; half of this number.

    Both registered, :func:`normalize_latency` cycles later; of constant width, with zeros on the right.
    """
    flags: list[Value] = []
    shifted, wanted = value, steps(most_zeros)
    for number, step in enumerate(wanted):
        empty = Signal(name=f"top{step}")
        m.d.comb += empty.eq(~shifted[-step:].any())
        flags.append(empty)
        shifted = stages.name(Mux(empty, (shifted << step)[: len(value)], shifted), f"without{step}")
        if number % levels == levels - 1 or number == len(wanted) - 1:
            shifted = stages.register(shifted, f"shifted{number}")
            flags = [stages.register(flag, f"empty{number}_{n}") for n, flag in enumerate(flags)]
    return shifted, Cat(reversed(flags))
