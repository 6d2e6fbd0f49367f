"""A scan that leaves out what cannot win."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def least(candidates: Iterable[T], bound: Callable[[T], float], error: Callable[[T], float]) -> T:
    """The candidate with the least error, of equals the one with the lowest bound, then the first.

    Args:
        candidates: at least one.
        bound: what a candidate's error is at least; cheap.
        error: called only while a candidate may still be better than all before.
    """
    bounds = [(bound(candidate), number, candidate) for number, candidate in enumerate(candidates)]
    bounds.sort(key=lambda item: item[:2])
    best, lost = bounds[0][2], error(bounds[0][2])
    for low, _, candidate in bounds[1:]:
        if low > lost:
            break
        if (found := error(candidate)) < lost:
            best, lost = candidate, found
    return best
