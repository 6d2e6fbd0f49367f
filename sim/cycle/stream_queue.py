"""The handshakes of :class:`qse_hw.rtl_gen.logic.stream_queue.StreamQueue`, cycle by cycle."""

from qse_hw.rtl_gen.logic.stream_queue import StreamQueue


class StreamQueueModel:
    """A queue between two streams.

    Args:
        depth: of the queue.

    Attributes:
        ready: whether it takes a beat in this cycle.
    """

    def __init__(self, depth: int) -> None:
        self._depth, self._held, self._taken = depth, 0, 0
        self._shown: list[int] = []  # the first cycle in which each beat can leave
        self.ready = True

    def valid(self, cycle: int) -> bool:
        """Whether it offers a beat in this cycle."""
        return self._taken < len(self._shown) and self._shown[self._taken] <= cycle

    def step(self, cycle: int, *, written: bool, taken: bool) -> None:
        """What happened in this cycle: a beat was accepted, a beat left."""
        self.ready = self._held <= self._depth - 2
        self._held += written - taken
        self._taken += taken
        if written:
            self._shown.append(cycle + StreamQueue.latency)
