"""The order in which hardware computes the products of a Mamba-1: of its weights, row scales and results.

One engine computes all products of all layers, ``rows`` rows of a matrix at a time, ``columns`` inputs per cycle. The
order hides what follows a product behind other products:

- the first rows of the gate are computed while the convolution, SiLU and the encoder work off the last rows of their
  input, as x_proj needs all of x;
- B and C are computed while the encoder works off dt_low;
- the rows of dt and the other rows of the gate take turns: a few rows of dt come from few inputs, and their results
  leave while the gate's rows are summed up. The scan goes on at the same time.

Sizes: ``d_model`` m, ``d_inner`` d, ``d_state`` n, ``dt_rank`` r.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Operand = Literal["norm", "x", "dt_low", "y"]
OPERANDS: tuple[Operand, ...] = ("norm", "x", "dt_low", "y")
Result = Literal["conv_input", "gate", "dt_low", "B", "C", "dt", "out", "logits"]
RESULTS: tuple[Result, ...] = ("conv_input", "gate", "dt_low", "B", "C", "dt", "out", "logits")
SOURCES: dict[Result, Operand] = {
    "conv_input": "norm", "gate": "norm", "dt_low": "x", "B": "x", "C": "x", "dt": "dt_low", "out": "y",
    "logits": "norm",
}  # fmt: skip
"""The operand of each result's product."""
LOCAL_BITS, WIDE_BITS = 16, 24
"""Of results in fixed point: those within a layer, and those of the residual stream's width."""
WIDE: tuple[Result, ...] = ("out", "logits")
HIDDEN = 128
"""Cycles of the gate's products behind the last rows of the convolution's input: the latency from there to x."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a layer (``d_model``, ``d_inner``, ``d_state``, ``dt_rank``) and of the engine (``rows``, ``columns``).

    ``vocabulary``: rows of the head; 0: without it.
    """

    d_model: int
    d_inner: int
    d_state: int
    dt_rank: int
    rows: int
    columns: int
    vocabulary: int = 0

    def inputs(self, operand: Operand) -> int:
        """Values of an operand."""
        return {"norm": self.d_model, "x": self.d_inner, "dt_low": self.dt_rank, "y": self.d_inner}[operand]

    def outputs(self, result: Result) -> int:
        """Rows of a result's matrix."""
        sizes: dict[Result, int] = {
            "conv_input": self.d_inner, "gate": self.d_inner, "dt_low": self.dt_rank, "B": self.d_state,
            "C": self.d_state, "dt": self.d_inner, "out": self.d_model, "logits": self.vocabulary,
        }  # fmt: skip
        return sizes[result]

    @property
    def layer_weights(self) -> int:
        """Weights of a layer's matrices."""
        return sum(self.outputs(result) * self.inputs(SOURCES[result]) for result in RESULTS if result != "logits")

    def beats(self, operand: Operand) -> int:
        """Cycles for a tile of rows; the last inputs are filled up with weights of 0."""
        return -(-self.inputs(operand) // self.columns)


class Job(NamedTuple):
    """``rows`` rows of a result's matrix, the next ones; ``release``: its operand is not needed any more."""

    result: Result
    rows: int
    release: bool = False


class Group(NamedTuple):
    """Jobs that are repeated in turn, ``times`` times."""

    times: int
    jobs: tuple[Job, ...]


def layer_schedule(shape: Shape) -> list[Group]:
    """The products of a layer."""
    d, n, r, rows = shape.d_inner, shape.d_state, shape.dt_rank, shape.rows
    tiles = -(-d // rows)
    ahead = min(tiles - 1, -(-HIDDEN // shape.beats("norm")))  # the gate's tiles before x_proj
    groups = [Group(1, (Job("conv_input", d),))]
    if ahead:
        groups.append(Group(1, (Job("gate", ahead * rows),)))
    groups.append(Group(1, (Job("dt_low", r), Job("B", n), Job("C", n, release=True))))
    turns = tiles - 1 - ahead
    if turns:
        groups.append(Group(turns, (Job("dt", rows), Job("gate", rows))))
    left = d - (turns + ahead) * rows
    groups.append(Group(1, (Job("dt", d - turns * rows, release=True), Job("gate", left, release=True))))
    groups.append(Group(1, (Job("out", shape.d_model, release=True),)))
    return groups


def head_schedule(shape: Shape) -> list[Group]:
    """The product of the head; none without one."""
    return [Group(1, (Job("logits", shape.vocabulary, release=True),))] if shape.vocabulary else []


def jobs(groups: Sequence[Group]) -> Iterator[Job]:
    """All jobs, in order."""
    for group in groups:
        for _ in range(group.times):
            yield from group.jobs


class Slice(NamedTuple):
    """The rows from ``first`` up to ``end`` of a result's matrix."""

    result: Result
    first: int
    end: int


def slices(groups: Sequence[Group]) -> Iterator[Slice]:
    """The rows of each job, in order."""
    next_row: dict[Result, int] = {}
    for job in jobs(groups):
        first = next_row.get(job.result, 0)
        next_row[job.result] = first + job.rows
        yield Slice(job.result, first, first + job.rows)
