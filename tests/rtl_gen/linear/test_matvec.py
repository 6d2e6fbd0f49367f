"""The matrix-vector engine, in Amaranth's simulator, against the scalar model: shapes, buffers, stalls, resets."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.matvec import Job, multiply_scalar, pack_tiles
from qse_hw.rtl_gen.linear.matvec import Matvec
from qse_hw.rtl_gen.units.matvec import MatvecConfig, Product
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.bench import simulate as run_bench
from tests.sim.cycle.matvec_stimuli import STREAMS, cycles_of, fields, results, stimulus


def want(products):
    """(sum, M, k, tag, last) of every row, by the scalar model."""
    return [
        (total, M, k, one.job.tag, n == one.job.rows - 1)
        for one in products
        for n, (total, M, k) in enumerate(
            zip(multiply_scalar(one.weights.tolist(), one.vector.tolist()), one.M.tolist(), one.k.tolist(), strict=True)
        )
    ]


def check(unit, products, *, rng=None, **options):
    trace = simulate(
        unit.component(),
        stimulus(unit, products, cycles=cycles_of(unit, products) * (4 if rng is not None else 1), rng=rng, **options),
    )
    assert fields(unit, results(trace)) == want(products)
    return trace


def product(rng, unit, vector, inputs, rows, **job):
    """A product of random numbers."""
    return Product(
        Job(vector, -(-inputs // unit.columns), rows, **job),
        True,
        rng.integers(-1 << unit.width - 1, 1 << unit.width - 1, inputs),
        rng.integers(-128, 128, (rows, inputs)),
        rng.integers(0, 1 << 16, rows),
        rng.integers(0, 64, rows),
    )


# sizes, rows, columns, width: vectors and matrices of all lengths, so that neither inputs nor rows fill the last beat
SHAPES = [
    ((7,), 1, 1, 17), ((9, 20, 5), 3, 2, 17), ((40, 40), 4, 4, 18), ((40, 6, 1), 8, 3, 8), ((16,), 5, 16, 2),
]  # fmt: skip


@pytest.mark.every(4)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_under_stalls(shape, target, rng):
    unit = MatvecConfig(**dict(zip(("sizes", "rows", "columns", "width"), shape, strict=True)), target=target)
    check(unit, unit.random_products(rng, 6, longest=18), rng=rng)


@pytest.mark.every(4)
@pytest.mark.parametrize("stalled", [*STREAMS, "o"])
def test_each_stream_stalls_alone(stalled, rng):
    unit = MatvecConfig(sizes=(12, 30, 12), rows=3, columns=2)
    check(unit, unit.random_products(rng, 8, longest=20), rng=rng, stalls=(stalled,))


def test_the_largest_sums():
    """Both ends of int32; beyond them, sums are taken modulo 2^32."""
    unit = MatvecConfig(sizes=(130,), rows=2, columns=3, width=18)
    x = np.array([131071] * 128 + [66116, 66116])
    weights = np.array([[127] * 130, [-127] * 130])
    assert (1 << 31) - 1 - multiply_scalar(weights.tolist(), x.tolist())[0] < 127
    check(unit, [Product(Job(0, 44, 2), True, x, weights, np.array([1, 2]), np.array([3, 4]))])

    x = np.array([-131072] * 128)  # times -128 they are 2^31
    weights = np.array([[-128] * 128, [127] * 128])
    over = Product(Job(0, 43, 2), True, x, 0 * weights, np.array([1, 2]), np.array([3, 4]))
    arrays = unit.arrays([over]) | {"weights": pack_tiles(weights, rows=2, columns=3)}
    trace = simulate(unit.component(), stimulus(unit, None, cycles=150, arrays=arrays))
    assert [row[0] for row in fields(unit, results(trace))] == [-(1 << 31), -131072 * 127 * 128]


def test_a_vector_kept_for_several_jobs(rng):
    """Not released, it is read again, also by a job of another matrix; then the buffer takes the next vector."""
    unit = MatvecConfig(sizes=(10, 10), rows=2, columns=3)
    first = product(rng, unit, 0, 10, 5, tag=1, release=False)
    again = first._replace(job=Job(0, 4, 5, tag=2, release=False), written=False, weights=-first.weights // 2)
    last = again._replace(job=Job(0, 4, 5, tag=3, release=True))
    check(unit, [first, product(rng, unit, 1, 8, 4), again, last, product(rng, unit, 0, 3, 3)])


def test_vectors_may_come_mixed(rng):
    """Beats of three buffers in turn; each buffer keeps its place."""
    unit = MatvecConfig(sizes=(12, 12, 12), rows=2, columns=2)
    products = [product(rng, unit, n, 12, 4, tag=n) for n in range(3)]
    order = np.arange(18).reshape(3, 6).T.reshape(-1)
    check(unit, products, order=order)


def test_a_complete_buffer_accepts_nothing(rng):
    """Its second vector waits until the job has released it; the other buffer does not wait."""
    unit = MatvecConfig(sizes=(8, 8), rows=4, columns=2)
    products = [product(rng, unit, n % 2, 8, 40) for n in range(4)]
    trace = check(unit, products)
    accepted = np.flatnonzero(trace["i__valid"] & trace["i__ready"])
    complete = trace["complete"]
    assert accepted[:8].tolist() == list(range(8))
    assert complete[8] == 3
    released = int(np.flatnonzero(complete != 3)[8 if complete[0] else 0])
    after = accepted[8:12]
    assert after[0] > 8 + 30  # the first job reads for 40 cycles
    assert (complete[after] & 1 == 0).all()
    assert released <= after[0]


def test_back_pressure_stops_the_unit(rng):
    """All queues fill, the multipliers wait, and no sum is lost."""
    unit = MatvecConfig(sizes=(12,), rows=2, columns=2)
    products = [product(rng, unit, 0, 12, 60)]
    given = stimulus(unit, products, cycles=700)
    accept = np.arange(700) > 400
    trace = simulate(unit.component(), replace(given, accept=accept))
    assert fields(unit, results(trace)) == want(products)
    waiting = np.flatnonzero(trace["weights__valid"] & ~trace["weights__ready"])
    assert {*range(150, 400)} <= {*waiting.tolist()}


def test_a_short_tile_between_long_ones_costs_no_cycle(rng):
    """A tile of one beat ends one cycle after another tile; its sums wait, the multipliers do not."""
    unit = MatvecConfig(sizes=(24, 2), rows=4, columns=2, backlog=True)
    long, short = (product(rng, unit, n, inputs, 4, release=False) for n, inputs in enumerate((24, 2)))
    again = [
        one._replace(written=False, weights=rng.integers(-128, 128, one.weights.shape)) for one in (short, long) * 4
    ]
    products = [long, short, *again]
    trace = check(unit, products)
    taken = np.flatnonzero(trace["weights__valid"] & trace["weights__ready"])
    beats = sum(one.job.beats for one in products)
    assert len(taken) == beats
    # the queues fill while the first two vectors come; from then on a beat per cycle
    assert taken[-1] - taken[20] == beats - 1 - 20


@pytest.mark.every(8)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("reset", [5, 9, 14, 21, 22, 23, 24, 31, 40, 47])
def test_a_reset_within_a_job(reset, target, rng):
    """Whenever it comes, nothing of what was in the unit leaves, and the next job is right."""
    unit = MatvecConfig(sizes=(10, 6), rows=3, columns=2, target=target)
    old = [product(rng, unit, 0, 10, 8, tag=1), product(rng, unit, 1, 6, 4, tag=2)]
    new = [product(rng, unit, 1, 5, 4, tag=3), product(rng, unit, 0, 9, 5, tag=4)]
    dut, left = unit.component(), []

    async def process(ctx, rst):
        ctx.set(dut.o.ready, 1)
        for products, cycles in ((old, reset), (new, cycles_of(unit, new))):
            queues = {name: list(beats) for name, beats in unit.payloads(unit.arrays(products)).items()}
            for _ in range(cycles):
                for name in STREAMS:
                    port, queue = getattr(dut, name), queues[name]
                    ctx.set(port.valid, bool(queue))
                    ctx.set(port.payload.as_value(), queue[0] if queue else 0)
                if products is new and ctx.get(dut.o.valid):
                    left.append(ctx.get(dut.o.payload.as_value()))
                taken = [name for name in STREAMS if queues[name] and ctx.get(getattr(dut, name).ready)]
                await ctx.tick()
                for name in taken:
                    queues[name].pop(0)
            if products is old:
                for name in STREAMS:
                    ctx.set(getattr(dut, name).valid, 0)
                ctx.set(rst, 1)
                await ctx.tick()
                ctx.set(rst, 0)

    run_bench(dut, process)
    assert fields(unit, left) == want(new)


def test_ports():
    unit = MatvecConfig(sizes=(70, 9, 9), rows=3, columns=4, width=9, tag_bits=5)
    dut = used(Matvec(unit))
    assert sorted(dut.signature.members) == ["complete", "i", "jobs", "o", "scales", "weights"]
    bits = {name: len(getattr(dut, name).payload.as_value()) for name in (*STREAMS, "o")}
    assert bits == {"i": 36 + 2 + 1, "jobs": 2 + 5 + 17 + 5 + 1, "weights": 96, "scales": 22, "o": 32 + 22 + 5 + 1}
    assert {name: bits[name] for name in STREAMS} == unit.payload_bits
    assert len(dut.complete) == 3


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"sizes": ()}, InputError, "Sizes must be 1 to 16 integers from 1 to 65536, not 0 of them"),
        ({"sizes": (4,) * 17}, InputError, "Sizes must be 1 to 16 integers from 1 to 65536, not 17 of them"),
        ({"sizes": (4, 0)}, InputError, "Sizes must be 1 to 16 integers from 1 to 65536, not 0"),
        ({"sizes": "4"}, TypeError, "Sizes must be integers, not '4'"),
        ({"rows": 64, "columns": 17}, InputError, "Rows times columns must be at most 1024, not 64 times 17"),
        ({"width": 19}, InputError, "Width must be from 2 to 18, not 19"),
        ({"tag_bits": 0}, InputError, "Tag bits must be from 1 to 16, not 0"),
        ({"target": "asic"}, InputError, "Target must be one of generic, ecp5, not 'asic'"),
    ],
)
def test_refused(change, error, text):
    refused(error, text, lambda: Matvec(MatvecConfig(**{"sizes": (12,)} | change)))
