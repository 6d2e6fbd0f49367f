"""The result of comparing this project's arithmetic with another implementation."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison; it passes if every difference is explained and every difference that must be is there.

    Attributes:
        oracle: whose answers ours were compared with.
        values: how many answers.
        differences: how many differed.
        ties: of these, those whose exact value lies half way between two codes and at which the two rules part.
        rounding: of these, those that the oracle's own float32 arithmetic moved onto or across such a tie.
        unexplained: differences that are neither, and parting ties at which nothing differed.
        note: what was left out, or why something differs.
    """

    oracle: str
    values: int
    differences: int
    ties: int = 0
    rounding: int = 0
    unexplained: int
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.values > 0 and self.unexplained == 0

    def item(self, name: str) -> dict[str, Any]:
        """The evidence file's entry."""
        return {"comparison": name, **asdict(self), "passed": self.passed}


def same(oracle: str, *pairs: tuple[np.ndarray, np.ndarray], note: str = "") -> Comparison:
    """Of pairs of arrays that must be equal."""
    assert all(ours.shape == theirs.shape for ours, theirs in pairs)
    differences = sum(int((ours != theirs).sum()) for ours, theirs in pairs)
    values = sum(ours.size for ours, _ in pairs)
    return Comparison(oracle=oracle, values=values, differences=differences, unexplained=differences, note=note)


def total(parts: Iterable[Comparison]) -> Comparison:
    """Several comparisons with one oracle as one."""
    listed = list(parts)
    (oracle,), (note,) = {part.oracle for part in listed}, {part.note for part in listed}
    assert all(part.values for part in listed)
    names = ("values", "differences", "ties", "rounding", "unexplained")
    return Comparison(oracle=oracle, note=note, **{n: sum(getattr(part, n) for part in listed) for n in names})


def patterns(name: str) -> np.ndarray:
    """All values of fp16 or bf16 (float32; NaN and infinities too) or of s16 (int16)."""
    bits = np.arange(1 << 16, dtype=np.uint32)
    if name == "fp16":
        return bits.astype(np.uint16).view(np.float16)
    return (bits << 16).view(np.float32) if name == "bf16" else bits.astype(np.uint16).view(np.int16)
