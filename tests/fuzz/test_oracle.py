"""The oracle finds each kind of fault when it is planted in a command, and the sound files pass."""

import json
import pickle
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from qse_hw.cli import doctor
from qse_hw.golden.errors import InputError
from qse_hw.study.console import warn
from tests.fuzz import oracle, worker
from tests.fuzz.__main__ import _turn
from tests.fuzz.damage import _edited, _places
from tests.fuzz.hostile import Bomb
from tests.fuzz.oracle import Case, Finding, Reached, check
from tests.fuzz.sound import files
from tests.fuzz.targets import _ACTIVATIONS, _ARRAY, _CALIBRATION, _CODES, _EVAL, _FORMAT, _PLAN, _checkpoint
from tests.fuzz.worker import turn

LIES = 1 << 60


def refuse(text):
    raise InputError(text)


def refuse_and_leave(path):
    Path(path).write_text("x")
    refuse("No")


def refuse_loudly(text):
    print(text, file=sys.stderr)
    refuse("No")


FAULTS = {
    "a traceback: ZeroDivisionError": lambda: 1 / 0,
    "exit status must be 0 or 2, not 1": lambda: sys.exit(1),
    "exit status must be 0 or 2, not 'oh'": lambda: sys.exit("oh"),
    "stderr must be one sentence": lambda: refuse_loudly("and another"),
    "a sentence of": lambda: refuse("x" * 30_000),
    "status 0, but on stderr: UserWarning": lambda: warnings.warn("beware", stacklevel=1),
    "status 0, but on stderr: a note": lambda: print("a note", file=sys.stderr),
    "but left": lambda: refuse_and_leave("left"),
    "half-written files are left": lambda: Path(".x.part").write_text("x"),
    "code from a file was run": lambda: pickle.loads(pickle.dumps(Bomb())),
    "MiB were asked for": lambda: np.zeros(LIES, np.uint8),
    "it takes more than": lambda: busy(),
}


def busy():
    end = time.process_time() + 5
    while time.process_time() < end:
        sum(range(1000))


@pytest.mark.parametrize("words", FAULTS)
def test_every_fault_is_found(words, monkeypatch):
    monkeypatch.setattr(oracle, "SECONDS", 0.2)
    monkeypatch.setattr(doctor, "run", lambda args: FAULTS[words]())
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(Finding, match=words):
        check(Case(argv=("doctor",)))
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits


def test_a_commands_own_warning_is_allowed(monkeypatch):
    monkeypatch.setattr(doctor, "run", lambda args: warn("that is odd"))
    assert check(Case(argv=("doctor",))) == "warning: that is odd\n"


def test_work_that_is_not_done_counts_as_accepted(monkeypatch):
    monkeypatch.setattr(doctor, "run", lambda args: (_ for _ in ()).throw(Reached))
    assert check(Case(argv=("doctor",))) == ""


LINES = [*_ARRAY[:2], _CODES[0], *_ACTIVATIONS, *_FORMAT[:1], *_CALIBRATION[:1], _EVAL, _PLAN,
         *(line for name in ("ck", "m2", "bin") for line in _checkpoint(name))]  # fmt: skip


@pytest.mark.every(3)
@pytest.mark.parametrize("argv", LINES, ids=lambda argv: " ".join(argv[:3]))
def test_sound_files_are_accepted(argv):
    """If they did not, fuzzing would not reach beyond the first check."""
    assert check(Case(argv=argv, files=files())) == ""


def test_edits_of_documents():
    document = {"a": [1, {"b": 2}]}
    assert _places(document) == [(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b")]
    assert _edited(document, ("a", 1, "b"), lambda value: value + 1) == {"a": [1, {"b": 3}]}
    assert document == {"a": [1, {"b": 2}]}


@pytest.mark.full
def test_a_turn_counts_cases_and_makes_findings_small(monkeypatch):
    monkeypatch.setattr(worker, "CASES", 15)
    seen = []
    assert turn("numerics", 1, 0.001, seen.append)["cases"] == len(seen) >= 10
    monkeypatch.setattr("qse_hw.golden.formats.presets.read_json", lambda *_: {}["x"])
    findings = turn("numerics", 1, 0.001)["findings"]
    assert len(findings) == 1
    assert findings[0].startswith("Finding: a traceback: KeyError: 'x'\n")
    assert "argv=('quantize'," in findings[0]


@pytest.mark.full
def test_a_crash_is_a_finding(tmp_path, monkeypatch):
    assert _turn("npy", 1, 0.01, tmp_path / "case")["findings"] == []
    note = tmp_path / "other"
    note.write_text("the case")
    assert "crashed" in (finding := _turn("no target", 1, 0.01, note)["findings"][0])
    assert finding.endswith("case: the case")
    assert json.dumps(finding)
