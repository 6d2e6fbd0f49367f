"""B and C reach the scan together, state by state."""

import pytest

from qse_hw.rtl_gen.mixer.coefficients import Coefficients
from tests.rtl_gen.bench import at_random, never, split, stream


@pytest.mark.parametrize("stalls", [False, True])
@pytest.mark.parametrize(("states", "lanes"), [(4, 1), (4, 2), (4, 4), (16, 4), (6, 3), (1, 1)])
def test_pairs(states, lanes, stalls, rng):
    tokens = rng.integers(0, 1 << 16, (5, 2, states))  # B, C
    run = stream(
        Coefficients(states=states, lanes=lanes),
        tokens.ravel().tolist(),
        i_pause=at_random(7) if stalls else never,
        o_pause=at_random(8) if stalls else never,
    )  # fmt: skip
    pairs = [split(payload, 16, 2 * lanes) for payload in run.payloads]
    assert [pair[:lanes] for pair in pairs] == tokens[:, 0].reshape(-1, lanes).tolist()
    assert [pair[lanes:] for pair in pairs] == tokens[:, 1].reshape(-1, lanes).tolist()
    if not stalls:
        assert run.accepted == list(range(run.accepted[0], run.accepted[0] + len(run.accepted)))
