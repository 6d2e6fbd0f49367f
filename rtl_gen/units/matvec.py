# amaranth: UnusedElaboratable=no
"""Configuration of a matrix-vector engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.linear import HIGH, LOW, MAX_ACCUMULATOR, MAX_PRODUCTS, MAX_SIZE
from qse_hw.golden.reference.matvec import (
    K_BITS,
    M_BITS,
    SUM_BITS,
    Job,
    count_beats,
    multiply,
    pack_tiles,
    pack_vector,
)
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import Integer, Integers, Switch
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.linear.matvec import Matvec

MAX_BUFFERS, MAX_TAG_BITS = 16, 16
SCALE_BITS = M_BITS + K_BITS
SEED = 20261130  # of the vectors' random values
_JOBS = 12
_LONGEST = 40  # inputs and rows of the vectors' jobs

Integers64 = npt.NDArray[np.int64]
Field = tuple[Sequence[int] | npt.NDArray[Any], int]
"""Values and their width, in bits."""


class Product(NamedTuple):
    """A job with its vector (inputs,), matrix (rows, inputs), and its rows' M and k.

    ``written``: the vector is written for this job; else the job before it has not released it.
    """

    job: Job
    written: bool
    vector: Integers64
    weights: Integers64
    M: Integers64
    k: Integers64


@dataclass(frozen=True, kw_only=True)
class MatvecConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.linear.matvec.Matvec`."""

    unit: ClassVar[str] = "matvec"
    summary: ClassVar[str] = "vectors times streamed INT8 matrices, job by job"

    sizes: tuple[int, ...] = option(
        kind=Integers(1, MAX_SIZE, MAX_BUFFERS), help="the buffers' sizes, as in 768,1536", metavar="N,...",
        measure="values",
    )  # fmt: skip
    rows: int = option(
        kind=Integer(1, MAX_PRODUCTS), help="rows of the matrix at a time", metavar="N", default=1, measure="rows"
    )
    columns: int = option(
        kind=Integer(1, MAX_PRODUCTS), help="values of the vector at a time", metavar="N", default=1, measure="values"
    )
    width: int = option(kind=Integer(2, 18), help="bits of the values", metavar="B", default=17, measure="bits")
    tag_bits: int = option(
        kind=Integer(1, MAX_TAG_BITS), help="bits passed on from a job to its sums", metavar="B", default=4,
        measure="bits",
    )  # fmt: skip
    backlog: bool = option(
        kind=Switch(), default=False,
        help="a tile's sums may wait for those of the tile before: for short vectors between long ones",
    )  # fmt: skip
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rows * self.columns > MAX_PRODUCTS:
            raise InputError(
                f"Rows times columns must be at most {MAX_PRODUCTS}, not {self.rows} times {self.columns}"
            )

    @property
    def lanes(self) -> int:  # type: ignore[override]
        """Sums per output beat."""
        return 1

    @property
    def label(self) -> str:
        words = [self.unit, ",".join(map(str, self.sizes)), f"s{self.width}", f"{self.rows}x{self.columns}"]
        words += ["backlog"] if self.backlog else []
        return " ".join([*words, *([self.target] if self.target != "generic" else [])])

    @property
    def vector_bits(self) -> int:
        """Of a buffer's number."""
        return max(1, (len(self.sizes) - 1).bit_length())

    @property
    def beats_bits(self) -> int:
        """Of a number of beats."""
        return count_beats(max(self.sizes), self.columns).bit_length()

    @property
    def payload_bits(self) -> dict[str, int]:
        """Bits of a beat of each input stream."""
        return {
            "i": self.columns * self.width + self.vector_bits + 1,
            "jobs": sum(self.job_bits),
            "weights": 8 * self.rows * self.columns,
            "scales": SCALE_BITS,
        }

    @property
    def job_bits(self) -> tuple[int, ...]:
        """Of each field of a job."""
        return self.vector_bits, self.beats_bits, MAX_SIZE.bit_length(), self.tag_bits, 1

    def component(self) -> "Matvec":
        from qse_hw.rtl_gen.linear.matvec import Matvec

        return Matvec(self)

    def facts(self) -> dict[str, Any]:
        """Beats that each buffer holds; the largest magnitude of a sum."""
        return {
            "beats_per_buffer": [count_beats(size, self.columns) for size in self.sizes],
            "max_sum": MAX_ACCUMULATOR,
        }

    def meanings(self) -> Mapping[str, str]:
        buffers, tag = f"buffer's number in {self.vector_bits} bits", f"tag in {self.tag_bits}"
        return {
            "i__payload": f"low bits: {self.columns} values, two's complement, {self.width} bits each, the first in "
            f"the low bits; above: {buffers}, top bit: the vector's last beat",
            "jobs__payload": f"from the low bits: {buffers}, beats of the vector in {self.beats_bits}, rows of the "
            f"matrix in {MAX_SIZE.bit_length()}, {tag}, top bit: the buffer is free afterwards",
            "jobs__valid": "job is offered",
            "jobs__ready": "job is accepted",
            "weights__payload": f"int8 weights: for each of {self.rows} rows, the first in the low bits, "
            f"{self.columns}, those of the first value in the low bits",
            "weights__valid": "beat of weights is offered",
            "weights__ready": "beat of weights is accepted",
            "scales__payload": f"low bits: M of a row's multiplier in {M_BITS} bits; above: k in {K_BITS}",
            "scales__valid": "multiplier is offered",
            "scales__ready": "multiplier is accepted",
            "o__payload": f"from the low bits: sum, int32; M in {M_BITS} bits, k in {K_BITS}; {tag}; top bit: the "
            "job's last sum",
            "complete": "a bit per buffer: it holds a vector that is not released",
        }

    def random_products(self, rng: np.random.Generator, count: int, longest: int = _LONGEST) -> list[Product]:
        """Jobs on random buffers, with the extremes of values and weights in some; a few vectors serve two jobs."""
        products: list[Product] = []
        low, high = -1 << (self.width - 1), (1 << (self.width - 1)) - 1
        for _ in range(count):
            before = products[-1] if products else None
            kept = before is not None and not before.job.release
            if before is not None and kept:
                number, x = before.job.vector, before.vector
            else:
                number = int(rng.integers(len(self.sizes)))
                inputs = int(rng.integers(1, min(self.sizes[number], longest) + 1))
                x = rng.integers(low, high + 1, inputs)
            rows = int(rng.integers(1, longest + 1))
            weights = rng.integers(LOW, HIGH + 1, (rows, len(x)))
            kind = rng.integers(6)
            if kind < 2:
                weights[:] = (LOW, HIGH)[kind]
            if not kept and kind in (0, 2):
                x = np.full(len(x), low if kind else high)
            last = len(products) == count - 1
            job = Job(
                vector=number, beats=count_beats(len(x), self.columns), rows=rows,
                tag=int(rng.integers(1 << self.tag_bits)), release=last or bool(rng.random() < 0.8),
            )  # fmt: skip
            M, k = rng.integers(0, 1 << M_BITS, rows), rng.integers(0, 1 << K_BITS, rows)
            products.append(Product(job, not kept, x, weights, M, k))
        return products

    def arrays(self, products: Sequence[Product]) -> dict[str, npt.NDArray[Any]]:
        """What goes in and out for ``products``: beats of every stream, in order.

        ``jobs`` (jobs, 5): the fields of a job. ``values`` (beats, columns), ``vector`` and ``last`` (beats,): of the
        stream i. ``weights`` (beats, rows, columns). ``M``, ``k`` and ``sums``, ``tags``, ``ends`` (rows,).
        """
        written = [one for one in products if one.written]
        beats = [pack_vector(one.vector, self.columns) for one in written]
        rows = [one.job.rows for one in products]
        return {
            "jobs": np.array([one.job for one in products], np.int64).reshape(-1, len(Job._fields)),
            "values": np.concatenate(beats),
            "vector": np.repeat([one.job.vector for one in written], [len(each) for each in beats]),
            "last": np.concatenate([np.arange(len(each)) == len(each) - 1 for each in beats]),
            "weights": np.concatenate(
                [pack_tiles(one.weights, rows=self.rows, columns=self.columns) for one in products]
            ),
            "M": np.concatenate([one.M for one in products]),
            "k": np.concatenate([one.k for one in products]),
            "sums": np.concatenate([multiply(one.weights, one.vector) for one in products]),
            "tags": np.repeat([one.job.tag for one in products], rows),
            "ends": np.concatenate([np.arange(count) == count - 1 for count in rows]),
        }

    def payloads(self, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, list[int]]:
        """The beats of every stream as integers."""
        jobs, scale = arrays["jobs"].T, [(arrays["M"], M_BITS), (arrays["k"], K_BITS)]
        values = join_lanes(arrays["values"], self.width, self.columns)
        return {
            "i": _joined(
                (values, self.columns * self.width), (arrays["vector"], self.vector_bits), (arrays["last"], 1)
            ),
            "jobs": _joined(*zip(jobs, self.job_bits, strict=True)),
            "weights": join_lanes(arrays["weights"], 8, self.rows * self.columns),
            "scales": _joined(*scale),
            "o": _joined(
                (arrays["sums"] % (1 << SUM_BITS), SUM_BITS), *scale, (arrays["tags"], self.tag_bits),
                (arrays["ends"], 1),
            ),
        }  # fmt: skip

    def vectors(self) -> dict[str, npt.NDArray[Any]]:
        """Random jobs, and what golden makes of them."""
        return self.arrays(self.random_products(np.random.default_rng(SEED), _JOBS))

    def beats(self) -> Beats:
        """The vectors."""
        payloads = self.payloads(self.vectors())
        return Beats(
            inputs=stream("i", payloads["i"]),
            outputs=stream("o", payloads["o"]),
            beside=tuple(stream(name, payloads[name]) for name in ("jobs", "weights", "scales")),
        )


CONFIG = MatvecConfig


def _joined(*fields: Field) -> list[int]:
    """One integer per row, the first field in the low bits."""
    beats = [0] * len(fields[0][0])
    shift = 0
    for values, width in fields:
        beats = [beat | int(value) << shift for beat, value in zip(beats, values, strict=True)]
        shift += width
    return beats
