"""The selective scan in integers: scalar, arrays, the integer model's; words of parameters and back."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import FixedPoint, State
from qse_hw.golden.models.integer.products import Multiplier
from qse_hw.golden.models.integer.scalar_arithmetic import Recurrence, ScalarArithmetic, decay
from qse_hw.golden.models.integer.scan import Scan
from qse_hw.golden.reference.scan import (
    Parameters,
    Widths,
    channel_bits,
    pack_channels,
    pack_decays,
    scale_decays,
    scan,
    scan_scalar,
    total_bits,
    unpack_channels,
    unpack_decays,
)

CASES = [(Widths(), 7), (Widths(x=9, D=20, A=18, state=24, decay_shift=0), 5), (Widths(decay_shift=15), 4)]


def some(rng, bits, shape, signed=True):
    """Integers of every size with their extremes; signed ones of ``bits`` bits with the sign."""
    bits -= signed
    values = rng.integers(0, (1 << rng.integers(0, bits + 1, shape)).astype(np.int64))
    if not signed:
        return np.where(rng.random(shape) < 0.05, (1 << bits) - 1, values)
    values = np.where(rng.random(shape) < 0.05, 1 << bits, values) * rng.choice((-1, 1), shape)
    return values.clip(-1 << bits, (1 << bits) - 1)


def draw(rng, widths, channels, states):
    return Parameters(
        M=rng.integers(0, 1 << 16, channels), k=rng.integers(1, 64, channels),
        inflow_shift=rng.choice((0, 1, 2, 5, 31), channels), output_shift=rng.integers(0, 32, channels),
        D=some(rng, widths.D, channels), A=some(rng, widths.A, (channels, states), signed=False),
    )  # fmt: skip


@pytest.mark.parametrize(("widths", "states"), CASES, ids=str)
def test_arrays_equal_the_scalar_and_the_integer_model(widths, states, rng):
    channels, tokens = 60, 6
    parameters = draw(rng, widths, channels, states)
    flags, marked = Counter(), Counter()
    model = ScalarArithmetic(0, flags)
    own = Scan(
        inflow=Multiplier(parameters.M, parameters.k), inflow_shift=parameters.inflow_shift, D=parameters.D,
        output_shift=parameters.output_shift,
    )  # fmt: skip
    formats = SimpleNamespace(
        state=State(format=widths.state, exponents=(0,)), scan=FixedPoint(bits=16, exponent=0)
    )
    h, lists = np.zeros((channels, states), np.int64), [[0] * states for _ in range(channels)]
    models = [[0] * states for _ in range(channels)]
    for _ in range(tokens):
        x, delta = some(rng, widths.x, channels), some(rng, 18, channels, signed=False)
        B, C = some(rng, 16, states), some(rng, 16, states)
        answer, h = scan(x, delta, h, B, C, parameters, widths)
        for c in range(channels):
            one = scan_scalar(int(x[c]), int(delta[c]), lists[c], B.tolist(), C.tolist(), parameters, c, widths)
            assert one == tuple(part[c] for part in answer)
            decays = [decay(int(delta[c]), int(A), widths.decay_shift) for A in parameters.A[c]]
            recurrence = Recurrence(decays, B.tolist(), C.tolist())
            assert one.y == model.scan(own, c, formats, models[c], int(x[c]), int(delta[c]), recurrence)
        assert h.tolist() == lists == models
        for name, part in zip(("inflow", "state", "scan"), answer[1:], strict=True):
            marked[name] += int(part.sum())
    assert all(marked.values())
    assert (flags[0, "inflow"], flags[0, "scan"]) == (marked["inflow"], marked["scan"])
    assert flags[0, "state"] >= marked["state"]  # of a channel several may be


def test_totals_fit(rng):
    """Both parts of the largest total have one sign, and are of the reach that the bits are calculated from."""
    for widths, states in CASES:
        largest = (1 << widths.D - 1) * (1 << widths.x - 1) + states * (1 << 15) * (1 << widths.state - 1)
        assert -1 << (total_bits(widths, states) - 1) <= -largest < largest < 1 << (total_bits(widths, states) - 1)
        assert largest >= 1 << (total_bits(widths, states) - 2)


@pytest.mark.parametrize("to_exponent", [-3, 0, 4, 5])
def test_decays_of_another_exponent(to_exponent, rng):
    """A shifted by the difference gives the same decays, bit by bit, also where the integer model shifts left."""
    widths = Widths(A=18, decay_shift=5)
    A, delta = rng.integers(1, 1 << 10, 200), rng.integers(0, 1 << 18, 200)
    scaled = scale_decays(A, to_exponent, widths)
    for a, b, d in zip(A.tolist(), scaled.tolist(), delta.tolist(), strict=True):
        assert decay(d, b, 5) == decay(d, a, to_exponent)


def test_words_and_back(rng):
    widths = Widths(D=27, A=13)
    parameters = draw(rng, widths, 6, 12)
    channels, decays = pack_channels(parameters, widths), pack_decays(parameters, widths, 3)
    assert channel_bits(widths) == [16, 6, 5, 5, 27]
    assert (channels.addresses.tolist(), decays.addresses.tolist()) == (list(range(6)), list(range(24)))
    back = Parameters(*unpack_channels(channels.words, widths), unpack_decays(decays.words, widths, 3).reshape(6, 12))
    for name, values in parameters._asdict().items():
        np.testing.assert_array_equal(getattr(back, name), values)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"M": np.array([-1, 0])}, "Scan's M must be from 0 to 65535, not -1 to 0"),
        ({"k": np.array([64, 0])}, "Scan's k must be from 0 to 63, not 0 to 64"),
        ({"inflow_shift": np.array([32, 0])}, "Scan's inflow_shift must be from 0 to 31, not 0 to 32"),
        ({"output_shift": np.array([0])}, "Scan's output_shift must be of 2 channels, not of 1"),
        ({"D": np.array([0, 1 << 31])}, "Scan's D must be from -2147483648 to 2147483647, not 0 to 2147483648"),
        ({"A": np.full((2, 4), 1 << 16)}, "Scan's A must be from 0 to 65535, not 65536 to 65536"),
    ],
)
def test_refused(change, text):
    parameters = Parameters(*np.zeros((5, 2), np.int64), np.zeros((2, 4), np.int64))._replace(**change)
    for pack in (lambda: pack_channels(parameters, Widths()), lambda: pack_decays(parameters, Widths(), 2)):
        with pytest.raises(InputError, match=text):
            pack()


def test_decays_that_do_not_fit():
    with pytest.raises(InputError, match="Decay shift must be at least the layers' to_exponent, 6, not 5"):
        scale_decays(np.array([1]), 6, Widths())
    text = "A must have at most 16 bits, not 17, after 2 places to the left, decay shift 5 less to_exponent 3"
    with pytest.raises(InputError, match=text):
        scale_decays(np.array([1 << 14]), 3, Widths())
