"""When the values of each tensor pass."""

from collections import defaultdict

from qse_hw.sim.cycle.mixer.parts import NEVER, Sink


class Log:
    """The cycles of each tensor's beats, by the tensor's name.

    Attributes:
        cycles: of each tensor, in order.
    """

    def __init__(self) -> None:
        self.cycles: defaultdict[str, list[int]] = defaultdict(list)

    def keep(self, name: str, cycle: int) -> int:
        """A beat passes in this cycle, which is returned."""
        if cycle < NEVER:
            self.cycles[name].append(cycle)
        return cycle

    def keep_run(self, name: str, first: int, beats: int) -> None:
        """Beats pass in so many cycles, from ``first`` on."""
        self.cycles[name] += range(first, first + beats)

    def kept(self, name: str, sink: Sink) -> Sink:
        """``sink``, which keeps the cycles of what it takes."""

        def take(cycle: int) -> int:
            return self.keep(name, sink(cycle))

        return take
