"""Directed stimuli for mutants of encoders: scales set at run time, and inputs whose results depend on single bits."""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.reference.vectors import to_patterns
from qse_hw.rtl_gen.lane.piecewise import guard_bits, regions
from qse_hw.rtl_gen.units.encoder import EncoderConfig

SCALES = 64
"""Number of random scales, besides the first one."""
MOST_T = 12
"""Number of the bits of T that matter for the code, about, plus one."""
NEAR_FIRST = range(-16, 14)
"""k of the directed scales, relative to the first scale's k."""


def any_scales(first: Scale, rng: np.random.Generator) -> list[Scale]:
    """Scales near the least and the largest k, random ones, and as many near ``first``, with which inputs reach more
    segments."""
    ends = (first.bits - MAX_LOG2_STEP, first.bits + MAX_LOG2_STEP - 1)
    scales = [
        Scale(
            M=int(rng.integers(1 << (first.bits - 1), 1 << first.bits)),
            k=within(end + more, first.bits),
            bits=first.bits,
        )
        for end in ends
        for more in (-16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16)
    ]
    for _ in range(SCALES // 2):
        k = int(rng.integers(first.bits - MAX_LOG2_STEP, first.bits + MAX_LOG2_STEP))
        for wanted in (k, first.k + int(rng.integers(-16, 13))):
            M = int(rng.integers(1 << (first.bits - 1), 1 << first.bits))
            scales.append(Scale(M=M, k=within(wanted, first.bits), bits=first.bits))
    return scales


def thin_scales(first: Scale) -> list[Scale]:
    """Scales around ``first`` whose M has few significant bits: many inputs lie exactly on a decision."""
    odd = [number for number in range(1, 16, 2) if number < 1 << first.bits]
    return [
        Scale(M=number << (first.bits - number.bit_length()), k=within(first.k + more, first.bits), bits=first.bits)
        for number in odd
        for more in sorted(NEAR_FIRST, key=abs)
    ]


def one_bit_apart(config: EncoderConfig, first: Scale) -> dict[Scale, npt.NDArray[np.uint32]]:
    """Scales whose M differs in one bit from one with few bits, with powers of two as inputs: in the products, each bit
    in turn decides alone whether T is exact."""
    bits, inputs = first.bits, {}
    near = {(number << (bits - number.bit_length())) + (sign << bit)
            for number in (1, 3, 5, 7) for bit in range(bits - 1) for sign in (1, -1)
            if number < 1 << bits}  # fmt: skip
    for M in sorted(M for M in near if M.bit_length() == bits):
        for more in NEAR_FIRST:
            scale = Scale(M=M, k=within(first.k + more, bits), bits=bits)
            one = scale.k - bits - config.format.fraction_bits  # log2 of an input whose T is about 1
            x = np.exp2(np.arange(one, one + 6, dtype=np.float32))
            inputs[scale] = np.tile(to_patterns(np.concatenate([x, -x]), config.input), config.lanes)
    return inputs


def of_all_sizes(config: EncoderConfig, scale: Scale) -> npt.NDArray[np.uint32]:
    """Inputs near powers of two times the step, over the whole range: of the bits that detect overflow, one is set."""
    exact = np.minimum(float(scale.step) * np.exp2(np.arange(-230, 230)), np.finfo(np.float32).max).astype(np.float32)
    center = np.unique(to_patterns(np.concatenate([exact, -exact]), config.input)).astype(np.int64)
    near = center[:, None] + np.arange(-2, 3)
    return (near.reshape(-1) % (1 << config.input.width)).astype(np.uint32)


def one_bit_left(config: EncoderConfig, first: Scale, rng: np.random.Generator) -> dict[Scale, npt.NDArray[np.uint32]]:
    """Scales with inputs: each bit of the product below T, in turn, is the only one set and decides whether T is exact.

    ``significand * M = T * 2**shift + 2**bit``: with ``M = m * 2**even``, m odd, the significand is known modulo
    ``2**(shift - even)``. For most M it is too large then, but there are many.
    """
    input, bits = config.input, first.bits
    patterns_of: dict[Scale, list[npt.NDArray[np.uint32]]] = {}
    width = input.significand_bits if input.is_float else input.width - 1
    least = 1 << (width - 1) if input.is_float else 1
    M = rng.permutation(np.arange(1 << (bits - 1), 1 << bits))
    even = np.log2(M & -M).astype(np.int64)
    m = (M >> even).astype(np.uint64)
    inverse = m.copy()
    for _ in range(5):  # Newton's iteration modulo 2**64 doubles the correct bits: 3, 6, ...
        inverse *= np.uint64(2) - m * inverse

    def take(significands: npt.NDArray[np.int64], fit: npt.NDArray[np.bool_], shift: int) -> None:
        of_one = config.format.fraction_bits + 1 + shift  # k minus the exponent of the significand's last bit
        k = within(first.k if input.is_float else of_one + input.exponent, bits)
        for n in np.flatnonzero(fit & (significands >= least) & (significands < 1 << width))[:16]:
            x = np.ldexp(np.float32(significands[n]), k - of_one)
            patterns = np.repeat(to_patterns(np.array([x, -x]), input), config.lanes)
            patterns_of.setdefault(Scale(M=int(M[n]), k=k, bits=bits), []).append(patterns)

    shortest = bits + (width - 1 if input.is_float else 0)  # of the products, in bits
    for shift in range(max(1, shortest + 1 - MOST_T), width + bits - 1):
        for bit in range(shift):
            modulus = np.int64(1) << np.maximum(shift - even, 0)
            solution = (inverse << np.maximum(bit - even, 0).astype(np.uint64)).astype(np.int64) & (modulus - 1)
            solution += np.maximum(0, -((solution - least) // modulus)) * modulus
            take(solution, bit >= even, shift)
    guard = guard_bits(config.format)
    firsts = [abs(region.first) >> guard for region in regions(config.format) if region.first is not None]
    for T in sorted({T + more for T in firsts for more in (-2, -1, 0, 1)}):
        for shift in range(max(1, shortest - T.bit_length()), width + bits + 1 - T.bit_length()):
            for bit in range(shift):  # for a given T the product is known; take the M that divide it
                quotient, rest = np.divmod((T << shift) + (1 << bit), M)
                take(quotient, rest == 0, shift)
    return {scale: np.concatenate(parts) for scale, parts in patterns_of.items()}


def within(k: int, bits: int) -> int:
    """The legal k of a scale that is nearest to ``k``."""
    return min(max(k, bits - MAX_LOG2_STEP), bits + MAX_LOG2_STEP - 1)
