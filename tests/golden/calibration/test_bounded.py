"""Bounds leave candidates out, never the best."""

from qse_hw.golden.calibration.bounded import least


def test_no_bounds():
    assert least([3, 1, 2, 1], lambda n: 0, abs) == 1


def test_what_cannot_win_is_not_looked_at(rng):
    errors = rng.uniform(1, 100, 300)
    bounds = errors * rng.uniform(0.5, 1, 300)
    seen = []

    def error(number):
        seen.append(number)
        return errors[number]

    assert least(range(300), bounds.__getitem__, error) == errors.argmin()
    assert len(seen) < 30
    assert all(bounds[number] <= errors.min() for number in set(range(300)) - set(seen)) is False
    assert all(bounds[number] > errors.min() for number in set(range(300)) - set(seen))


def test_equals():
    """The lowest bound first, then the first."""
    assert least(["a", "b", "c"], {"a": 2, "b": 1, "c": 1}.__getitem__, lambda name: 5) == "b"
    assert least(["a", "b"], lambda name: 5, lambda name: 5) == "a"


def test_one_candidate_may_be_endlessly_bad():
    assert least([7], lambda n: 0, lambda n: float("inf")) == 7
