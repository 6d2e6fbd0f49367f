"""The matrix-vector engine in every cycle."""

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.reference.matvec import SUM_BITS, Job, count_beats
from qse_hw.rtl_gen.linear.matvec import QUEUE_DEPTH
from qse_hw.rtl_gen.linear.operands import WAITING
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.units.matvec import SCALE_BITS, MatvecConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.stimulus import Bits, Offered, Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import beat_bytes, unpack

Integers = npt.NDArray[np.int64]


class _Tile(NamedTuple):
    """A tile: its vector (beats, columns), its rows, the job's tag, and whether it is the job's last."""

    vector: Integers
    rows: int
    tag: int
    ends: bool


class _Run(NamedTuple):
    """``valid`` and ``ready`` of the streams, and ``complete``, in every cycle; the tiles that were multiplied."""

    valid: dict[str, Bits]
    ready: dict[str, Bits]
    complete: npt.NDArray[np.uint64]
    tiles: list[_Tile]


class MatvecModel:
    """The value of every port of :class:`qse_hw.rtl_gen.linear.matvec.Matvec` in every cycle; ``config``: which.

    ``latency``: cycles from a tile's last beat of weights to its first sum.
    """

    def __init__(self, config: MatvecConfig) -> None:
        component = config.component()
        self._config = config
        self._depth, self._delay = component.queue_depth, component.result_delay
        self.latency, self.vector_latency = component.latency, component.vector_latency
        self._bits = config.payload_bits

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``. Jobs of more beats than their vector has are not modelled."""
        offered = {"i": stimulus.offered["i"]}
        for name in ("jobs", "weights", "scales"):
            nothing = Offered(
                beats=np.zeros((0, beat_bytes(self._bits[name], 1)), np.uint8), offer=np.zeros_like(stimulus.offer)
            )
            offered[name] = stimulus.streams.get(name, nothing)
        run = self._control(stimulus, offered)
        outputs = self._outputs(run.tiles, offered["weights"].beats, offered["scales"].beats)
        complete = run.complete if len(self._config.sizes) > 1 else run.complete.astype(np.bool_)
        trace: Trace = {"complete": complete}
        for name, stream in offered.items():
            trace |= pipeline.stream_ports(name, stream.beats, run.valid[name], run.ready[name])
        return trace | pipeline.stream_ports("o", outputs, run.valid["o"], stimulus.accept)

    def _control(self, stimulus: Stimulus, offered: dict[str, Offered]) -> _Run:
        config, depth = self._config, self._depth
        margin = 2 * config.rows if config.backlog else max(config.rows, 2)
        sides = {name: _Side(stream) for name, stream in offered.items()}
        i, queued, weights, scales = sides.values()
        beats, jobs = self._beats_of(offered["i"].beats), self._jobs_of(offered["jobs"].beats)
        weight_queue, scale_queue = _StreamQueue(), _StreamQueue()
        buffers = [_Buffer(count_beats(size, config.columns), config.columns) for size in config.sizes]
        valid = {name: np.zeros(stimulus.cycles, np.bool_) for name in (*offered, "o")}
        ready = {name: np.zeros(stimulus.cycles, np.bool_) for name in offered}
        complete = np.zeros(stimulus.cycles, np.uint64)
        steps: deque[tuple[int, _Tile | None]] = deque()  # when each step is there, and the tile that it ends
        sums: deque[int] = deque()  # when each sum is there
        tiles: list[_Tile] = []
        reader: _Reader | None = None
        room = has_room = has_left = False
        held = reserved = 0
        may_end = -config.rows
        for t, accept in enumerate(stimulus.accept.tolist()):
            for side in sides.values():
                side.offer(t)
            issue = ends = False
            if reader is not None:
                issue = room and buffers[reader.job.vector].complete
                ends = issue and reader.at_end
            there = bool(steps) and steps[0][0] <= t and weight_queue.valid(t)
            tile = steps[0][1] if there else None
            start = there and (tile is None or (has_room and t >= may_end))
            o_valid = bool(sums) and sums[0] <= t and scale_queue.valid(t)
            i.ready = i.valid and not buffers[beats[i.number].vector].complete
            queued.ready, weights.ready, scales.ready = reader is None or ends, weight_queue.ready, scale_queue.ready
            for name, side in sides.items():
                valid[name][t], ready[name][t] = side.valid, side.ready
            valid["o"][t] = o_valid
            complete[t] = sum(buffer.complete << n for n, buffer in enumerate(buffers))

            room, has_room = held <= WAITING - 2, reserved <= depth - margin
            reserved -= has_left
            has_left = o_valid and accept
            weight_queue.move(t, weights.taken, start)
            scale_queue.move(t, scales.taken, has_left)
            held += issue - start
            if has_left:
                sums.popleft()
            if start:
                steps.popleft()
            if start and tile is not None:
                tiles.append(tile)
                reserved += tile.rows
                begin = t
                if config.backlog:  # its sums follow those of the tile before, and meanwhile no other tile may wait
                    begin = may_end = max(t, may_end + config.rows)
                else:
                    may_end = t + config.rows
                sums += range(begin + self._delay, begin + self._delay + tile.rows)
            if issue and reader is not None:
                buffer = buffers[reader.job.vector]
                steps.append((t + BlockRam.latency + Queue.latency, reader.read(buffer)))
                buffer.complete = not (ends and reader.job.release)
            if ends:
                reader = None
            if i.taken:
                beat = beats[i.number]
                buffers[beat.vector].write(beat)
            if queued.taken:
                reader = _Reader(jobs[queued.number], config.rows)
        return _Run(valid, ready, complete, tiles)

    def _beats_of(self, beats: npt.NDArray[np.uint8]) -> "list[_Beat]":
        config = self._config
        bits = _bits_of(beats, self._bits["i"])
        size = config.columns * config.width
        values = unpack(np.packbits(bits[:, :size], axis=1, bitorder="little"), config.width, config.columns)
        signed = values.astype(np.int64)
        signed -= signed >> (config.width - 1) << config.width
        vectors = _number(bits[:, size:-1])
        return [_Beat(*beat) for beat in zip(signed, vectors.tolist(), bits[:, -1].tolist(), strict=True)]

    def _jobs_of(self, beats: npt.NDArray[np.uint8]) -> list[Job]:
        ends = np.cumsum(self._config.job_bits)[:-1]
        fields = np.split(_bits_of(beats, self._bits["jobs"]), ends, axis=1)
        return [Job(*job) for job in zip(*(_number(field).tolist() for field in fields), strict=True)]

    def _outputs(
        self, tiles: list[_Tile], weights: npt.NDArray[np.uint8], scales: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint8]:
        """The output beats (rows, bytes) of ``tiles``."""
        config = self._config
        matrices = weights.view(np.int8).reshape(-1, config.rows, config.columns).astype(np.int64)
        first, sums = 0, []
        for tile in tiles:
            last = first + len(tile.vector)
            sums.append(np.einsum("brc,bc->r", matrices[first:last], tile.vector)[: tile.rows])
            first = last
        rows = [tile.rows for tile in tiles]
        count = sum(rows)
        flags = [(tile.tag, tile.ends) for tile in tiles]
        tags, ends = (np.repeat([flag[n] for flag in flags], rows) for n in range(2))
        last_of_tile = np.zeros(count, np.bool_)
        last_of_tile[np.cumsum(rows, dtype=np.int64) - 1] = True
        # a sum whose multiplier is never offered does not leave
        multipliers = np.zeros((count, scales.shape[1]), np.uint8)
        multipliers[: min(count, len(scales))] = scales[:count]
        parts = [
            np.concatenate([np.zeros(0, np.int64), *sums])[:, None] >> np.arange(SUM_BITS) & 1,
            _bits_of(multipliers, SCALE_BITS),
            tags.astype(np.int64)[:, None] >> np.arange(config.tag_bits) & 1,
            (ends.astype(np.bool_) & last_of_tile)[:, None],
        ]
        return np.packbits(np.concatenate(parts, axis=1).astype(np.uint8), axis=1, bitorder="little")


class _Beat(NamedTuple):
    """A beat of a vector."""

    values: Integers
    vector: int
    last: bool


class _Side:
    """An input stream: its driver, and the unit's ready."""

    def __init__(self, stream: Offered) -> None:
        self._offer, self._left = stream.offer.tolist(), len(stream.beats)
        self.valid = self.ready = False
        self.number = -1  # of the beat that is, or was last, offered

    def offer(self, cycle: int) -> None:
        if self.valid and not self.ready:
            return
        self.valid = self._offer[cycle] and self._left > 0
        self._left -= self.valid
        self.number += self.valid

    @property
    def taken(self) -> bool:
        return self.valid and self.ready


class _StreamQueue:
    """A :class:`qse_hw.rtl_gen.logic.stream_queue.StreamQueue`: how much is in it."""

    def __init__(self) -> None:
        self.ready, self._held = True, 0
        self._there: deque[int] = deque()  # since when, of each beat

    def valid(self, cycle: int) -> bool:
        return bool(self._there) and self._there[0] <= cycle

    def move(self, cycle: int, written: bool, taken: bool) -> None:
        self.ready = self._held <= QUEUE_DEPTH - 2
        self._held += written - taken
        if taken:
            self._there.popleft()
        if written:
            self._there.append(cycle + Queue.latency)


class _Buffer:
    """A vector (beats, columns), as far as it is written."""

    def __init__(self, beats: int, columns: int) -> None:
        self.values, self.complete, self._place = np.zeros((beats, columns), np.int64), False, 0

    def write(self, beat: _Beat) -> None:
        self.values[self._place] = beat.values
        self._place = 0 if beat.last else self._place + 1
        self.complete = bool(beat.last)


class _Reader:
    """A job in hand."""

    def __init__(self, job: Job, rows: int) -> None:
        self.job, self._rows, self._left, self._beat = job, rows, job.rows, 0

    @property
    def at_end(self) -> bool:
        return self._left <= self._rows and self._beat == self.job.beats - 1

    def read(self, buffer: _Buffer) -> _Tile | None:
        """The tile that the next beat ends."""
        self._beat += 1
        if self._beat < self.job.beats:
            return None
        rows = min(self._left, self._rows)
        self._left -= self._rows
        self._beat = 0
        return _Tile(buffer.values[: self.job.beats].copy(), rows, self.job.tag, self._left <= 0)


def _bits_of(beats: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    """The low ``width`` bits (beats, width) of beats (beats, bytes)."""
    return np.unpackbits(beats, axis=1, count=width, bitorder="little")


def _number(bits: npt.NDArray[np.uint8]) -> Integers:
    """(beats, width) to (beats,)."""
    numbers: Integers = bits.astype(np.int64) @ (1 << np.arange(bits.shape[1]))
    return numbers
