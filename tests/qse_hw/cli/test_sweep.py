"""A design space from its file to its reports."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from qse_hw.cli import main
from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import write_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import format_from_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.io.files import write_json
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.study import sweep_picture
from qse_hw.study.sweep import plan, schedule, stages
from qse_hw.study.sweep.spec import read_spec
from qse_hw.synth import flow
from qse_hw.synth import yosys as tools
from qse_hw.synth.cache import Cache
from qse_hw.synth.result import Area, Measured, Timing
from qse_hw.synth.targets import target
from tests.qse_hw.sweep_jobs import small_cluster

SPEC = """
unit = "encoder"
targets = ["ecp5", "ice40:up5k"]
seeds = 1
[options]
format = ["int8", "se8:L=8", "se8"]
input = ["bf16", "s16e-10"]
scale = "runtime"
arch = ["fused", "parallel"]
[objectives]
maximise = ["sqnr_db"]
minimise = ["comb", "silicon"]
"""
SMALL = SPEC.replace('"int8", "se8:L=8", "se8"', '"int8"').replace(', "parallel"', "")
ONE = """
unit = "encoder"
targets = ["ice40:up5k"]
seeds = 1
[options]
format = "int8"
input = "s8e-4"
scale = "fitted"
scale-bits = 1
counter-width = 0
pipeline = 0
[objectives]
maximise = ["worst_sqnr_db", "fmax"]
minimise = ["comb", "latency"]
"""
CELLS = ONE.replace('"ice40:up5k"', '"cells"').replace("seeds = 1", 'seeds = 1\nliberty = "a.lib"')
LIBERTY = Path(__file__).parents[2] / "synth" / "assets" / "small.lib"
PNG = b"\x89PNG\r\n\x1a\n"
NUMBER, NUMBERS = {"type": ["number", "null"]}, {"type": "array", "items": {"type": ["number", "null"]}}


def record(**properties):
    return {"type": "object", "required": list(properties), "properties": properties}


TEXT, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
SCHEMA = record(
    schema={"const": "qse-hw/sweep/1"},
    command=TEXT,
    versions={"type": "object", "additionalProperties": TEXT},
    python=TEXT,
    machine={"type": "object"},
    commit={"type": ["string", "null"]},
    spec={"type": "object"},
    activations={
        "anyOf": [
            {"type": "null"},
            record(origin=TEXT, model=TEXT, layers=COUNT, tokens=COUNT, channels=COUNT, limit_sqnr_db=NUMBERS),
        ]
    },
    targets={
        "type": "object",
        "additionalProperties": record(name=TEXT, freq=NUMBER, objectives={"type": "array", "items": TEXT}),
    },
    points={
        "type": "array",
        "minItems": 1,
        "items": record(
            name=TEXT,
            unit=TEXT,
            target=TEXT,
            options={"type": "object"},
            label=TEXT,
            parameters={"type": "object"},
            accuracy={"anyOf": [{"type": "null"}, record(sqnr_db=NUMBERS, distance_db=NUMBERS)]},
            latency=COUNT,
            initiation_interval=NUMBER,
            area=record(comb=COUNT, ff=COUNT, dsp=COUNT, bram=COUNT, silicon=NUMBER, nand2=NUMBER),
            cells={"type": "object"},
            transistors=NUMBER,
            fmax=record(seeds=NUMBERS, mhz=NUMBERS, median=NUMBER, min=NUMBER, max=NUMBER),
            critical_path={"type": "object"},
            objectives={"type": "object", "additionalProperties": NUMBER},
            front={"type": "boolean"},
        ),
    },
    skipped={"type": "array", "items": record(name=TEXT, target={"type": ["string", "null"]}, reason=TEXT)},
)


emitted = cache(emit)  # half a second each


@pytest.fixture
def sweep(tmp_path, activations):
    """Runs a SPEC; a list: the report, the page and the picture."""

    def run(text, *more, status=0, spec=tmp_path / "s.toml"):
        (tmp_path / "s.toml").write_text(text)
        out = tmp_path / "out"
        words = ["-o", str(out), "--cache", str(tmp_path / "cache"), "--activations", str(activations)]
        assert main(["sweep", str(spec), *words, *more]) == status
        if status:
            return [file.name for file in out.iterdir()] if out.exists() else []
        document = json.loads((out / "sweep.json").read_text())
        Draft202012Validator(SCHEMA).validate(document)
        assert (out / "sweep.png").read_bytes().startswith(PNG)
        assert sorted(file.name for file in out.iterdir()) == ["sweep.json", "sweep.md", "sweep.png"]
        return document

    return run


@pytest.fixture
def fake(monkeypatch):
    """No tools and no processes: areas by format and input, and what was asked for."""
    asked = []

    def measure(points, *, seeds, cache, jobs):
        assert jobs == 1  # a process per core does one thing at a time
        ((unit, place),) = [(point.unit, point.target.name) for point in points]
        asked.append((unit.config.label, place, seeds))
        if unit.config.input.name == "bf16" and place == "ice40:up5k":
            raise InputError("Unit must fit ice40:up5k")
        comb = {"int8": 40, "se8": 60}[unit.config.format.name] + (unit.config.input.name == "bf16")
        timing = {1: Timing(mhz=100.0)}
        return [Measured(unit=unit, target=place, area=Area(comb=comb, ff=1), timing=timing, transistors=None)]

    def run(function, jobs):
        for key, job in jobs.items():
            yield key, json.loads(json.dumps(function(json.loads(json.dumps(job)))))

    monkeypatch.setattr(flow, "measure", measure)
    monkeypatch.setattr(plan, "emit", emitted)
    monkeypatch.setattr(stages, "emit", emitted)
    monkeypatch.setattr(schedule, "local", run)
    monkeypatch.setattr(stages, "local", run)
    monkeypatch.setattr(tools, "check_version", lambda tool: "1")
    monkeypatch.setattr(sweep_picture, "draw", lambda path, document: path.write_bytes(PNG))  # has its own tests
    return asked


def test_a_space(sweep, fake, tmp_path, capsys):
    document = sweep(SPEC)
    assert len(fake) == 12  # parallel encoders have no run-time scale; se8:L=8 and what se8 became may be the same
    points = {(point["name"], point["target"]): point for point in document["points"]}
    assert set(points) == {(f"encoder {f} s16e-10 arch=fused", t) for f in ("int8", "se8", "se8:L=8")
                           for t in ("ecp5:45k-6", "ice40:up5k")} | {
        (f"encoder {f} bf16 arch=fused", "ecp5:45k-6") for f in ("int8", "se8", "se8:L=8")
    }  # fmt: skip
    reasons = {(one["name"].split()[-1], one["target"]): one["reason"] for one in document["skipped"]}
    assert len(document["skipped"]) == 6 + 3
    assert reasons["arch=fused", "ice40:up5k"] == "Unit must fit ice40:up5k"
    assert "constant" in reasons["arch=parallel", None]
    # no silicon on an FPGA; what is best everywhere is on the front, what is worse in both figures is not
    assert [target["objectives"] for target in document["targets"].values()] == [["sqnr_db", "comb"]] * 2
    best = max(document["points"], key=lambda point: point["objectives"]["sqnr_db"])
    assert best["front"]
    assert points["encoder int8 s16e-10 arch=fused", "ice40:up5k"]["front"]
    fixed, free = (points[f"encoder {f} bf16 arch=fused", "ecp5:45k-6"] for f in ("se8:L=8", "se8"))
    assert free["objectives"]["sqnr_db"] > fixed["objectives"]["sqnr_db"] + 0.1
    assert not fixed["front"]  # the same area
    assert format_from_json(free["parameters"]["format"]) != load_format("se8")  # what was fitted was built
    page = (tmp_path / "out" / "sweep.md").read_text()
    assert "| encoder se8:L=8 bf16 arch=fused |" in page
    assert page.count("Unit must fit ice40:up5k") == 3
    assert "Pareto front" in capsys.readouterr().out


def test_nothing_is_measured_twice(sweep, fake):
    spec = SMALL.replace('"ice40:up5k"', '"ecp5:45k-8"')
    first = sweep(spec)
    assert len(fake) == 4
    assert sweep(spec) == first
    assert len(fake) == 4
    wider = sweep(spec.replace('"bf16", ', '"bf16", "fp16", '))
    assert len(wider["points"]) == 6
    assert len(fake) == 6


def test_an_interrupted_run_goes_on(sweep, fake, monkeypatch, capsys):
    spec, whole, real = SMALL.replace('"ice40:up5k"', '"ecp5:45k-8"'), 4, flow.measure

    def interrupted(points, **more):
        if len(fake) == 3:
            raise KeyboardInterrupt
        return real(points, **more)

    monkeypatch.setattr(flow, "measure", interrupted)
    assert sweep(spec, status=130) == []
    assert len(fake) == 3
    monkeypatch.setattr(flow, "measure", real)
    assert len(sweep(spec)["points"]) == whole
    assert len(fake) == whole


def test_kinds_of_scales(sweep, fake):
    """A number is what all layers meet; runtime and fitted are each layer's own."""
    spec = SMALL.replace('"runtime"', '[0.3, "runtime", "fitted"]').replace(', "ice40:up5k"', "")
    spec = spec.replace('"bf16", "s16e-10"', '"bf16"')
    found = {point["options"]["scale"]: point for point in sweep(spec)["points"]}
    assert found["0.3"]["parameters"]["scale"] == vars(Scale.from_step(0.3))
    assert found["runtime"]["parameters"]["scale"] == "runtime"
    assert found["fitted"]["accuracy"] == found["runtime"]["accuracy"]
    assert found["0.3"]["objectives"]["sqnr_db"] < found["runtime"]["objectives"]["sqnr_db"] - 5


def test_a_calibration(sweep, fake, tmp_path, tensors, capsys):
    spec = SMALL.replace('"int8"', '"se8:L=8", "calibration"').replace(', "ice40:up5k"', "")
    spec = spec.replace('"bf16", "s16e-10"', '"bf16"')
    layers = [Layer(x=x) for x in tensors.values()]
    write_calibration(tmp_path / "c.json", calibrate(layers, "se8:L=8"))
    points = {point["name"]: point for point in sweep(spec, "--calibration", str(tmp_path / "c.json"))["points"]}
    fitted, given = (points[f"encoder {name} bf16"] for name in ("se8:L=8", "calibration"))
    assert given["parameters"] == fitted["parameters"]
    assert given["accuracy"] == fitted["accuracy"]
    assert len(fake) == 1  # it is the same unit
    before = sweep(spec)
    assert [one["reason"] for one in before["skipped"]] == ["Format calibration needs one: give --calibration FILE"]
    sweep(SPEC, "--calibration", str(tmp_path / "c.json"), status=2)
    assert json.loads((tmp_path / "out" / "sweep.json").read_text()) == before
    assert "Formats must include calibration where --calibration is given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"ice40:up5k"', '"ice40:up6k"', "Device of ice40 must be one of hx8k, up5k, not 'up6k'"),
        ('"ice40:up5k"', '"ecp5:45k-6"', "Targets must differ, not ecp5:45k-6, ecp5:45k-6"),
        ('["fused", "parallel"]', '"parallel"', "Sweep must have a point that can be built; encoder int8 bf16: "),
        ('["sqnr_db"]', "[]", "objectives/maximise: "),
    ],
)  # fmt: skip
def test_refused(sweep, fake, capsys, tmp_path, old, new, sentence):
    assert sweep(SPEC.replace(old, new), status=2) == []
    assert not (tmp_path / "out").exists()
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert sentence in said
    assert fake == []


def test_objectives_that_no_target_has(sweep, fake, capsys):
    spec = SMALL.replace('maximise = ["sqnr_db"]', "").replace('"comb", ', "")
    assert sweep(spec, status=2) == []
    assert "must include one that target ecp5:45k-6 has, not only silicon" in capsys.readouterr().err


def test_a_worker_that_would_measure_something_else(fake, monkeypatch):
    made = {"format": json.loads(json.dumps(plan.format_to_json(load_format("int8")))), "scale": "1"}
    point = flow.Point(emitted(plan.config("encoder", made)), target("ecp5"))
    job = {"unit": "encoder", "options": made, "target": {"name": "ecp5", "freq": 400.0, "liberty": None}}
    job |= {"files": {}, "seeds": 1, "cache": None, "key": plan.key(point, 1)}
    monkeypatch.setattr(tools, "check_version", lambda tool: "2")
    with pytest.raises(InputError, match=r"^Workers must have the package .*, but .* \S+ these differ: tools; install"):
        plan.measured(job)


@pytest.mark.parametrize(
    ("there", "problem"),
    [(None, "cannot be read: No such file"), (b"library", r"has SHA-256 [0-9a-f]{12}\.\.\., not 2c26b46b68ff\.\.\.;")],
)
def test_a_worker_whose_library_is_missing_or_another(tmp_path, there, problem):
    file = tmp_path / "a.lib"
    if there:
        file.write_bytes(there)
    sentence = rf"^File {file} must be on every worker .* on worker \S+ it {problem}.* copy it there$"
    with pytest.raises(InputError, match=sentence):
        plan.measured({"files": {str(file): sha256(b"foo").hexdigest()}})


def test_a_job_names_the_library_by_its_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "a.lib").write_bytes(LIBERTY.read_bytes())
    monkeypatch.chdir(tmp_path)
    files = {str(tmp_path / "a.lib"): sha256(LIBERTY.read_bytes()).hexdigest()}
    assert plan.files(target("cells", liberty=Path("a.lib"))) == files
    assert plan.files(target("ecp5")) == {}
    jobs, spec = [], tmp_path / "s.toml"
    spec.write_text(CELLS)

    def run(function, given):
        jobs.extend(given.values())
        return iter(())

    read = read_spec("s.toml")
    chosen, unit = [target("cells", liberty=read.liberty)], built()
    with pytest.raises(KeyError):  # what was not run is missing
        stages.cost(read, [unit], chosen, Cache(None), run, shared=False, report=lambda *_: None)
    assert [(job["target"]["liberty"], job["files"]) for job in jobs] == [(str(tmp_path / "a.lib"), files)]


def built():
    made = {"format": plan.format_to_json(load_format("int8")), "scale": "1", "input": "s8e-4"}
    unit = emitted(plan.config("encoder", made))
    return stages.Built(about={"name": "one", "unit": "encoder", "parameters": {}}, made=made, emitted=unit)


def test_a_worker_finds_a_library_that_lies_beside_the_spec(sweep, tmp_path, monkeypatch):
    """The workers were started in another folder than the sweep, which is told its SPEC by a relative path."""
    (tmp_path / "a.lib").write_bytes(LIBERTY.read_bytes())
    with small_cluster(1, tmp_path / "dask") as found:
        monkeypatch.chdir(tmp_path)
        there = sweep(CELLS, "--scheduler", found.scheduler_address, spec="s.toml")
    (point,) = there["points"]
    assert point["area"]["silicon"] > 10


def test_a_format_file_lies_beside_the_spec(sweep, fake, tmp_path):
    """As the Liberty file does: where the sweep was started does not matter, where the SPEC lies does."""
    write_json(tmp_path / "mine.json", plan.format_to_json(load_format("se8:L=12")))
    spec = SMALL.replace('"int8"', '"mine.json"')
    first = sweep(spec)
    assert {point["options"]["format"] for point in first["points"]} == {"mine.json"}
    assert {point["parameters"]["format"]["name"] for point in first["points"]} == {"se8"}
    count = len(fake)
    write_json(tmp_path / "mine.json", plan.format_to_json(load_format("se8:L=13")))
    second = sweep(spec)
    assert len(fake) > count, "another format under the same name is measured anew"
    assert second["points"][0]["accuracy"] != first["points"][0]["accuracy"]


@pytest.mark.full
def test_on_a_real_cluster(sweep, tmp_path, monkeypatch):
    """One point with the real tools, first by a worker; then it is known, and nothing runs."""
    with small_cluster(1, tmp_path / "dask") as found:
        there = sweep(ONE, "--scheduler", found.scheduler_address)
    (point,) = there["points"]
    assert point["front"]
    assert point["area"]["comb"] > 10
    assert point["fmax"]["median"] > 10
    monkeypatch.setattr(flow, "measure", None)
    assert sweep(ONE) == there


@pytest.mark.full
def test_a_cluster_measures_what_this_machine_does(sweep, tmp_path):
    spec = ONE.replace('"int8"', '["int8", "se8:L=8", "int8-asym"]').replace("seeds = 1", "seeds = 2")
    here = sweep(spec)
    with small_cluster(2, tmp_path / "dask") as found:
        there = sweep(spec, "--scheduler", found.scheduler_address, "--cache", str(tmp_path / "other"))
    assert there == here
