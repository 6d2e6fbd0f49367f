"""Replays through a real simulator: every 16-bit pattern passes, and every kind of fault is found."""

import json
import math
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import from_patterns, to_patterns
from qse_hw.rtl_gen.decoder import Decoder
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.packing import unpack
from qse_hw.sim.replay import replay as module
from qse_hw.sim.replay.plan import PLAN_VARIABLE, Plan
from qse_hw.sim.replay.replay import RUNS, SEED, measure_naive, replay
from tests.golden.formats import oracles
from tests.rtl_gen.bench import used
from tests.sim.faulty import FAULTS, faulty_top
from tests.sim.replay.test_plan import OUTCOME
from tests.simulators import icarus


def choice(name, step, bits=16):
    return LayerCalibration(format=oracles.make(name), scale=Scale.from_step(step, bits), sqnr_db=math.nan)


def every_value(input_name):
    """Every value of a 16-bit type, as the float32 tensor that a replay takes; its patterns come back from it.

    (But for signalling NaNs, which floating-point conversions make quiet.)
    """
    input, patterns = input_type(input_name), np.arange(1 << 16, dtype=np.uint32)
    x = from_patterns(patterns, input).astype(np.float32)
    x = x * np.float32(2.0**input.exponent) if not input.is_float else x
    sent, nan = to_patterns(x, input), np.isnan(x)
    assert (sent[~nan] == patterns[~nan]).all()
    assert np.isnan(from_patterns(sent[nan], input).astype(np.float32)).all()
    return x


def latency_of(name, input_name):
    return used(EncoderConfig(format=oracles.make(name), input=input_type(input_name)).component()).latency


def check_every_value(name, input_name, simulator, lanes, steps, stride=1):
    x = every_value(input_name)[::stride]
    tensors = {f"{step}": x for step in steps}
    choices = {f"{step}": choice(name, step) for step in steps}
    outcomes = replay(tensors, choices, input=input_type(input_name), lanes=lanes, simulator=simulator)
    assert [outcome.run for outcome in outcomes] == [name for name, _ in RUNS]
    for outcome in outcomes:
        assert (outcome.mismatches, outcome.first) == (0, "")
        assert outcome.values == x.size * len(steps)
    beats = len(steps) * x.size // lanes
    latency = latency_of(name, input_name) + Decoder.latency
    assert outcomes[0].cycles == beats + latency  # initiation interval 1
    assert outcomes[1].cycles > 1.5 * beats


@pytest.mark.full
@pytest.mark.parametrize(("name", "input_name", "step"), [("se8", "fp16", 0.0176), ("se9-paper", "s16", 150.0)])
def test_every_pattern(name, input_name, step):
    check_every_value(name, input_name, "verilator", 16, [step])


@pytest.mark.full
def test_the_benchmark_s_baseline(monkeypatch):
    """It measures where it agrees with golden, and fails where not: here beside an encoder of another format."""
    x = np.linspace(-3, 3, 40, dtype=np.float32)[None]
    assert 0 < measure_naive(x, choice("se8", 0.02), input=input_type("fp32")) < math.inf
    monkeypatch.setattr(module, "emit", lambda config: emit(replace(config, format=oracles.make("se8:L=12"))))
    with pytest.raises(RuntimeError, match=r"^the baseline failed"):
        measure_naive(x, choice("se8", 0.02), input=input_type("fp32"))


@pytest.mark.full(12)
@pytest.mark.parametrize("name", oracles.SHIPPED)
@pytest.mark.parametrize("input_name", ["fp16", "bf16", "s16", "s16e-8"])
def test_every_pattern_of_every_format(name, input_name):
    unit = 1.0 if input_type(input_name).is_float else 2.0 ** (13 + input_type(input_name).exponent)
    steps = [unit * step for step in (0.0039, 0.0176, 0.5, 2.0**-70)]
    check_every_value(name, input_name, "verilator", 256, steps)


@pytest.mark.full
@pytest.mark.parametrize("simulator", [icarus])
@pytest.mark.parametrize("name", ["int8", "se8-silu"])
def test_every_16th_pattern_with_icarus(name, simulator):
    check_every_value(name, "fp16", simulator, 16, [0.0176], stride=16)


def tensors(rng):
    """Three, of odd sizes, with saturation, infinities and NaNs; and one that is empty."""
    normal = {f"layer {n}": rng.normal(0, 2, (7, 11 + n)).astype(np.float32) for n in range(3)}
    normal["layer 1"][2, :3] = [np.inf, -np.inf, np.nan]
    return normal | {"empty": np.zeros((0, 5), np.float32)}


@pytest.fixture(scope="module", params=[pytest.param("verilator", marks=pytest.mark.full), icarus])
def faults(request):
    """One pass per fault through one model: {fault: outcome}, and the reported progress."""
    activations = tensors(np.random.default_rng(5))
    # the middle one's scale has another width and value
    choices = {name: choice("se8", 0.0176 if name != "layer 1" else 0.04, 16 if name != "layer 1" else 8)
               for name in activations}  # fmt: skip
    runs = tuple((name, 11 if waits else None) for name, (_, waits) in FAULTS.items())
    progress = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.top, "top", faulty_top)
        patch.setattr(module.simulate, "build", partial(module.simulate.build, short=True))
        outcomes = replay(
            activations, choices, input=input_type("bf16"), lanes=4, simulator=request.param, counter_width=8,
            runs=runs, progress=lambda what, fraction: progress.append((what, fraction)),
        )  # fmt: skip
    assert [outcome.run for outcome in outcomes] == [*FAULTS]
    by_run = {outcome.run: outcome for outcome in outcomes}
    return request.param, by_run, progress, sum(x.size for x in activations.values())


COUNTS = (
    "wrong_codes", "wrong_values", "missing", "extra", "unknown", "violations", "wrong_inputs", "wrong_flags"
)  # fmt: skip


def test_faults(faults):
    """Each fault is found, in the field that is meant for it; a faultless pass, before and after, has none."""
    simulator, outcomes, progress, size = faults
    for name, (meant, _) in FAULTS.items():
        field = "wrong_values" if (name, simulator) == ("unknown value", "verilator") else meant
        outcome = outcomes[name]
        if not field:
            assert (outcome.mismatches, outcome.first, outcome.values) == (0, "", size)
            continue
        assert getattr(outcome, field) > 0, name
        assert outcome.mismatches > 0, name
        assert outcome.values >= 0, name
        if field != "violations":
            assert outcome.first, name

    def only(name, **counts):
        counted = {count: getattr(outcomes[name], count) for count in COUNTS}
        assert counted == dict.fromkeys(COUNTS, 0) | counts, name

    beats = outcomes["silent"].missing
    only("code bit", wrong_codes=1, wrong_values=1)
    only("value bit", wrong_values=1)
    if simulator == "icarus":
        assert outcomes["unknown value"].unknown == 1
    only("silent", missing=beats)
    only("withdrawn", violations=outcomes["withdrawn"].violations)
    only("saturation count", wrong_flags=1)
    only("nan flag", wrong_flags=1)
    only("saturated flag", wrong_flags=1)
    only("invalid flag", wrong_flags=1)
    assert outcomes["dropped beat"].missing == 2  # at the encoder's output and so at the decoder's
    assert outcomes["repeated beat"].extra == 2
    assert outcomes["code bit"].first.startswith("code, beat 5, lane 0: ")
    assert outcomes["value bit"].first.startswith("value, beat 5, lane 0: ")
    assert "saturation_count is" in outcomes["saturation count"].first
    assert outcomes["silent"].first == f"value: 0 beats, not {beats}"
    # nothing went in, nothing was expected to come out, all of it is missing at the input
    assert outcomes["accepts nothing"].wrong_inputs == beats
    assert max(outcome.cycles for outcome in outcomes.values()) < 10 * beats + 1500
    whats = list(dict.fromkeys(what for what, _ in progress))
    assert whats == [f"{verb} se8, layer 0 to empty" for verb in ("generating", "compiling", "replaying")]
    assert all(0 <= fraction <= 1 for _, fraction in progress)


@pytest.fixture
def no_simulator(monkeypatch):
    """Nothing is compiled; every pass of a run is reported as a line in the result file."""
    plans = []

    def run(module_name, top, folder, simulator, environment, tick, wave):
        plan = Plan.read(Path(environment[PLAN_VARIABLE]))
        plans.append((plan, {path.name for path in folder.iterdir()}, [np.load(t.file) for t in plan.tensors]))
        tick()
        for n, (name, _) in enumerate(plan.runs):
            Path(plan.progress).write_text(f"{n / 10}")
            tick()
            with Path(plan.result).open("a") as file:
                file.write(json.dumps(asdict(OUTCOME) | {"run": name}) + "\n")

    monkeypatch.setattr(module.simulate, "build", lambda *arguments: None)
    monkeypatch.setattr(module.simulate, "run", run)
    return plans


def test_one_simulation_per_format(no_simulator):
    activations = {name: np.full((2, 3), n, np.float32) for n, name in enumerate("abc")}
    choices = {"a": choice("se8", 0.1), "b": choice("int8", 0.2), "c": choice("se8", 0.3, 8)}
    progress = []
    outcomes = replay(
        activations, choices, input=input_type("fp16"), lanes=4, simulator="verilator", counter_width=0,
        progress=lambda *what: progress.append(what),
    )  # fmt: skip
    assert [outcome.run for outcome in outcomes] == [name for name, _ in RUNS] * 2
    (first, files, inputs), (second, _, _) = no_simulator
    assert [[tensor.name for tensor in plan.tensors] for plan in (first, second)] == [["a", "c"], ["b"]]
    assert [plan.format.name for plan in (first, second)] == ["se8", "int8"]
    assert first.runs == RUNS == (("full speed", None), ("random stalls", SEED))
    assert {"encoder.v", "decoder.v", "replay_top.v", "lanes.vlt", "plan.json"} <= files
    assert [tensor.values for tensor in first.tensors] == [6, 6]
    assert [unpack(x, 16, 4).tolist() for x in inputs] == [[[0] * 4, [0] * 4], [[0x4000] * 4, [0x4000] * 2 + [0] * 2]]
    scales = [tensor.scale for tensor in first.tensors]
    assert [scale.bits for scale in scales] == [16, 16]  # one width of port for all
    assert [scale.reciprocal for scale in scales] == [choices[name].scale.reciprocal for name in "ac"]
    assert [what for what, _ in progress[:2]] == ["generating se8, a to c", "compiling se8, a to c"]
    assert [round(fraction, 3) for what, fraction in progress if what == "replaying int8, b"] == [0, 0, 0.55]


def test_icarus_gets_no_file_that_only_verilator_reads(no_simulator):
    replay({"x": np.ones(3, np.float32)}, {"x": choice("se8", 1)}, input=input_type("s8"), lanes=1, simulator="icarus")
    assert "lanes.vlt" not in no_simulator[0][1]


def test_models_of_cells_are_compiled_along(no_simulator, monkeypatch):
    built = []
    monkeypatch.setattr(module.simulate, "build", lambda sources, *_: built.extend(path.name for path in sources))
    replay(
        {"x": np.ones(3, np.float32)}, {"x": choice("se8", 1)}, input=input_type("s8"), lanes=1, simulator="icarus",
        build=lambda config: replace(emit(config), models={"CELL.v": "module CELL;"}),
    )  # fmt: skip
    assert built == ["encoder.v", "decoder.v", "CELL.v", "replay_top.v"]


@pytest.mark.full
def test_one_wave_per_format(no_simulator, tmp_path, monkeypatch):
    waves = []

    def build(sources, top, folder, simulator, wave):
        wave.path.write_text(f"of {wave.kind}, {len(waves)}")
        waves.append(wave)

    monkeypatch.setattr(module.simulate, "build", build)
    choices = {"a": choice("se8", 0.1), "b": choice("int8", 0.2), "c": choice("se8", 0.3, 8)}
    activations = {name: np.ones((2, 3), np.float32) for name in "abc"}
    replay(
        activations, choices, input=input_type("fp16"), lanes=4, simulator="verilator", wave=tmp_path / "new" / "w.vcd"
    )
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == {
        "w.vcd": "of vcd, 0", "w-2.vcd": "of vcd, 1",
    }  # fmt: skip
    assert all(wave.path.is_absolute() for wave in waves)


def test_a_crash_leaves_no_wave(no_simulator, tmp_path, monkeypatch):
    def crash(sources, top, folder, simulator, wave):
        wave.path.write_text("half of it")
        raise RuntimeError("out of order")

    monkeypatch.setattr(module.simulate, "build", crash)
    with pytest.raises(RuntimeError, match="out of order"):
        replay(
            {"x": np.ones(3)}, {"x": choice("se8", 1)}, input=input_type("s8"), lanes=1, simulator="icarus",
            wave=tmp_path / "w.vcd",
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_pass_that_reports_nothing_is_an_error(no_simulator, monkeypatch):
    def crash(module_name, top, folder, *others):
        (folder / "run.log").write_text("all was well\nthen it was not\n")

    monkeypatch.setattr(module.simulate, "run", crash)
    with pytest.raises(RuntimeError, match=r"^0 of 2 passes reported\nall was well\nthen it was not$"):
        replay({"x": np.ones(3)}, {"x": choice("se8", 1)}, input=input_type("s8"), lanes=1, simulator="verilator")
