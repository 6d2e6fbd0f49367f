"""The jobs of all layers and the head, in the schedule's order, again and again, at any pace."""

import pytest

from qse_hw.golden.reference.product_schedule import OPERANDS, SOURCES, Shape, head_schedule, jobs, layer_schedule
from qse_hw.rtl_gen.mixer.results import TAGS
from qse_hw.rtl_gen.mixer.sequencer import Sequencer
from tests.rtl_gen.bench import at_random, simulate

SHAPE = Shape(d_model=24, d_inner=48, d_state=4, dt_rank=3, rows=4, columns=2)
LARGER = Shape(d_model=64, d_inner=128, d_state=4, dt_rank=3, rows=2, columns=8, vocabulary=37)


@pytest.mark.parametrize("shape", [SHAPE, LARGER], ids=["without head", "with head"])
@pytest.mark.parametrize("layers", [1, 3])
def test_jobs(shape, layers):
    groups = layer_schedule(shape), head_schedule(shape)
    expected = [*[job for _ in range(layers) for job in jobs(groups[0])], *jobs(groups[1])] * 2
    dut = Sequencer(shape, layer=groups[0], head=groups[1], layers=layers)
    given = []

    async def process(ctx, rst):
        pause = at_random(11)
        while len(given) < len(expected):
            ctx.set(dut.o.ready, not pause())
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                given.append({name: int(ctx.get(dut.o.payload[name])) for name, _ in dut.o.payload.shape()})
            await ctx.tick()

    simulate(dut, process)
    assert given == [
        {
            "vector": OPERANDS.index(SOURCES[job.result]), "beats": shape.beats(SOURCES[job.result]),
            "rows": job.rows, "tag": TAGS[job.result], "release": job.release,
        }
        for job in expected
    ]  # fmt: skip
