"""The random numbers of stochastic rounding: a 32-bit LFSR, cheap in hardware and reproducible.

The Galois LFSR has the polynomial x^32 + x^30 + x^26 + x^25 + 1 and the period 2^32 - 1. Each number is the word's low
15 bits; then the LFSR takes 16 steps. Every layer has an LFSR of its own, seeded with the layer's number plus one at
the start of a sequence. Token by token, it gives a number to every state of every channel, in order.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

TAPS = 0xA3000000
LEAP = 16
BITS = 15

Words = npt.NDArray[np.uint32]


def step(word: int) -> int:
    """The LFSR's next word."""
    return word >> 1 ^ (TAPS if word & 1 else 0)


def leap(word: int) -> int:
    """The word 16 steps later: that of the next number."""
    for _ in range(LEAP):
        word = step(word)
    return word


def words(first: int, count: int) -> Words:
    """``first`` and the words of the following numbers, uint32 (count + 1); number n is ``words[n] & 32767``."""
    sequence = np.empty(count + 1, np.uint32)
    sequence[0], known, power = first, 1, 0
    while known <= count:  # a leap is linear over GF(2), so the map of twice as many leaps is the map applied to itself
        more = min(known, count + 1 - known)
        sequence[known : known + more] = _apply(leaps(power), sequence[:more])
        known, power = known + more, power + 1
    return sequence


@cache
def leaps(power: int = 0) -> Words:
    """The map of ``2**power`` leaps as a table (4, 256): a row for each byte of the word, the low byte first."""
    if power:
        half = leaps(power - 1)
        twice: Words = _apply(half, half)
        return twice
    return np.array([[leap(byte << 8 * place) for byte in range(256)] for place in range(4)], np.uint32)


def _apply(table: Words, of: Words) -> Words:
    mapped: Words = table[0][of & 255] ^ table[1][of >> 8 & 255] ^ table[2][of >> 16 & 255] ^ table[3][of >> 24]
    return mapped
