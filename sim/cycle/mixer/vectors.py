"""When vectors pass through a mixer's norm and Hadamard transform."""

from collections import deque
from collections.abc import Hashable

from qse_hw.rtl_gen.hadamard.hadamard import Hadamard
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.norm.rmsnorm import WAITING, Rmsnorm
from qse_hw.sim.cycle.mixer.parts import NEVER, Pipeline, Room, Sink, since


class NormTiming:
    """The cycles of :class:`qse_hw.rtl_gen.norm.rmsnorm.Rmsnorm`: ``unit``; ``sink`` takes its codes."""

    def __init__(self, unit: Rmsnorm, sink: Sink) -> None:
        self._beats, self._delay = unit.beats, unit.scale_delay
        self._memory, self._queue = Room(unit.depth), Room(WAITING, start=1)
        self._encoder = Pipeline(unit.encoder_latency, sink)
        self._entered, self._encoded = 0, -1

    def put(self, cycle: int) -> int:
        """Offer a beat."""
        cycle = self._memory.earliest(cycle)
        if cycle >= NEVER:
            return NEVER
        self._memory.take(cycle)
        self._entered += 1
        if self._entered == self._beats:
            self._entered = 0
            self._encode(cycle + self._delay + 1)
        return cycle

    def _encode(self, cycle: int) -> None:
        """The vector's beats, which may be read from this cycle on."""
        for _ in range(self._beats):
            issue = self._queue.earliest(max(cycle, self._queue.last + 1))
            self._queue.take(issue)
            self._memory.free(issue)
            there = max(issue + BlockRam.latency + Queue.latency, self._encoded + 1)
            self._encoded = self._encoder.put(there)
            self._queue.free(self._encoded)

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        parts = self._memory.state(now), self._queue.state(now), self._encoder.state(now)
        return *parts, self._entered, since(self._encoded, now)


class HadamardTiming:
    """The cycles of :class:`qse_hw.rtl_gen.hadamard.hadamard.Hadamard`: ``unit``; ``sink`` takes its beats.

    A vector must come so late after the one before it that all of that has left the stages.
    """

    def __init__(self, unit: Hadamard, sink: Sink) -> None:
        self._beats, self._slots, self._hops, self._places = unit.beats, unit.slots, unit.hops, unit.places
        self._sink = sink
        self._brings = deque([False] * unit.slots)  # whether a beat entered, per slot
        self._taken: deque[int] = deque()  # when slots began
        self._given: tuple[deque[int], deque[int]] = (deque(), deque())  # when slots came without, and with a beat left
        self._held = 0  # places, as is known at the input
        self._last = self._left = -1
        self._entered = 0

    def put(self, cycle: int) -> int:
        """Offer a beat."""
        if self._entered == 0 and cycle <= self._last:
            raise RuntimeError("a vector came while the one before was in the stages of the Hadamard transform")
        cycle = self._slot(cycle)
        if cycle >= NEVER:
            return NEVER
        self._begin(cycle, carries=True)
        self._entered += 1
        if self._entered == self._beats:
            self._entered = 0
            for _ in range(self._slots):
                empty = self._slot(self._last + 1)
                if empty >= NEVER:
                    break
                self._begin(empty, carries=False)
        return cycle

    def _slot(self, cycle: int) -> int:
        """The first cycle, from ``cycle`` on, in which a slot may begin: what changed the places is known 3 later."""
        while cycle < NEVER:
            while self._taken and self._taken[0] <= cycle - 3:
                self._taken.popleft()
                self._held += 1
            for gives in self._given:
                while gives and gives[0] <= cycle - 3:
                    gives.popleft()
                    self._held -= 1
            if self._held < self._places - 2:
                return cycle
            cycle = max(cycle + 1, min((gives[0] + 3 for gives in self._given if gives), default=NEVER))
        return NEVER

    def _begin(self, cycle: int, *, carries: bool) -> None:
        """A slot begins; a slot's beat comes to the queue at the end."""
        self._last = cycle
        self._taken.append(cycle)
        self._brings.append(carries)
        arrival = cycle + self._hops
        without, with_beat = self._given
        if self._brings.popleft():
            self._left = self._sink(max(arrival + Queue.latency, self._left + 1))
            with_beat.append(self._left)
        else:
            without.append(arrival)

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        changes = (tuple(since(cycle, now) for cycle in changed) for changed in (self._taken, *self._given))
        return self._entered, self._held, *changes, since(self._last, now), since(self._left, now), *self._brings
