"""The least of many candidates, without computing the errors of those that a lower bound rules out."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def least(candidates: Iterable[T], bound: Callable[[T], float], error: Callable[[T], float]) -> T:
    """The candidate with the least error, of equals the one with the lowest bound, then the first.

    Args:
        candidates: at least one.
        bound: a lower bound of a candidate's error; cheap to compute.
        error: a candidate's error; computed only where the bound does not rule the candidate out.
    """
    bounds = [(bound(candidate), number, candidate) for number, candidate in enumerate(candidates)]
    bounds.sort(key=lambda item: item[:2])
    best, least_error = bounds[0][2], error(bounds[0][2])
    for low, _, candidate in bounds[1:]:
        if low > least_error:
            break
        if (own := error(candidate)) < least_error:
            best, least_error = candidate, own
    return best
