"""The parts of a word."""

from collections.abc import Sequence

from amaranth.hdl import Value


def split(word: Value, sizes: Sequence[int]) -> list[Value]:
    """The fields of a word, of so many bits each, from the low bits on."""
    starts = [sum(sizes[:n]) for n in range(len(sizes))]
    return [word[start : start + size] for start, size in zip(starts, sizes, strict=True)]
