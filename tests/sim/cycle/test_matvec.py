"""The matrix-vector engine's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.golden.reference.matvec import Job
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.linear.matvec import QUEUE_DEPTH
from qse_hw.rtl_gen.units.matvec import MatvecConfig, Product
from qse_hw.sim.cycle.matvec import MatvecModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.sim.cycle.matvec_stimuli import STREAMS, cycles_of, results, stimulus

UNITS = [
    MatvecConfig(sizes=(9, 20, 5), rows=3, columns=2),
    MatvecConfig(sizes=(7,), rows=1, columns=1, width=18, target="ecp5"),
    MatvecConfig(sizes=(40, 40), rows=4, columns=4, target="ecp5"),
    MatvecConfig(sizes=(40, 6), rows=8, columns=3, width=9, tag_bits=1),
    MatvecConfig(sizes=(9, 20, 5), rows=3, columns=2, backlog=True),
    MatvecConfig(sizes=(40, 2), rows=5, columns=2, backlog=True),
]


def stimuli(unit, rng):
    """At full speed; with stalls on all sides; with a slow memory alone."""
    products = unit.random_products(rng, 8, longest=20)
    cycles = cycles_of(unit, products)
    return [
        stimulus(unit, products, cycles=cycles),
        stimulus(unit, products, cycles=4 * cycles, rng=rng),
        stimulus(unit, products, cycles=3 * cycles, rng=rng, stalls=("weights",)),
    ]


@pytest.mark.every(8)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(unit, rng):
    for given in stimuli(unit, rng):
        assert first_difference(MatvecModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS[1:], ids=lambda unit: unit.label)
def test_equals_the_verilog(unit, rng, tmp_path):
    given = stimuli(unit, rng)
    for one, trace in zip(given, record_all(emit(unit), given, folder=tmp_path), strict=True):
        assert first_difference(MatvecModel(unit).run(one), trace) == ""


def zeros(unit, vector, inputs, rows):
    values = np.zeros(inputs, np.int64), np.zeros((rows, inputs), np.int64)
    return Product(Job(vector, -(-inputs // unit.columns), rows), True, *values, *np.zeros((2, rows), np.int64))


def run(unit, products, **options):
    trace = MatvecModel(unit).run(stimulus(unit, products, cycles=cycles_of(unit, products), **options))
    assert results(trace) == unit.payloads(unit.arrays(products))["o"]
    return trace


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_latency(unit):
    """Of a tile of one beat: from the weights, if they come last, and from the vector, if it does."""
    products = [zeros(unit, 0, 1, 1)]
    late = 40
    for last, latency in (("weights", MatvecModel(unit).latency), ("i", MatvecModel(unit).vector_latency)):
        given = stimulus(unit, products, cycles=80)
        given.offered[last].offer[:late] = False
        left = np.flatnonzero(MatvecModel(unit).run(given)["o__valid"])
        assert left.tolist() == [late + latency]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 8), (4, 4), (8, 8), (16, 4)])
def test_no_pause_between_tiles_and_jobs(rows, columns):
    """A beat of weights per cycle, if every vector has at least ``rows`` beats and is there in time; a vector of fewer
    takes ``rows`` cycles per tile."""
    unit = MatvecConfig(sizes=(128, 128, 48), rows=rows, columns=columns, target="ecp5")
    long = [zeros(unit, n % 2, rows * columns, 8 * rows + 1) for n in range(4)]
    trace = run(unit, long)
    taken = np.flatnonzero(trace["weights__valid"] & trace["weights__ready"])
    beats = 4 * 9 * rows
    steady = taken[QUEUE_DEPTH:]  # which are taken while the vector comes
    assert len(taken) == beats
    assert steady.tolist() == list(range(steady[0], steady[0] + beats - QUEUE_DEPTH))
    short = [zeros(unit, 2, columns, 6 * rows)]
    left = np.flatnonzero(run(unit, short)["o__valid"])
    assert left[-1] - left[0] == 6 * rows - 1


def test_a_short_vector_behind_a_long_one():
    """Its tile takes ``rows`` cycles, too, as the totals of one tile wait at a time."""
    unit = MatvecConfig(sizes=(64, 64), rows=8, columns=2)
    pair = [zeros(unit, 0, 40, 8), zeros(unit, 1, 4, 8)]  # tiles of 20 and 2 beats
    products = [
        one._replace(written=turn == 0, job=one.job._replace(release=turn == 5)) for turn in range(6) for one in pair
    ]
    ends = np.flatnonzero(run(unit, products)["o__valid"]).reshape(-1, 8)[:, -1]
    assert np.diff(ends).tolist() == [8, 20] * 5 + [8]


@pytest.mark.parametrize("target", ["generic", "ecp5"])
def test_multipliers_are_busy_in_a_layer_of_a_model(target):
    """The four products of a layer with 128 channels: within 5 % of a beat of weights per cycle."""
    unit = MatvecConfig(sizes=(128, 256, 16, 256), rows=4, columns=4, target=target)
    products = [zeros(unit, n, inputs, rows) for n, (inputs, rows) in enumerate(
        [(128, 512), (256, 40), (16, 256), (256, 128)]
    )]  # fmt: skip
    trace = run(unit, products)
    beats = (trace["weights__valid"] & trace["weights__ready"]).sum()
    assert beats == (128 * 512 + 256 * 40 + 16 * 256 + 256 * 128) // 16
    assert np.flatnonzero(trace["o__valid"])[-1] < 1.05 * beats


def test_what_happens(rng):
    """The comparisons above saw stalls on all sides, and buffers in every state."""
    trace = MatvecModel(UNITS[0]).run(stimuli(UNITS[0], rng)[1])
    for stream in (*STREAMS, "o"):
        valid, ready = trace[f"{stream}__valid"], trace[f"{stream}__ready"]
        assert (valid & ~ready).any()
        assert (valid & ready).any()
        assert (~valid).any()
    assert len(set(trace["complete"].tolist())) >= 4
