"""What comes to a mixer's ports, and what is accepted there, by a stimulus."""

import numpy as np
import numpy.typing as npt

from qse_hw.sim.cycle.mixer.parts import NEVER, Sink
from qse_hw.sim.cycle.stimulus import Bits


def offers(offer: Bits, beats: int) -> Sink:
    """The source of so many beats, which are offered by the rule of :class:`qse_hw.sim.cycle.stimulus.Stimulus`."""
    coming, left = accepts(offer), beats

    def next_offer(cycle: int) -> int:
        nonlocal left
        if left == 0:
            return NEVER
        left -= 1
        return coming(cycle)

    return next_offer


def accepts(accept: Bits) -> Sink:
    """A sink that accepts in the cycles of ``accept`` (cycles,)."""
    numbers: npt.NDArray[np.int64] = np.where(accept, np.arange(len(accept)), NEVER)
    following = np.minimum.accumulate(numbers[::-1])[::-1].tolist()

    def next_accept(cycle: int) -> int:
        return int(following[cycle]) if cycle < len(following) else NEVER

    return next_accept
