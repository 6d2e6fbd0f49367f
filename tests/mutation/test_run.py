"""The command on a toy tree: counts, files, resumption, refusals."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.mutation import run
from tests.mutation.mutants import mutants

TOY = "def twice(n: int) -> int:\n    return 2 * n\n\n\ndef untested(n: int) -> int:\n    return n + 1\n"
TEST = "from qse_hw.golden.toy import twice\n\n\ndef test_twice():\n    assert twice(3) == 6\n"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A tree of its own, and the mutants of ``untested`` there."""
    root = tmp_path / "root"
    for name, text in {
        "qse_hw/__init__.py": "",
        "golden/__init__.py": "",
        "golden/toy.py": TOY,
        "rtl_gen/__init__.py": "",
        "tests/__init__.py": "",
        "tests/golden/__init__.py": "",
        "tests/golden/test_toy.py": TEST,
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n',
        "equivalent.toml": "equivalent = []\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shutil.copy(Path(__file__).parents[1] / "conftest.py", root / "tests")
    monkeypatch.setattr(run, "ROOT", root)
    monkeypatch.setattr(run, "BUILD", root / "build")
    monkeypatch.setattr(run, "EQUIVALENT", root / "equivalent.toml")
    return root


def explain(root, keys):
    rows = "".join(f'  {{ key = "{key}" }},\n' for key in keys)
    (root / "equivalent.toml").write_text(f'[[equivalent]]\nreason = "it is a toy"\nmutants = [\n{rows}]\n')


@pytest.mark.full
def test_the_command(toy, capsys):
    arguments = ["--modules", "golden/toy.py", "-o", str(toy / "out.json")]
    assert run.main(arguments) == 1, "the score is below the goal"
    document = json.loads((toy / "out.json").read_text())
    (item,) = document["items"]
    assert item == {
        "what": "golden/toy.py", "mutants": 4, "killed": 2, "timed_out": 0, "equivalent": 0, "survived": 2,
        "mistaken": 0, "score": 0.5, "goal": 0.95, "passed": False,
    }  # fmt: skip
    assert not document["passed"]
    listed = (toy / "build" / "survivors.txt").read_text()
    survivors = [mutant for mutant in mutants("golden/toy.py", TOY) if mutant.place == "untested"]
    assert len(survivors) == 2
    for mutant in survivors:
        assert f"{mutant.key} golden/toy.py untested\n{mutant.diff}\n" in listed

    explain(toy, [mutant.key for mutant in survivors])
    kept = (toy / "build" / "results-golden.jsonl").read_text()
    assert run.main(arguments) == 0
    assert (toy / "build" / "results-golden.jsonl").read_text() == kept, "nothing was run again"
    assert json.loads((toy / "out.json").read_text())["items"][0]["equivalent"] == 2

    explain(toy, [mutant.key for mutant in mutants("golden/toy.py", TOY)])
    assert run.main(arguments) == 1, "a mutant that a test fails for is not equivalent"
    assert json.loads((toy / "out.json").read_text())["items"][0]["mistaken"] == 2
    out = capsys.readouterr().out
    assert "golden/toy.py: " in out
    assert "golden/toy.py: not reached: 50.0% is below the goal of 95%" in out


@pytest.mark.full
def test_the_generator_has_a_goal_that_it_can_miss(toy, capsys):
    for place in ("", "tests/"):
        shutil.copytree(toy / place / "golden", toy / place / "rtl_gen", dirs_exist_ok=True)
    test = toy / "tests" / "rtl_gen" / "test_toy.py"
    test.write_text(TEST.replace("golden", "rtl_gen"))
    assert run.main(["--modules", "rtl_gen/toy.py", "-o", str(toy / "out.json")]) == 1
    document = json.loads((toy / "out.json").read_text())
    assert [(item["score"], item["goal"], item["passed"]) for item in document["items"]] == [(0.5, 0.86, False)]
    assert not document["passed"]
    assert "rtl_gen/toy.py: not reached: 50.0% is below the goal of 86%" in capsys.readouterr().out


@pytest.mark.parametrize(("killed", "passed"), [(85, False), (86, True), (100, True)])
def test_a_goal_is_the_least_score(killed, passed):
    assert run._item("generator", 0.86, Counter(killed=killed, survived=100 - killed))["passed"] == passed


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--modules", "golden/none.py"],
            "Modules must be files or folders of golden or rtl_gen, not 'golden/none.py'",
        ),
        (["--modules", "tests"], "Modules must be files or folders of golden or rtl_gen, not 'tests'"),
        (["--sample", "0"], "Sample must be at least 1, not 0"),
    ],
)
def test_bad_input(toy, capsys, arguments, text):
    assert run.main(arguments) == 2
    assert capsys.readouterr().out == f"error: {text}\n"
    assert not (toy / "build").exists()


def test_interval_of_a_share():
    low, high = run.interval(95, 100)  # Wilson's, as published tables have it
    assert (round(low, 3), round(high, 3)) == (0.888, 0.978)
    assert run.interval(0, 10)[0] == pytest.approx(0)
    assert run.interval(10, 10)[1] == pytest.approx(1)


def test_parts():
    heart, rest, generator = run._parts(None, None)
    assert [part.goal for part in (heart, rest, generator)] == [0.95, 0.95, 0.86]
    assert (heart.sample, rest.sample, generator.sample) == (None, 400, 200)
    assert not set(heart.files) & set(rest.files)
    assert all((run.ROOT / file).is_file() for part in (heart, rest, generator) for file in part.files)
    chosen, of = run.Part("some", "golden", ("golden/formats/scale.py",), 5).mutants(run.ROOT, 1)
    assert len(chosen) == 5 < of
    assert chosen == run.Part("some", "golden", ("golden/formats/scale.py",), 5).mutants(run.ROOT, 1)[0]
    assert chosen != run.Part("some", "golden", ("golden/formats/scale.py",), 5).mutants(run.ROOT, 2)[0]


def test_samples_stay_when_other_mutants_come():
    few = run.Part("some", "golden", ("golden/formats/scale.py",), 12).mutants(run.ROOT, 1)[0]
    more = run.Part("some", "golden", ("golden/formats/scale.py", "golden/io/npy.py"), 12).mutants(run.ROOT, 1)[0]
    stayed = [mutant for mutant in more if mutant.file == "golden/formats/scale.py"]
    assert stayed == [mutant for mutant in few if mutant in stayed]
    assert 0 < len(more) - len(stayed) < 12


@pytest.mark.full  # an edit of golden may move a name; whoever edits need not care
def test_what_is_called_equivalent_exists():
    text = run.EQUIVALENT.read_text(encoding="utf-8")
    files = [file for part in run._parts(None, None) for file in part.files if f'"{file} ' in text]
    known = {mutant.key for file in files for mutant in mutants(file, (run.ROOT / file).read_text(encoding="utf-8"))}
    assert set(run.equivalents(run.EQUIVALENT)) <= known
