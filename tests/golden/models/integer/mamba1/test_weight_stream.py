"""An engine that follows the schedule and takes weights and multipliers as they come computes the model's products."""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.mamba1.weight_stream import layer_products, shape_of, weight_stream
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.reference.product_schedule import SOURCES, Shape, head_schedule, jobs, layer_schedule
from tests.golden.models.integer import small


@pytest.mark.parametrize(("rows", "columns"), [(4, 2), (5, 7), (1, 1)])
def test_products(rows, columns, rng):
    parameters = IntegerMamba.of(small.model(), small.formats(local_bits=16)).parameters
    shape = shape_of(parameters.layers[0], rows=rows, columns=columns, vocabulary=37)
    stream = weight_stream(parameters, shape)
    assert stream.weights.dtype == np.int8
    beat = row = 0
    schedules = [*[(layer_products(layer), layer_schedule(shape)) for layer in parameters.layers]]
    for products, groups in [*schedules, ({"logits": parameters.head}, head_schedule(shape))]:
        operands = {name: rng.integers(-99, 99, shape.inputs(name)) for name in ("norm", "x", "dt_low", "y")}
        sums = {result: [] for result in products}
        for job in jobs(groups):
            source = SOURCES[job.result]
            padded = np.zeros(shape.beats(source) * columns, np.int64)
            padded[: shape.inputs(source)] = operands[source]
            for first in range(0, job.rows, rows):
                part = stream.weights[beat : beat + shape.beats(source)].reshape(-1, rows, columns)
                beat += shape.beats(source)
                totals = np.einsum("brc,bc->r", part.astype(np.int64), padded.reshape(-1, columns))
                sums[job.result] += totals[: job.rows - first].tolist()
            product, done = products[job.result], len(sums[job.result])
            np.testing.assert_array_equal(stream.M[row : row + job.rows], product.by.M[done - job.rows : done])
            np.testing.assert_array_equal(stream.k[row : row + job.rows], product.by.k[done - job.rows : done])
            row += job.rows
        for result, product in products.items():
            assert sums[result] == (product.weights @ operands[SOURCES[result]]).tolist()
    assert (beat, row) == (len(stream.weights), len(stream.M))


def test_shapes_of_a_layer():
    layer = IntegerMamba.of(small.model(), small.formats(local_bits=16)).parameters.layers[0]
    shape = shape_of(layer, rows=4, columns=2)
    assert shape == Shape(d_model=24, d_inner=48, d_state=4, dt_rank=3, rows=4, columns=2)
    for result, product in layer_products(layer).items():
        assert product.weights.shape == (shape.outputs(result), shape.inputs(SOURCES[result]))
    with pytest.raises(InputError, match="at least one row and one column, not 0 x 2"):
        shape_of(layer, rows=0, columns=2)
