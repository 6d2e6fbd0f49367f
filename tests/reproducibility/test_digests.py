"""A changed bit of Verilog, vectors, tables or calibrations is detected, be it by our code or by a package."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.golden.io.environment import environment
from tests.reproducibility import artefacts, digests
from tests.reproducibility.__main__ import NEEDED, interpreter, item, machines

QUICK = [group for group in artefacts.QUICK if group != "units"]


@pytest.mark.every(2)
@pytest.mark.parametrize("group", [*QUICK, pytest.param("long-calibrations", marks=pytest.mark.full)])
def test_not_a_bit_has_moved(group):
    check(group)


@pytest.mark.every(12)
@pytest.mark.parametrize("unit", artefacts.UNITS)
def test_not_a_bit_of_a_unit_has_moved(unit):
    check(f"units/{unit}")


def check(group):
    document = digests.committed()
    expected = digests.of_groups(document["artefacts"], (group,))
    assert expected
    moved = digests.moved(artefacts.digests(group), expected)
    if moved:
        pytest.fail(digests.complaint(moved, document["made"], environment()))


def test_every_group_is_committed():
    document = digests.committed()
    assert (document["schema"], set(document["made"]["versions"])) == (digests.SCHEMA, set(NEEDED))
    assert document["made"]["machine"]["processor"]
    names = document["artefacts"]
    assert {name.partition("/")[0] for name in names} == set(artefacts.GROUPS)
    assert {name.split("/")[1] for name in names if name.startswith("units/")} == set(artefacts.UNITS)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in names.values())


def test_every_unit_is_among_the_artefacts():
    from qse_hw.cli.units import UNITS

    assert {words.split()[0] for words in artefacts.UNITS.values()} == set(UNITS)


def test_a_moved_bit_is_seen():
    expected = {"units/a": "1", "units/b": "2", "formats/c": "3"}
    assert digests.moved(expected, expected) == []
    assert digests.moved({"units/a": "1", "units/d": "2", "formats/c": "4"}, expected) == [
        "formats/c", "units/b", "units/d"
    ]  # fmt: skip
    assert digests.of_groups(expected, ("units",)) == {"units/a": "1", "units/b": "2"}
    in_units = {"units/a/x": "1", "units/a-b/x": "2"}
    assert digests.of_groups(in_units, ("units/a",)) == {"units/a/x": "1"}
    assert item("here", {"units/a": "0"}, {"units/a": "1"}) == {
        "run": "here", "artefacts": 1, "different": 1, "names": "units/a", "passed": False
    }  # fmt: skip
    assert item("here", expected, expected)["passed"]


def test_the_complaint_says_what_to_do():
    made = {"versions": {"numpy": "2.0.0", "rich": "1"}, "machine": {"processor": "A"}}
    here = {"versions": {"numpy": "2.1.0", "rich": "1", "torch": "3"}, "machine": {"processor": "B"}}
    assert digests.complaint([f"units/{n}" for n in range(9)], made, here) == (
        "9 artefacts are not bit for bit what they were: units/0, units/1, units/2, units/3, units/4, units/5, "
        "units/6, units/7 and 1 more. Packages that changed: numpy 2.0.0 -> 2.1.0; made on A, checked on B. If this is "
        "meant: python -m tests.reproducibility --update, and say so in CHANGELOG.md"
    )


def test_content_is_all_but_packing_and_versions(tmp_path):
    path = tmp_path / "vectors.npz"
    x = np.arange(6, dtype=np.int16)
    contents = []
    for save, array in ((np.savez, x), (np.savez_compressed, x), (np.savez, x.reshape(2, 3)), (np.savez, x + 1)):
        save(path, x=array)
        contents.append(artefacts.content(path))
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3
    manifest = tmp_path / "manifest.json"
    for latency, version in ((1, "1"), (1, "2"), (2, "1")):
        manifest.write_text(json.dumps({"latency": latency, "versions": {"numpy": version}}))
        contents.append(artefacts.content(manifest))
    assert contents[4] == contents[5] != contents[6]


def test_vectors_hold_arrays_alone(tmp_path, monkeypatch, capsys):
    """NumPy 1.26's savez takes every keyword for an array: allow_pickle, too."""
    saved = {}
    monkeypatch.setattr(np, "savez_compressed", lambda file, **arrays: saved.update(arrays))
    assert main(["gen", "decoder", "-o", str(tmp_path)]) == 0
    assert set(saved) == {"codes", "decoded", "invalid"}
    assert all(isinstance(array, np.ndarray) for array in saved.values())


def test_files_hold_no_date(tmp_path, monkeypatch, capsys):
    """Byte by byte, in another year: what zip archives keep of the time."""
    written = []
    for year in (0, 10):
        now = time.time() + year * 366 * 86400
        monkeypatch.setattr(time, "time", lambda now=now: now)
        there = time.localtime(now)
        monkeypatch.setattr(time, "localtime", lambda seconds=None, there=there: there)
        folder = tmp_path / str(year)
        assert main(["gen", "decoder", "-o", str(folder)]) == 0
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert len(written[0]) == 8
    assert written[0] == written[1]


def test_a_machine_that_agrees_is_noted_once():
    here = environment()["machine"]["processor"]
    other = {"made": {"machine": {"processor": "another"}}, "checked": []}
    noted = machines(other)
    assert [one["processor"] for one in noted] == [here]
    assert machines(other | {"checked": noted}) == noted
    assert machines({"made": {"machine": {"processor": here}}, "checked": []}) == []


def test_an_interpreter_that_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYENV_ROOT", str(Path(__file__).parent))
    with pytest.raises(Exception, match=r"^Python 2.0 was not found; install it \(pyenv install 2.0\) and try again$"):
        interpreter("2.0")
