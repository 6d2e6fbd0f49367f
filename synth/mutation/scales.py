"""Scales for mutants of encoders with a run-time scale, and inputs of which each decides something."""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.reference.vectors import to_patterns
from qse_hw.rtl_gen.lane.piecewise import guard_bits, regions
from qse_hw.rtl_gen.units.encoder import EncoderConfig

SCALES = 64
"""Scales that are set at run time, beside the first one."""
MOST_T = 12
"""About the bits of T that decide, plus one."""
NEAR_FIRST = range(-16, 14)
"""k of the directed scales, beside the first one's."""


def any_scales(first: Scale, rng: np.random.Generator) -> list[Scale]:
    """The least and the largest, any at all, and as many near the first one, at which inputs reach more of a format."""
    ends = (first.bits - MAX_LOG2_STEP, first.bits + MAX_LOG2_STEP - 1)
    found = [
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
            found.append(Scale(M=M, k=within(wanted, first.bits), bits=first.bits))
    return found


def thin_scales(first: Scale) -> list[Scale]:
    """Scales with few bits in M, around the first one: many inputs hit a decision exactly."""
    odd = [number for number in range(1, 16, 2) if number < 1 << first.bits]
    return [
        Scale(M=number << (first.bits - number.bit_length()), k=within(first.k + more, first.bits), bits=first.bits)
        for number in odd
        for more in sorted(NEAR_FIRST, key=abs)
    ]


def one_bit_apart(config: EncoderConfig, first: Scale) -> dict[Scale, npt.NDArray[np.uint32]]:
    """Scales near few bits, with powers of two: products one bit of which, each in turn, decides what is exact."""
    bits, found = first.bits, {}
    near = {(number << (bits - number.bit_length())) + (sign << bit)
            for number in (1, 3, 5, 7) for bit in range(bits - 1) for sign in (1, -1)
            if number < 1 << bits}  # fmt: skip
    for M in sorted(M for M in near if M.bit_length() == bits):
        for more in NEAR_FIRST:
            scale = Scale(M=M, k=within(first.k + more, bits), bits=bits)
            one = scale.k - bits - config.format.fraction_bits  # log2 of an input of which T is 1 or nearly so
            x = np.exp2(np.arange(one, one + 6, dtype=np.float32))
            found[scale] = np.tile(to_patterns(np.concatenate([x, -x]), config.input), config.lanes)
    return found


def of_all_sizes(config: EncoderConfig, scale: Scale) -> npt.NDArray[np.uint32]:
    """Inputs at powers of two in steps: of what makes a value too large or too small, one bit is set."""
    exact = np.minimum(float(scale.step) * np.exp2(np.arange(-230, 230)), np.finfo(np.float32).max).astype(np.float32)
    centre = np.unique(to_patterns(np.concatenate([exact, -exact]), config.input)).astype(np.int64)
    near = centre[:, None] + np.arange(-2, 3)
    return (near.reshape(-1) % (1 << config.input.width)).astype(np.uint32)


def one_bit_left(config: EncoderConfig, first: Scale, rng: np.random.Generator) -> dict[Scale, npt.NDArray[np.uint32]]:
    """Scales with inputs: of the product, a single bit, each in turn, is set below T, so that it decides what is exact.

    ``significand * M = T * 2**shift + 2**bit``: with ``M = m * 2**even``, m odd, the significand is known modulo
    ``2**(shift - even)``. For most M it is too large then, but there are many.
    """
    input, bits = config.input, first.bits
    found: dict[Scale, list[npt.NDArray[np.uint32]]] = {}
    width = input.significand_bits if input.is_float else input.width - 1
    least = 1 << (width - 1) if input.is_float else 1
    M = rng.permutation(np.arange(1 << (bits - 1), 1 << bits))
    even = np.log2(M & -M).astype(np.int64)
    m = (M >> even).astype(np.uint64)
    inverse = m.copy()
    for _ in range(5):  # Newton's, modulo 2**64: of 3 right bits it makes 6, and so on
        inverse *= np.uint64(2) - m * inverse

    def take(significands: npt.NDArray[np.int64], fit: npt.NDArray[np.bool_], shift: int) -> None:
        of_one = config.format.fraction_bits + 1 + shift  # k less the exponent of the significand's last bit
        k = within(first.k if input.is_float else of_one + input.exponent, bits)
        for n in np.flatnonzero(fit & (significands >= least) & (significands < 1 << width))[:16]:
            x = np.ldexp(np.float32(significands[n]), k - of_one)
            patterns = np.repeat(to_patterns(np.array([x, -x]), input), config.lanes)
            found.setdefault(Scale(M=int(M[n]), k=k, bits=bits), []).append(patterns)

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
            for bit in range(shift):  # a given T: the product is known, and some M divide it
                quotient, rest = np.divmod((T << shift) + (1 << bit), M)
                take(quotient, rest == 0, shift)
    return {scale: np.concatenate(parts) for scale, parts in found.items()}


def within(k: int, bits: int) -> int:
    """The legal k of a scale that is nearest to ``k``."""
    return min(max(k, bits - MAX_LOG2_STEP), bits + MAX_LOG2_STEP - 1)
