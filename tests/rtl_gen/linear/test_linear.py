"""The linear unit, in Amaranth's simulator, against the scalar model: shapes, formats, stalls, constructor."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.linear import linear_scalar, max_bias, zero_point_bias
from qse_hw.rtl_gen.linear.linear import Linear
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.formats import ALL, SHIPPED, make
from tests.sim.cycle.linear_stimuli import Job, job, results, stimulus


def config(name, inputs, outputs, rows, columns, target="generic"):
    return LinearConfig(
        format=make(name), inputs=inputs, outputs=outputs, rows=rows, columns=columns, target=target
    )


def check(rng, unit, jobs, seed=None):
    """The outputs are exactly the results of the scalar model, in order."""
    trace = simulate(unit.component(), stimulus(rng, unit, jobs, seed=seed))
    want, flag = [], False
    for one in jobs:
        for codes in one.codes[:, : unit.inputs].tolist():
            exact = linear_scalar(codes, one.weights.tolist(), one.biases.tolist(), unit.format, one.scale)
            want += [result.value for result in exact]
            flag |= any(result.saturated for result in exact)
    assert results(trace).tolist() == want
    assert trace["saturated"].any() == flag
    return trace


SHAPES = [(1, 1, 1, 1), (7, 6, 3, 2), (5, 4, 4, 5), (4, 6, 6, 2), (9, 5, 1, 4), (3, 8, 2, 1), (16, 4, 2, 3)]


@pytest.mark.every(6)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes(shape, target, rng):
    unit = config("se8", *shape, target)
    check(rng, unit, [job(rng, unit, 2), job(rng, unit, 6)])


@pytest.mark.every(16)
@pytest.mark.parametrize("name", ALL)
def test_formats_under_stalls(name, rng):
    unit = config(name, 7, 4, 2, 2)
    check(rng, unit, [job(rng, unit, 2), job(rng, unit, 10)], seed=71)


@pytest.mark.every(6)
@pytest.mark.parametrize("name", SHIPPED)
def test_every_code_against_every_weight(name, rng):
    """One input, one output: every code times some weights, at a scale that shows every bit of small products."""
    unit = config(name, 1, 1, 1, 1)
    codes = rng.permutation(1 << unit.format.bits)[:, None]
    for weight in (-128, -1, 1, 127):
        weights = np.array([[weight]])
        one = Job(weights, zero_point_bias(weights, unit.format), Scale.from_step(1 + abs(weight) / 3), codes)
        check(rng, unit, [one])


def test_the_largest_sums(rng):
    """Sums close to the bound, with the largest biases, fit int32."""
    unit = config("se8", 6, 2, 2, 3)
    limit = max_bias(unit.format, unit.tiling)
    largest = max(unit.format.decoded, key=unit.format.decoded.__getitem__)
    weights = np.array([[-128] * 6, [127] * 6])
    codes = np.array([[largest] * 6, [largest | 1 << unit.format.bits - 1] * 6, [0] * 6])
    for signs in ((-1, 1), (1, -1)):
        check(rng, unit, [Job(weights, np.array(signs) * limit, Scale(M=40000, k=39), codes)])


def test_back_pressure_stops_the_unit(rng):
    """Both buffers and the queue fill, and no beat is lost."""
    unit = config("se8", 6, 4, 2, 3)
    one = job(rng, unit, 30)
    given = stimulus(rng, unit, [one], seed=72)
    accept = np.arange(given.cycles) > given.cycles // 2
    more = np.ones(given.cycles, np.bool_)
    longer = replace(
        given,
        offer=np.concatenate([given.offer, more]),
        accept=np.concatenate([accept, more]),
        ports={name: np.concatenate([values, values * 0]) for name, values in given.ports.items()},
    )
    trace = simulate(unit.component(), longer)
    np.testing.assert_array_equal(results(trace), one.results(unit)[0].reshape(-1))
    refusing = np.flatnonzero(trace["i__valid"] & ~trace["i__ready"])
    assert refusing[-1] - refusing[0] > 50


def test_saturated_is_sticky_until_cleared(rng):
    unit = config("int8", 2, 1, 1, 2)
    one = Job(np.array([[100, 100]]), np.array([0]), Scale(M=1 << 15, k=15), np.array([[0, 0], [2, 0], [0, 1]]))
    given = stimulus(rng, unit, [one])
    for clear in (False, True):
        given.ports["clear"][:] = clear
        trace = simulate(unit.component(), given)
        left = np.flatnonzero(trace["o__valid"])
        assert results(trace).tolist() == [0, 127, 100]
        assert trace["saturated"][left + 1].tolist() == [False, True, not clear]


def test_ports():
    dut = used(Linear(LinearConfig(format=make("se9-paper"), inputs=7, outputs=6, rows=3, columns=4)))
    assert sorted(dut.signature.members) == ["biases", "clear", "i", "o", "saturated", "scale_k", "scale_m", "weights"]
    assert len(dut.i.payload.as_value()) == 36
    assert len(dut.o.payload.as_value()) == 8 * dut.tiling.lanes == 24
    assert len(dut.weights.payload.as_value()) == 32 + 2 + 2  # of 3 rows, of 2 tiles of 2 beats
    assert len(dut.biases.payload.as_value()) == 32 + 2 + 1


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"format": "se8"}, TypeError, "Format must be a SegmentedFormat, not 'se8'"),
        ({"rows": 4}, InputError, "Rows must divide the 6 outputs, not 4; or pad the matrix with rows of zeros"),
        ({"columns": 9}, InputError, "Columns must be from 1 to the 8 inputs, not 9"),
        ({"inputs": 65536, "columns": 1}, InputError, "Accumulators must fit into int32"),
        ({"target": "asic"}, InputError, "Target must be one of generic, ecp5, not 'asic'"),
    ],
)
def test_refused(change, error, text):
    whole = {"format": make("se8"), "inputs": 8, "outputs": 6, "rows": 3, "columns": 4} | change
    refused(error, text, lambda: Linear(LinearConfig(**whole)))
