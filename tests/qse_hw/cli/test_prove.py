import json
from dataclasses import replace

import pytest

from qse_hw.cli import main
from qse_hw.golden.formats.presets import format_to_json
from qse_hw.synth import formal
from qse_hw.synth.formal import PROVED
from qse_hw.synth.formal.task import Result
from tests.synth.formal.units import TINY, decoder


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(format_to_json(TINY)))
    return path


@pytest.fixture
def fake(monkeypatch):
    """No task is run; all pass except the named ones."""
    runs = []

    def run_all(tasks, folder, jobs, progress, timeout):
        assert folder.is_dir()
        for task in tasks:
            status = fake.status if task.name in fake.failing else "PASS"
            passed = status == "PASS"
            runs.append(
                Result(task=task, passed=passed, status=status, seconds=1.0, failed=fake.labels, tail="the log")
            )
            progress(runs[-1])
        return runs

    def fake(*failing, status="FAIL", labels=()):
        fake.failing, fake.status, fake.labels = failing, status, labels
        return runs

    fake()
    monkeypatch.setattr("qse_hw.synth.formal.task.run_all", run_all)
    return fake


@pytest.mark.full
def test_of_the_users_own_format(tiny, out, capsys):
    file, folder = out / "r.json", out / "jobs"
    argv = ["prove", "decoder", "--format", str(tiny), "--property", "value"]
    assert main([*argv, "--json", str(file), "--keep", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "decoder tiny" in said
    assert "proved" in said
    assert "Why the bound of value suffices: Registers begin with any contents" in said
    document = json.loads(file.read_text())
    assert document["schema"] == "qse-hw/evidence/1"
    assert document["passed"] is True
    assert document["figures"] | {"longest_seconds": 0} == {
        "proofs": 1, "shown": 1, "units": 1, "properties": 1, "unbounded": 0, "longest_seconds": 0,
    }  # fmt: skip
    (item,) = document["items"]
    assert (item["property"], item["how"], item["status"]) == ("value", "bounded, 4 cycles", "PASS")
    assert (folder / "1" / "value" / "task.sby").read_text().startswith("# value\n# Every code, redundant ones too")


def test_all_properties_of_a_unit(fake, capsys):
    runs = fake()
    assert main(["prove", "decoder", "--format", "se8"]) == 0
    assert [result.task.name for result in runs] == [task.name for task in formal.tasks(decoder(replace(TINY)))]
    assert {"hold", "value", "cover"} <= {result.task.name for result in runs}


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("status", "word"), [("FAIL", "fails: value_0"), ("UNKNOWN", "the log"), ("TIMEOUT", "the log")]
)
def test_what_is_not_shown_is_told(fake, capsys, out, status, word):
    fake("value", status=status, labels=("value_0",) if status == "FAIL" else ())
    with pytest.raises(SystemExit, match=r"^1 of \d+ not shown$"):
        main(["prove", "decoder", "--format", "se8", "--json", str(out / "r.json")])
    said = capsys.readouterr().out
    assert status in said
    assert word in said
    document = json.loads((out / "r.json").read_text())
    assert document["passed"] is False
    assert [item["property"] for item in document["items"] if not item["passed"]] == ["value"]


def test_faults_that_are_not_caught(fake, capsys):
    fake()
    with pytest.raises(SystemExit, match="not shown"):
        main(["prove", "decoder", "--format", "se8", "--faults", "--property", "value"])
    assert "NOT CAUGHT by value_0" in capsys.readouterr().out


def test_faults(fake, capsys):
    fake("value", labels=("value_0", "invalid_flag"))
    assert main(["prove", "decoder", "--format", "se8", "--faults", "--property", "value"]) == 0
    said = capsys.readouterr().out
    assert "a code is taken for another" in said
    assert "caught by value_0" in said


@pytest.mark.full
def test_the_quick_list(fake):
    runs = fake()
    assert main(["prove", "--all", "--quick"]) == 0
    assert {"code", "value", "equivalent", "cover"} <= {result.task.name for result in runs}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "Unit must be given, or --all for the standard list, not both"),
        (["--all", "decoder", "--format", "se8"], "Unit must be given, or --all"),
        (["--quick", "decoder", "--format", "se8"], "Quick must be given with --all only"),
        (["--all", "--jobs", "0"], "Jobs must be 1 to 1000, not 0"),
        (["decoder", "--format", "se8", "--timeout", "-1"], "Timeout must be 1 to 1000000, not -1"),
        (["decoder", "--format", "se8", "--property", "beauty"], "Property must be one of cover, hold, "),
        (["decoder", "--format", "se7"], "Format must be one of"),
        (["adder"], "Unit must be one of"),
        (["hadamard", "--size", "4"], f"Unit must be one of {', '.join(PROVED)}, not 'hadamard'"),
        (
            ["matvec", "--sizes", "4", "--rows", "1", "--columns", "1", "--faults"],
            "Unit matvec has no faulty variant with these options; leave out --faults",
        ),
    ],
)
def test_bad_input(refused, argv, message):
    assert message in refused("prove", *argv)


def test_the_folder_must_be_empty(tmp_path, refused):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("")
    message = refused("prove", "decoder", "--format", "se8", "--keep", tmp_path / "kept")
    assert message.endswith("must be new or empty; choose another place")


def test_no_place_for_the_results(out, refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("prove", "decoder", "--format", "se8", "--json", tmp_path / "file" / "r.json")
