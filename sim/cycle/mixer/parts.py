"""When beats pass through the parts of a mixer: pipelines, queues, packers. Cycles only, no values.

Each part is told when its next beat is offered, and says at once in which cycle it takes it; so it must know when the
beats before have left. Beats are given in an order in which that holds (:mod:`qse_hw.sim.cycle.mixer.timing`).
:data:`NEVER` stands for a cycle that does not come, or of which nothing is known yet.
"""

from collections import deque
from collections.abc import Callable, Hashable

from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.fifo import WAITING
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.logic.stream_queue import StreamQueue

NEVER = 1 << 60
FORGOTTEN = 4096
"""No part remembers what is so many cycles ago: latencies and depths that count are smaller."""

Sink = Callable[[int], int]
"""Offer a beat from this cycle on; returns the cycle in which it is taken."""


def since(cycle: int, now: int) -> int:
    """A cycle relative to ``now``, as far back as it matters."""
    return NEVER if cycle >= NEVER else max(cycle - now, -FORGOTTEN)


class Room:
    """Places of a queue: one may be taken in a cycle in which, a cycle before, two of ``depth`` were left.

    Args:
        depth: places.
        start: first cycle in which one may be taken.
    """

    def __init__(self, depth: int, *, start: int = 0) -> None:
        self._limit, self._start = depth - 2, start
        self._taken = self._freed = 0
        self._frees: deque[int] = deque(maxlen=depth + 1)
        self.last = -2

    def earliest(self, cycle: int) -> int:
        """The first cycle, from ``cycle`` on, in which a place may be taken."""
        cycle = max(cycle, self._start)
        needed = self._taken - self._limit  # places that must have been given back
        if needed <= 0 or (cycle == self.last + 1 and self._free(needed - 2) + 2 <= cycle):
            return cycle
        return max(cycle, min(NEVER, self._free(needed - 1) + 2))

    def _free(self, number: int) -> int:
        if number < 0:
            return -FORGOTTEN
        return self._frees[number - self._freed] if number < self._freed else NEVER

    def take(self, cycle: int) -> None:
        """A place is taken in this cycle."""
        self.last = cycle
        self._taken += 1

    def free(self, cycle: int) -> None:
        """A place is given back in this cycle."""
        self._frees.append(cycle)
        self._freed += 1

    def jump(self, cycles: int) -> None:
        """A place was taken, and one given back, in each of so many cycles more, as in those before."""
        self.last += cycles
        self._taken += cycles
        self._freed += cycles
        self._frees = deque((cycle + cycles for cycle in self._frees), maxlen=self._frees.maxlen)

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        return self._taken - self._freed, since(self.last, now), *(since(cycle, now) for cycle in self._frees)


class Pipeline:
    """A pipeline of ``latency`` stages that stalls as a whole (:func:`qse_hw.rtl_gen.logic.stall.stall_control`).

    A beat needs ``latency`` cycles in which the pipeline moves. It stands still only while a beat waits at its end; all
    waits of the beats before end before the next beat gets there.

    Args:
        latency: stages.
        sink: what takes its beats.

    Attributes:
        waits: first cycle, and the one after the last one, of each wait.
    """

    def __init__(self, latency: int, sink: Sink) -> None:
        self._latency, self._sink = latency, sink
        self._waited = self._seen = 0  # cycles of all waits; of those before the beat that entered last
        self._open: deque[tuple[int, int]] = deque()
        self.waits: list[tuple[int, int]] = []

    def earliest(self, cycle: int) -> int:
        """The first cycle, from ``cycle`` on, in which it takes a beat."""
        while self._open and cycle >= self._open[0][0]:
            first, end = self._open.popleft()
            self._seen += end - first
            cycle = max(cycle, end)
        return cycle

    def enter(self, cycle: int) -> int:
        """A beat enters in this cycle; returns the first one in which it is at the end."""
        return cycle + self._latency + self._waited - self._seen

    def wait(self, first: int, end: int) -> None:
        """It stands still from the cycle ``first`` until ``end``, if that is later."""
        if end > first:
            self._open.append((first, end))
            self.waits.append((first, end))
            self._waited += end - first

    def put(self, cycle: int) -> int:
        """Offer a beat."""
        cycle = self.earliest(cycle)
        if cycle >= NEVER:
            return NEVER
        arrival = self.enter(cycle)
        self.wait(arrival, self._sink(arrival))
        return cycle

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        return tuple((since(first, now), since(end, now)) for first, end in self._open if end >= now)


class Slice:
    """:class:`qse_hw.rtl_gen.logic.register_slice.RegisterSlice`: two beats; ``sink`` takes them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._before = self._left = -1  # when the last two beats left

    def earliest(self, cycle: int) -> int:
        """The first cycle, from ``cycle`` on, in which it takes a beat."""
        return max(cycle, self._before + 1)

    def put(self, cycle: int) -> int:
        """Offer a beat."""
        cycle = self.earliest(cycle)
        if cycle >= NEVER:
            return NEVER
        there = max(cycle + RegisterSlice.latency, self._left + 1)
        self._before, self._left = self._left, self._sink(there) if there < NEVER else NEVER
        return cycle

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        return since(self._before, now), since(self._left, now)


class SlicedPipeline(Pipeline):
    """A pipeline that the register slice behind it stops: it stands still while that holds two beats.

    Args:
        latency: stages of the pipeline.
        part: the slice.
        sink: leads into it.
    """

    def __init__(self, latency: int, part: Slice, sink: Sink) -> None:
        super().__init__(latency, sink)
        self._slice = part

    def put(self, cycle: int) -> int:
        """Offer a beat."""
        cycle = self.earliest(cycle)
        if cycle >= NEVER:
            return NEVER
        after = self._sink(self.enter(cycle)) + 1
        self.wait(after, self._slice.earliest(after))
        return cycle

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        return super().state(now), self._slice.state(now)


class Pack:
    """:class:`qse_hw.rtl_gen.mixer.pack.Pack`, with its parameters; ``sink`` takes the wide beats."""

    def __init__(self, *, size: int, narrow: int, wide: int, sink: Sink) -> None:
        self._beats, self._slots, self._sink = size // narrow, wide // narrow, sink
        self._entered = self._slot = self._left = 0

    def put(self, cycle: int) -> int:
        """Offer a narrow beat."""
        cycle = max(cycle, self._left)
        if cycle >= NEVER:
            return NEVER
        self._entered, self._slot = self._entered + 1, self._slot + 1
        if self._slot == self._slots or self._entered == self._beats:
            self._slot, self._entered = 0, self._entered % self._beats
            self._left = self._sink(cycle + 1)
        return cycle

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        return self._entered, self._slot, since(self._left, now)


class Fifo:
    """:class:`qse_hw.rtl_gen.logic.fifo.Fifo`, with at least ``depth`` words."""

    def __init__(self, depth: int) -> None:
        self._memory, self._queue = Room(depth), Room(WAITING)
        self._stored: deque[int] = deque()  # when each word that is not read yet was accepted
        self._shown: deque[int] = deque()  # since when each word that was read could leave
        self._left = -1

    def earliest(self, cycle: int) -> int:
        """The first cycle, from ``cycle`` on, in which it takes a word."""
        self._read()
        return self._memory.earliest(cycle)

    def accept(self, cycle: int) -> None:
        """A word is taken in this cycle."""
        self._memory.take(cycle)
        self._stored.append(cycle)

    def next(self) -> int:
        """The first cycle in which the next word can leave; NEVER without one."""
        self._read()
        return max(self._shown[0], self._left + 1) if self._shown else NEVER

    def leave(self, cycle: int) -> None:
        """The next word leaves in this cycle."""
        self._shown.popleft()
        self._left = cycle
        self._queue.free(cycle)

    def _read(self) -> None:
        while self._stored:
            cycle = self._queue.earliest(max(self._stored[0], self._queue.last) + 1)
            if cycle >= NEVER:
                return
            self._stored.popleft()
            self._queue.take(cycle)
            self._memory.free(cycle)
            self._shown.append(cycle + BlockRam.latency + Queue.latency)

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        self._read()
        words = *(since(cycle, now) for cycle in self._stored), *(since(cycle, now) for cycle in self._shown)
        return self._memory.state(now), self._queue.state(now), words, since(self._left, now)


class Supply:
    """A queue (:class:`qse_hw.rtl_gen.logic.stream_queue.StreamQueue`) that a port of the mixer fills.

    Args:
        depth: of the queue.
        source: gives, for a cycle from which on the next beat may be offered, the first one in which it is.
        recorded: keep the cycles of all beats.

    Attributes:
        written, taken: the cycles in which beats were accepted, and left, if ``recorded``.
        endless: the source offers a beat in every cycle.
    """

    def __init__(self, depth: int, source: Sink, *, recorded: bool) -> None:
        self._room, self._source, self._recorded = Room(depth), source, recorded
        self._taken = -1
        self.written: list[int] = []
        self.taken: list[int] = []
        self.endless = source is immediately

    @property
    def last(self) -> int:
        """The cycle in which a beat was accepted last."""
        return self._room.last

    def next(self) -> int:
        """The next beat: the first cycle in which it can leave."""
        cycle = self._room.earliest(self._source(max(0, self._room.last + 1)))
        if cycle >= NEVER:
            return NEVER
        self._room.take(cycle)
        if self._recorded:
            self.written.append(cycle)
        return max(cycle + StreamQueue.latency, self._taken + 1)

    def take(self, cycle: int) -> None:
        """The beat leaves in this cycle."""
        self._room.free(cycle)
        self._taken = cycle
        if self._recorded:
            self.taken.append(cycle)

    def jump(self, cycles: int) -> None:
        """A beat came and one left in each of so many cycles more, as in those before."""
        self._room.jump(cycles)
        self._taken += cycles

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        return self._room.state(now), since(self._taken, now)


def immediately(cycle: int) -> int:
    """A source, or sink, that is never late."""
    return cycle
