"""What comparing this project's arithmetic with somebody else's found."""

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison; it passes if every difference is explained.

    Attributes:
        oracle: whose answer ours was compared with.
        values: how many answers.
        differences: how many differed.
        ties: of these, those whose exact value lies half way between two codes, where the oracle rounds to even.
        predicted: how many such ties exact arithmetic says there must be.
        rounding: of the differences, those that the oracle's own float32 products moved onto or across a tie.
        note: what was left out, and why.
    """

    oracle: str
    values: int
    differences: int
    ties: int = 0
    predicted: int = 0
    rounding: int = 0
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.values > 0 and self.differences == self.ties + self.rounding and self.ties == self.predicted

    def item(self, name: str) -> dict[str, Any]:
        """The evidence file's entry."""
        return {"comparison": name, **asdict(self), "passed": self.passed}


def same(oracle: str, *pairs: tuple[np.ndarray, np.ndarray], note: str = "") -> Comparison:
    """Of pairs of arrays that must be equal."""
    assert all(ours.shape == theirs.shape for ours, theirs in pairs)
    values = sum(ours.size for ours, _ in pairs)
    return Comparison(
        oracle=oracle, values=values, differences=sum(int((a != b).sum()) for a, b in pairs), note=note
    )


def reciprocal(M: int, k: int) -> Fraction:
    """1/s of a scale, exactly."""
    return Fraction(M) * Fraction(2) ** -k


def is_tie(u: Fraction) -> bool:
    """Whether u is an odd number of halves."""
    return u.denominator == 2


def near_tie(u: Fraction) -> bool:
    """Whether a relative error of 2**-22, what two float32 reciprocals and a product can make, may reach a tie."""
    doubled = 2 * u
    nearest_odd = 2 * (doubled // 2) + 1
    return abs(doubled - nearest_odd) <= abs(doubled) / 2**22


def all_patterns(name: str) -> np.ndarray:
    """Every finite fp16 or bf16 value (float32), or every s16 (int16)."""
    bits = np.arange(1 << 16, dtype=np.uint32)
    if name == "s16":
        return bits.astype(np.uint16).view(np.int16)
    x = bits.astype(np.uint16).view(np.float16).astype(np.float32) if name == "fp16" else (bits << 16).view(np.float32)
    return x[np.isfinite(x)]
