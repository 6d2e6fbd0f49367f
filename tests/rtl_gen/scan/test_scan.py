"""The scan, in Amaranth's simulator, against the scalar model: shapes, sequences, resets, real layers, constructor."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.parameters import model_parameters
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, load_model
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.golden.reference.scan import scan_scalar
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.scan.scan import FLAGS, Scan
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.sim.cycle.scan import ScanModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record
from tests.golden.models.integer import small
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.bench import simulate as run_bench
from tests.rtl_gen.scan.real import scans_of, unit_for
from tests.sim.cycle.scan_stimuli import job, payloads_of, results, stimulus


def outputs(unit, given):
    """What the scalar model makes of a job: outputs (tokens, channels), which of the flags are set."""
    per_layer, rows, flags, states = unit.channels // unit.layers, [], [False] * 3, {}
    for token, number in enumerate(given.sequence.tolist()):
        if given.first[token]:
            states[number] = [[0] * unit.states for _ in range(unit.channels)]
        h, row = states[number], []
        for c in range(unit.channels):
            B, C = (part[token, c // per_layer].tolist() for part in (given.B, given.C))
            x, delta = int(given.x[token, c]), int(given.delta[token, c])
            one = scan_scalar(x, delta, h[c], B, C, given.parameters, c, unit.widths)
            row.append(one.y)
            flags = [flag | now for flag, now in zip(flags, one[1:], strict=True)]
        rows.append(row)
    return rows, dict(zip(FLAGS, flags, strict=True))


SHAPES = [  # channels, layers, states, lanes, x, D, A, state, shift
    (7, 1, 1, 1, 16, 35, 16, 16, 5),
    (3, 3, 6, 2, 2, 2, 2, 16, 15),
    (10, 2, 3, 3, 9, 20, 18, 19, 0),
    (2, 1, 10, 2, 13, 32, 14, 24, 4),
]
NAMES = ("channels", "layers", "states", "lanes", "x_bits", "d_bits", "a_bits", "state_bits", "decay_shift")


@pytest.mark.every(8)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_under_stalls(shape, target, rng):
    chosen = dict(zip(NAMES, shape, strict=True))
    if target == "ecp5":
        chosen["channels"] *= 2  # the memory is written later
    unit = ScanConfig(**chosen, target=target)
    given = job(rng, unit, 3, first=np.isin(np.arange(3), (0, 2)))
    trace = simulate(unit.component(), stimulus(rng, unit, [given], seed=91))
    want, flags = outputs(unit, given)
    assert results(unit, trace).tolist() == want
    assert {name: trace[name].any() for name in FLAGS} == flags


@pytest.mark.every(2)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
def test_the_ends_of_every_range(target, rng):
    """The largest of everything, both signs; no total wraps, states stay at their ends."""
    unit = ScanConfig(channels=9, states=2, lanes=2, target=target)
    given = job(rng, unit, 6, first=np.arange(6) == 0)
    signs = rng.choice((0, 1), (4, 6, 9))
    parameters = given.parameters._replace(
        M=np.full(9, 65535), k=np.array([0, 63, 20, 33, 34, 35, 33, 33, 32]),
        inflow_shift=np.array([0, 31, 31, 15, 15, 0, 1, 30, 2]),
        output_shift=np.array([0, 0, 31, 15, 30, 31, 31, 16, 29]),
        D=np.where(np.arange(9) % 2, -1 << 31, (1 << 31) - 1), A=np.resize([0, 1, 65535], (9, 2)),
    )  # fmt: skip
    ends = np.array([-1 << 15, (1 << 15) - 1])
    given = given._replace(
        parameters=parameters, x=ends[signs[0]], delta=np.array([1, (1 << 18) - 1])[signs[1]],
        B=ends[signs[2, :, None, :2]], C=ends[signs[3, :, None, :2]],
    )  # fmt: skip
    trace = simulate(unit.component(), stimulus(rng, unit, [given]))
    want, flags = outputs(unit, given)
    assert results(unit, trace).tolist() == want
    assert all(flags.values())
    assert {name: trace[name].any() for name in FLAGS} == flags


def test_two_sequences_in_a_row_equal_two_fresh_starts(rng):
    unit = ScanConfig(channels=7, states=2, lanes=2)
    both = job(rng, unit, 7, first=np.isin(np.arange(7), (0, 3)))

    def made(tokens):
        return results(unit, ScanModel(unit).run(stimulus(rng, unit, [both.of(tokens)])))

    whole = results(unit, simulate(unit.component(), stimulus(rng, unit, [both])))
    np.testing.assert_array_equal(whole, np.concatenate([made(slice(0, 3)), made(slice(3, 7))]))


@pytest.mark.full
@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("sequences", "target", "sizes"),
    [(3, "generic", {"channels": 7, "states": 1}), (2, "ecp5", {"channels": 6, "states": 4, "lanes": 2, "layers": 2}),
     (4, "generic", {"channels": 4, "states": 6, "lanes": 3, "layers": 2})],
)  # fmt: skip
def test_mixed_sequences_equal_each_alone(sequences, target, sizes, rng):
    """A token of the fewest groups, too. Some sequences begin again while others go on. The model equals the unit."""
    unit = ScanConfig(**sizes, sequences=sequences, target=target)
    given = job(rng, unit, 4 * sequences, first=rng.random(4 * sequences) < 0.2)
    offered = stimulus(rng, unit, [given], seed=93)
    trace = simulate(unit.component(), offered)
    assert first_difference(ScanModel(unit).run(offered), trace) == ""
    made, alone = results(unit, trace), replace(unit, sequences=1)
    assert set(given.sequence) == set(range(sequences))
    for number in range(sequences):
        own = given.sequence == number
        assert made[own].tolist() == outputs(alone, given.of(own))[0]


@pytest.mark.parametrize("sequences", [1, 2])
def test_a_reset_within_a_token(sequences, rng):
    """The next beat is a token's first again, the next coefficients a set's; nothing of before leaves or is stored.
    A sequence whose token was not inside goes on."""
    unit = ScanConfig(channels=4, states=4, lanes=2, sequences=sequences)
    given = job(rng, unit, 4, first=np.array([True, False, True, False]))
    if sequences == 2:
        given = given._replace(sequence=np.array([0, 1, 0, 1]), first=np.array([True, True, False, True]))
    dut, left = unit.component(), []
    beats = unit.channel_beats(given.x, given.delta, given.first, given.sequence)
    coefficients = unit.coefficient_beats(given.B, given.C)

    async def process(ctx, rst):
        for name, rows in payloads_of(unit, given.parameters).items():
            port = getattr(dut, name)
            ctx.set(port.valid, 1)
            for row in rows:
                ctx.set(port.payload.as_value(), int.from_bytes(row.tobytes(), "little"))
                await ctx.tick()
            ctx.set(port.valid, 0)
        ctx.set(dut.o.ready, 1)

        async def send(beats, words, cycles):
            streams = [(dut.i, list(beats)), (dut.coefficients, list(words))]
            for _ in range(cycles):
                for port, waiting in streams:
                    ctx.set(port.valid, bool(waiting))
                    if waiting:
                        ctx.set(port.payload.as_value(), waiting[0])
                for port, waiting in streams:
                    if waiting and ctx.get(port.ready):
                        waiting.pop(0)
                if ctx.get(dut.o.valid):
                    left.append(ctx.get(dut.o.payload))
                await ctx.tick()

        await send(beats[:7], coefficients[:5], 43)  # within a channel's groups and within a set
        ctx.set(rst, 1)
        await ctx.tick()
        ctx.set(rst, 0)
        left.clear()
        await send(beats[8:], coefficients[4:], 120)

    run_bench(dut, process)
    want, _ = outputs(unit, given)
    assert left == [value for token in want[2:] for value in token]


@pytest.mark.full
@pytest.mark.parametrize("rough", [False, True])
def test_layers_of_a_small_model(rough, rng, monkeypatch):
    """Both layers of it; with rough formats, flow, states and outputs saturate."""
    formats = small.rough(small.formats(local_bits=16)) if rough else small.formats(local_bits=8)
    parameters = model_parameters(small.model(), formats)
    chosen = list(range(0, 48, 12))
    unit = unit_for(parameters.layers, len(chosen), 4)
    scans = scans_of(parameters, small.text().numpy()[:5], chosen, unit.widths, monkeypatch)
    assert ({"inflow", "state", "scan"} <= scans.saturated) == rough
    trace = simulate(unit.component(), stimulus(rng, unit, [scans.job]))
    np.testing.assert_array_equal(results(unit, trace), scans.outputs)


@pytest.mark.full
@pytest.mark.parametrize("bits", [8, 16])
def test_layers_of_the_bundled_model(bits, rng, monkeypatch, tmp_path):
    """Channels of all six, on ecp5 and in Verilog, too; the model equals it at every port."""
    model, text = load_model(BUNDLED), read_text(BUNDLED.parent / "text" / "calibration.txt").ids
    parameters = model_parameters(model, calibrate_integer(model, text, tokens=512, options=Options(local_bits=bits)))
    chosen = list(range(0, 512, 32))
    unit = unit_for(parameters.layers, len(chosen), 4, target="ecp5")
    scans = scans_of(parameters, text[:6].numpy(), chosen, unit.widths, monkeypatch)
    given = stimulus(rng, unit, [scans.job], seed=92)
    trace = record(emit(unit), given, folder=tmp_path, simulator="verilator")
    np.testing.assert_array_equal(results(unit, trace), scans.outputs)
    np.testing.assert_array_equal(results(unit, ScanModel(unit).run(given)), scans.outputs)


def test_ports():
    dut = used(Scan(ScanConfig(channels=12, states=6, lanes=3, x_bits=9, d_bits=20, a_bits=7)))
    names = ["clear", "coefficients", "decays", "i", "inflow_saturated", "o", "parameters", "scan_saturated"]
    assert sorted(dut.signature.members) == [*names, "state_saturated"]
    assert len(dut.i.payload.as_value()) == 9 + 18 + 1
    assert len(dut.o.payload) == 16
    assert len(dut.coefficients.payload.as_value()) == 2 * 3 * 16
    assert len(dut.parameters.payload.as_value()) == 4 + 16 + 6 + 5 + 5 + 20
    assert len(dut.decays.payload.as_value()) == 5 + 3 * 7
    assert len(used(Scan(ScanConfig(channels=12, sequences=5))).i.payload.as_value()) == 16 + 18 + 1 + 3


@pytest.mark.every(3)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("state_bits", [16, 18, 19, 24])
def test_the_fewest_channels(state_bits, target):
    """As the schedule has them: one channel less is refused."""
    some = ScanConfig(channels=64, states=2, lanes=2, state_bits=state_bits, target=target)
    least = some.facts()["least_channels"]
    assert used(some.component()).least_groups == some.least_groups == least
    replace(some, channels=least)
    text = f"Channels must be at least {least}, so that a state is written before the next token reads it, not"
    refused(InputError, text, lambda: replace(some, channels=least - 1))


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lanes": 5}, "Lanes must divide the 16 states, not be 5"),
        ({"layers": 5}, "Channels must be a multiple of the 5 layers, not 12"),
        ({"state_bits": 15}, "State bits must be from 16 to 24, not 15"),
        ({"x_bits": 17}, "X bits must be from 2 to 16, not 17"),
        ({"d_bits": 36}, "D bits must be from 2 to 35, not 36"),
        ({"a_bits": 19}, "A bits must be from 2 to 18, not 19"),
        ({"decay_shift": 16}, "Decay shift must be from 0 to 15, not 16"),
        ({"sequences": 0}, "Sequences must be from 1 to 256, not 0"),
        (
            {"channels": 8192, "sequences": 129},
            "Sequences must be at most 128, so that the memory of states has at most 16,777,216 words, not 129; keep "
            "fewer sequences, or take more lanes",
        ),
        ({"target": "asic"}, "Target must be one of generic, ecp5, not 'asic'"),
    ],
)
def test_refused(change, text):
    refused(InputError, text, lambda: Scan(ScanConfig(**{"channels": 12} | change)))
