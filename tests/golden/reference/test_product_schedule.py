"""The order of the products: each row once, operands complete before they are read and kept until they are."""

import pytest

from qse_hw.golden.reference.product_schedule import (
    SOURCES,
    Shape,
    head_schedule,
    jobs,
    layer_schedule,
    slices,
)

SHAPES = [
    Shape(d_model=24, d_inner=48, d_state=4, dt_rank=3, rows=4, columns=2),
    Shape(d_model=24, d_inner=48, d_state=4, dt_rank=3, rows=64, columns=1),
    Shape(d_model=256, d_inner=512, d_state=16, dt_rank=16, rows=8, columns=8),
    Shape(d_model=768, d_inner=1536, d_state=16, dt_rank=48, rows=16, columns=4),
    Shape(d_model=20, d_inner=40, d_state=3, dt_rank=2, rows=7, columns=16),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_row_once_and_in_order(shape):
    groups = layer_schedule(shape)
    rows = {}
    for part in slices(groups):
        assert part.end > part.first == rows.get(part.result, 0)
        rows[part.result] = part.end
    assert rows == {result: shape.outputs(result) for result in SOURCES if result != "logits"}
    assert all(job.rows % shape.rows == 0 or _ends(shape, groups, number) for number, job in enumerate(jobs(groups)))


def _ends(shape, groups, number):
    """Whether a job has its matrix' last rows: only then may a tile be incomplete."""
    part = list(slices(groups))[number]
    return part.end == shape.outputs(part.result)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_operands_are_released_with_their_last_use(shape):
    order = list(jobs(layer_schedule(shape)))
    for operand in ("norm", "x", "dt_low", "y"):
        uses = [job.release for job in order if SOURCES[job.result] == operand]
        assert uses == [False] * (len(uses) - 1) + [True]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dependencies(shape):
    """All of x's inputs come before x_proj, all of B and C before dt, all of dt and gate before out_proj."""
    results = [job.result for job in jobs(layer_schedule(shape))]
    last = {result: len(results) - 1 - results[::-1].index(result) for result in results}
    assert last["conv_input"] < results.index("dt_low") < results.index("B") < results.index("C")
    assert last["C"] < results.index("dt")
    assert max(last["dt"], last["gate"]) < results.index("out")


def test_the_head():
    assert head_schedule(SHAPES[0]) == []
    shape = Shape(d_model=24, d_inner=48, d_state=4, dt_rank=3, rows=4, columns=2, vocabulary=37)
    assert [(job.result, job.rows, job.release) for job in jobs(head_schedule(shape))] == [("logits", 37, True)]
