"""Counting until nothing changes any more gives what going through all layers and tokens gives."""

import pytest

from qse_hw.sim.cycle.mixer.timing import MixerTiming, Ports
from qse_hw.sim.cycle.mixer.token_cycles import count_cycles
from tests.sim.cycle.mixer.small import MIXERS, mixer

LAYERS, TOKENS = 5, 5
HEADS = [name for name, changes in MIXERS.items() if changes.get("vocabulary", 1)]


def ends(config, *, at_once):
    """The cycles after each token's last logit, of :data:`TOKENS`, layer by layer."""
    found = [0]
    timing = MixerTiming(config, Ports(i=lambda cycle: cycle if at_once else max(cycle, found[-1])))
    for _ in range(TOKENS):
        timing.load()
        for _ in range(LAYERS):
            timing.layer()
        timing.head()
        found.append(timing.log.cycles["o"][-1] + 1)
    return found, timing


@pytest.mark.every(4)
@pytest.mark.parametrize("name", HEADS)
def test_all_layers_and_tokens(name):
    config = mixer(**MIXERS[name] | {"layers": LAYERS})
    counted = [count_cycles(config, layers=LAYERS, tokens=tokens) for tokens in (1, TOKENS)]
    prompt, timing = ends(config, at_once=True)
    assert [one.prompt for one in counted] == [prompt[1], prompt[TOKENS]]
    assert {one.following.cycles for one in counted} == {prompt[TOKENS] - prompt[TOKENS - 1]}
    alone, _ = ends(config, at_once=False)
    for one in counted:
        assert one.alone.cycles == alone[TOKENS] - alone[TOKENS - 1]
        assert one.alone.products == one.following.products == config.product_cycles
        for token in (one.alone, one.following):
            assert token.cycles == token.products + token.first + token.waits.total() + token.last
    assert timing.engine.busy == TOKENS * config.product_cycles


def test_fewer_layers_than_it_takes():
    config = mixer(layers=1)
    assert count_cycles(config, layers=1, tokens=1).prompt == count_cycles(config, layers=1, tokens=1).alone.cycles
    assert count_cycles(config, layers=1, tokens=3).prompt < 3 * count_cycles(config, layers=1, tokens=1).prompt
