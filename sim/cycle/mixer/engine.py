"""When the product engine of a mixer starts each beat, and when the sums leave it."""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

from qse_hw.golden.reference.product_schedule import SOURCES, Job, Operand, Result, Shape
from qse_hw.rtl_gen.linear.matvec import Matvec
from qse_hw.rtl_gen.linear.operands import WAITING
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.sim.cycle.mixer.parts import FORGOTTEN, NEVER, Room, Supply, since

STEADY = 16
"""After so many beats in a row, all parts move on by one in each cycle: more than any queue here holds."""


class Ended(Exception):
    """What comes now is behind the last cycle."""


class Buffer:
    """An operand's vector of ``beats`` beats.

    Attributes:
        complete: the first cycle in which it can be read; NEVER while it is not complete.
    """

    def __init__(self, beats: int) -> None:
        self._beats, self._written, self._free = beats, 0, 0
        self.complete = NEVER

    def put(self, cycle: int) -> int:
        """Offer a beat."""
        cycle = max(cycle, self._free)
        if cycle >= NEVER:
            return NEVER
        self._written += 1
        if self._written == self._beats:
            self._written, self.complete, self._free = 0, cycle + 1, NEVER
        return cycle

    def release(self, cycle: int) -> None:
        """Its last beat was read for the last time in this cycle."""
        self.complete, self._free = NEVER, cycle + 1

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        return self._written, since(self._free, now), since(self.complete, now)


class Wait(NamedTuple):
    """Cycles in which the multipliers of a result's job had nothing to do, and what was missing: an operand, or
    ``weights``, ``way out``, ``job``."""

    result: Result
    cause: str


class Engine:
    """The cycles of :class:`qse_hw.rtl_gen.linear.matvec.Matvec`, with its sequencer of jobs.

    Args:
        matvec: the engine.
        shape: of the model and the engine.
        weights, scales: its queues.
        results: takes sums, by result.
        horizon: first cycle that does not count.

    Attributes:
        buffers: of the operands.
        busy: beats that were multiplied.
        waits: cycles of each kind of wait.
        last: the cycle in which the last beat started.
    """

    def __init__(
        self, matvec: Matvec, shape: Shape, *, weights: Supply, scales: Supply,
        results: Callable[[Result, int], int], horizon: int = NEVER,
    ) -> None:
        self._shape, self._weights, self._scales, self._results = shape, weights, scales, results
        self._horizon, self._delay = horizon, matvec.result_delay
        self._margin = matvec.queue_depth - 2 * shape.rows
        self.buffers: Mapping[Operand, Buffer] = {
            operand: Buffer(shape.beats(operand)) for operand in ("norm", "x", "dt_low", "y")
        }
        self._room = Room(WAITING, start=1)
        self._accepted, self._ended = -1, 0  # of the last job: cycles
        self._steady = 0
        self._rows, self._tile_end, self._tile_rows, self._sums_from = 0, -FORGOTTEN, 0, -shape.rows
        self._left: deque[int] = deque(maxlen=self._margin + shape.rows + 2)  # the last sums
        self.last = -1
        self.busy = 0
        self.waits: Counter[Wait] = Counter()

    def multiply(self, job: Job) -> None:
        """Do a job, whose operand has been put in before.

        Raises:
            Ended: if a beat starts at the horizon or never.
        """
        operand = SOURCES[job.result]
        buffer, beats, left = self.buffers[operand], self._shape.beats(operand), job.rows
        self._accepted = max(self._accepted + 2, self._ended)
        while left > 0:
            beat = 0
            while beat < beats - 1:
                self._start(buffer, job.result, operand)
                beat += 1
                skipped = beats - 1 - beat
                if self._steady >= STEADY and skipped and self._weights.endless:
                    self._jump(skipped)
                    beat += skipped
            self._start(buffer, job.result, operand, ends=True)
            rows = min(left, self._shape.rows)
            left -= rows
            if left == 0:
                self._ended = self._room.last
                if job.release:
                    buffer.release(self._ended)
            self._let_out(job.result, rows)

    def _start(self, buffer: Buffer, result: Result, operand: Operand, *, ends: bool = False) -> None:
        """Read, and start, the next beat; the last one of a tile if it ``ends`` it."""
        room = self._room
        issued, written, before = room.last, self._weights.last, self.last
        issue = room.earliest(max(issued + 1, self._accepted + 1, buffer.complete))
        if issue >= self._horizon:
            raise Ended
        there = max(issue + BlockRam.latency + Queue.latency, before + 1)
        weights = self._weights.next()
        start = max(there, weights)
        if ends and start < NEVER:
            start = self._may_end(start)
        if start >= self._horizon:
            raise Ended
        if start > before + 1:
            if start > max(there, weights):
                cause = "way out"
            elif weights > there:
                cause = "weights"
            else:
                cause = operand if issue == buffer.complete else "job"
            self.waits[Wait(result, cause)] += start - before - 1
        steady = issue == issued + 1 and start == before + 1 and self._weights.last == written + 1
        self._steady = self._steady + 1 if steady else 0
        room.take(issue)
        room.free(start)
        self._weights.take(start)
        self.last = start
        self.busy += 1

    def _jump(self, beats: int) -> None:
        """So many beats start as those before."""
        self._room.jump(beats)
        self._weights.jump(beats)
        self.last += beats
        self.busy += beats

    def _may_end(self, cycle: int) -> int:
        """The first cycle, from ``cycle`` on, in which a tile may end."""
        cycle = max(cycle, self._sums_from)
        needed = self._rows - self._margin  # sums that must have left
        if cycle == self._tile_end + 1 and self._gone(needed - self._tile_rows) <= cycle:
            return cycle
        return max(cycle, self._gone(needed))

    def _gone(self, sums: int) -> int:
        """The first cycle in which it is known that so many sums have left."""
        return self._left[sums - 1 - self._rows] + 3 if sums > 0 else -FORGOTTEN

    def _let_out(self, result: Result, rows: int) -> None:
        """The sums of the tile that ended."""
        self._rows += rows
        self._tile_end, self._tile_rows = self.last, rows
        self._sums_from = max(self.last, self._sums_from + self._shape.rows)
        for number in range(rows):
            there = self._sums_from + self._delay + number
            before = self._left[-1] if self._left else -1
            cycle = max(there, before + 1, self._scales.next())
            if cycle >= NEVER:
                raise Ended
            cycle = self._results(result, cycle)
            if cycle >= NEVER:
                raise Ended
            self._scales.take(cycle)
            self._left.append(cycle)

    def state(self, now: int) -> Hashable:
        """All that the cycles after ``now`` depend on."""
        return (
            tuple(buffer.state(now) for buffer in self.buffers.values()), self._room.state(now),
            self._weights.state(now), self._scales.state(now), since(self._accepted, now), since(self._ended, now),
            min(self._steady, STEADY), since(self._tile_end, now), self._tile_rows, since(self._sums_from, now),
            tuple(since(cycle, now) for cycle in self._left), since(self.last, now),
        )  # fmt: skip
