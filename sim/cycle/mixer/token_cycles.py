"""Cycles of a token and a prompt in a mixer with head, at full speed, and where they go.

Only so many layers and tokens are gone through as it takes until nothing changes any more: until all that the cycles
to come depend on is, relative to the cycle, as it was a layer or a token before. The others take as long.
"""

from collections import Counter
from typing import NamedTuple

from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.sim.cycle.mixer.engine import Wait
from qse_hw.sim.cycle.mixer.timing import MixerTiming, Ports


class TokenCycles(NamedTuple):
    """A token: its cycles, and their parts.

    Attributes:
        cycles: the sum of the others; of a token alone from its first residual value to its last logit, both included,
            of one within a prompt from the last product of the token before to its own.
        products: with a beat of weights.
        first: before the first product: the token comes in and is normalized.
        waits: between products, by result and cause.
        last: after the last product, until the last logit is out.
    """

    cycles: int
    products: int
    first: int
    waits: Counter[Wait]
    last: int


class Cycles(NamedTuple):
    """Of tokens.

    Attributes:
        alone: a token that is offered when the logits of the one before are out, as when a model writes.
        following: a token of a prompt, which may come in while the one before is computed.
        prompt: all tokens of the prompt, from the first residual value to the last logit.
    """

    alone: TokenCycles
    following: TokenCycles
    prompt: int


def count_cycles(config: MixerConfig, *, layers: int, tokens: int) -> Cycles:
    """The cycles of a mixer with head.

    Args:
        config: of the mixer; its own number of layers does not matter.
        layers: of the model.
        tokens: of the prompt, at least 1.
    """
    assert config.vocabulary
    alone = _Run(config, layers, at_once=False)
    alone.go_on()
    prompt = _Run(config, layers, at_once=True)
    prompt.go_on()
    return Cycles(alone.token, prompt.token, prompt.cycles(tokens))


class _Run:
    """Tokens, one after the other, until each takes as long as the one before.

    Args:
        config: of the mixer.
        layers: of the model.
        at_once: a token is offered as early as possible, or when the one before is finished.
    """

    def __init__(self, config: MixerConfig, layers: int, *, at_once: bool) -> None:
        self._layers, self._at_once = layers, at_once
        self._begin = self._skipped = 0
        self._ends: list[int] = []
        self._timing = MixerTiming(config, Ports(i=lambda cycle: max(cycle, self._begin)))
        self.token: TokenCycles

    def cycles(self, tokens: int) -> int:
        """Of so many tokens."""
        known = len(self._ends)
        if tokens <= known:
            return self._ends[tokens - 1] + 1
        return self._ends[-1] + 1 + (tokens - known) * self.token.cycles

    def go_on(self) -> None:
        """Compute until nothing changes any more."""
        state = None
        while True:
            self.token = self._token()
            before, state = state, self._timing.state(self._timing.engine.last)
            if state == before:
                return

    def _token(self) -> TokenCycles:
        """The next token."""
        timing, engine, layers = self._timing, self._timing.engine, self._layers
        logits = timing.log.cycles["o"]
        if logits and not self._at_once:
            self._begin = logits[-1] + 1
        started, busy, waits = engine.last, engine.busy, Counter(engine.waits)
        first_wait = Wait("conv_input", "norm")
        timing.load()
        state, skipped = None, 0
        for layer in range(layers):
            mark = engine.last, engine.busy, Counter(engine.waits)
            timing.layer()
            if layer == 0:
                first = engine.waits[first_wait] - waits[first_wait]
            before, state = state, timing.state(engine.last)
            if state == before:  # the other layers are like this one
                more = layers - 1 - layer
                skipped = more * (engine.last - mark[0])
                busy -= more * (engine.busy - mark[1])
                for wait, cycles in (engine.waits - mark[2]).items():
                    waits[wait] -= more * cycles
                break
        timing.head()
        self._skipped += skipped
        self._ends.append(logits[-1] + self._skipped)
        waited = Counter({wait: cycles - waits[wait] for wait, cycles in engine.waits.items()})
        waited[first_wait] -= first
        products, last = engine.busy - busy, 0
        if not self._at_once:
            first -= self._begin - 1 - started
            last = logits[-1] - engine.last
        waited = +waited
        return TokenCycles(products + first + waited.total() + last, products, first, waited, last)
