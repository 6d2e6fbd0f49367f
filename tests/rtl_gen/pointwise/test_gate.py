"""The gate, in Amaranth's simulator, against the scalar model: every small gate and shift, a reset, constructor."""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.reference.gate import gate_scalar
from qse_hw.rtl_gen.pointwise.gate import Gate
from qse_hw.rtl_gen.units.gate import GateConfig
from qse_hw.sim.cycle.stimulus import Offered, Stimulus, random_runs
from qse_hw.sim.packing import pack, signed, unpack
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.bench import simulate as run_bench
from tests.rtl_gen.pointwise.small import SMALL


@pytest.mark.every(2)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
def test_every_gate_and_shift(target, rng):
    """Each 8-bit gate twice, with random values and the ends, and shifts of 0 to 63."""
    unit = GateConfig(lanes=2, target=target, **SMALL)
    gates = rng.permutation(np.repeat(np.arange(-128, 128), 2)).reshape(-1, 2)
    y = rng.integers(-(1 << 15), 1 << 15, gates.shape)
    y[::4] = rng.choice([-(1 << 15), (1 << 15) - 1], (64, 2))
    cycles = 1200
    ports = {"shift": rng.integers(0, 64, cycles), "clear": np.zeros(cycles, np.bool_)}
    ports["shift"][rng.random(cycles) < 0.5] = 9
    given = Stimulus(
        beats=pack(y, 16), offer=random_runs(rng, cycles), accept=random_runs(rng, cycles), ports=ports,
        streams={"gate": Offered(beats=pack(gates, 8), offer=random_runs(rng, cycles))},
    )  # fmt: skip
    trace = simulate(unit.component(), given)
    shifts = ports["shift"][trace["i__valid"] & trace["i__ready"]]
    want = [
        [gate_scalar(*pair, shift, unit.silu.arithmetic) for pair in zip(*beat, strict=True)]
        for *beat, shift in zip(y.tolist(), gates.tolist(), shifts.tolist(), strict=True)
    ]
    left = signed(unpack(trace["o__payload"][trace["o__valid"] & trace["o__ready"]], 16, 2), 16)
    assert left.tolist() == [[one.value for one in beat] for beat in want]
    clamped = np.flatnonzero(trace["o__valid"] & trace["o__ready"])[
        [any(one.saturated for one in beat) for beat in want].index(True)
    ]
    assert trace["saturated"].tolist() == [cycle > clamped for cycle in range(cycles)]


def test_a_reset_forgets_waiting_gates():
    """The first gate after it belongs to the first value after it."""
    unit = GateConfig(**SMALL)
    dut, left = unit.component(), []

    async def process(ctx, rst):
        async def send(values, gates, cycles):
            values, gates = list(values), list(gates)
            for _ in range(cycles):
                for port, waiting in ((dut.i, values), (dut.gate, gates)):
                    ctx.set(port.valid, int(bool(waiting)))
                    ctx.set(port.payload[0], waiting[0] if waiting else 0)
                took = [bool(waiting) and ctx.get(port.ready) for port, waiting in ((dut.i, values), (dut.gate, gates))]
                if ctx.get(dut.o.valid):
                    left.append(ctx.get(dut.o.payload[0]))
                await ctx.tick()
                for waiting, taken in zip((values, gates), took, strict=True):
                    del waiting[: int(taken)]

        ctx.set(dut.o.ready, 1)
        ctx.set(dut.shift, 6)
        await send([5, 6], [100, 101, 102, 103, 104], 8)
        ctx.set(rst, 1)
        await send([], [], 1)
        ctx.set(rst, 0)
        left.clear()
        await send([1000, -1000, 3], [30, 40, -50], 3 + 3 + dut.latency)

    run_bench(dut, process)
    pairs = ((1000, 30), (-1000, 40), (3, -50))
    assert left == [gate_scalar(y, gate, 6, unit.silu.arithmetic).value for y, gate in pairs]


def test_ports():
    dut = used(Gate(GateConfig(lanes=3, **SMALL)))
    assert sorted(dut.signature.members) == ["clear", "gate", "i", "o", "saturated", "shift"]
    sizes = (len(dut.i.payload.as_value()), len(dut.gate.payload.as_value()), len(dut.o.payload.as_value()))
    assert (sizes, len(dut.shift)) == ((48, 24, 48), 6)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"input": input_type("bf16")}, "Input of a function must be fixed point, as in s16e-11, not bf16"),
        ({"lanes": 0}, "Lanes must be from 1 to 1024, not 0"),
        ({"target": "asic"}, "Target must be one of generic, ecp5, not 'asic'"),
    ],
)
def test_refused(change, text):
    refused(InputError, text, lambda: Gate(GateConfig(**SMALL | change)))
