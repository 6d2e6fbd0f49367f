"""A sweep from its SPEC to its checked reports, with the real tools or without any."""

import json

import pytest
from jsonschema import Draft202012Validator

from qse_hw.cli import main
from qse_hw.golden.errors import InputError
from qse_hw.study import sweep_picture
from qse_hw.study.sweep import plan, schedule, stages
from qse_hw.synth import flow
from qse_hw.synth import yosys as tools
from qse_hw.synth.result import Area, Measured, Timing
from tests.qse_hw.cli.sweep.specs import emitted

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


@pytest.fixture
def sweep(tmp_path, activations):
    """Run a SPEC; returns the report, or if the command must fail the names of the files in the output folder."""

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
    """Without tools and processes: areas depend on format and input; returns the list of measurements."""
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
