"""Sweeps on the workers of a cluster, which must have the same package, tools and libraries."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.study.sweep import plan, stages
from qse_hw.study.sweep.spec import read_spec
from qse_hw.synth import flow
from qse_hw.synth import yosys as tools
from qse_hw.synth.cache import Cache
from qse_hw.synth.targets import target
from tests.qse_hw.cli.sweep.specs import CELLS, LIBERTY, ONE, built, emitted
from tests.qse_hw.sweep_jobs import small_cluster


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


def test_a_worker_finds_a_library_that_lies_beside_the_spec(sweep, tmp_path, monkeypatch):
    """The workers were started in another folder than the sweep, and the SPEC is given by a relative path."""
    (tmp_path / "a.lib").write_bytes(LIBERTY.read_bytes())
    with small_cluster(1, tmp_path / "dask") as cluster:
        monkeypatch.chdir(tmp_path)
        there = sweep(CELLS, "--scheduler", cluster.scheduler_address, spec="s.toml")
    (point,) = there["points"]
    assert point["area"]["silicon"] > 10


@pytest.mark.full
def test_on_a_real_cluster(sweep, tmp_path, monkeypatch):
    """A worker measures one point with the real tools; a second sweep takes it from the cache and runs nothing."""
    with small_cluster(1, tmp_path / "dask") as cluster:
        there = sweep(ONE, "--scheduler", cluster.scheduler_address)
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
    with small_cluster(2, tmp_path / "dask") as cluster:
        there = sweep(spec, "--scheduler", cluster.scheduler_address, "--cache", str(tmp_path / "other"))
    assert there == here
