import json

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth.cache import Cache, default_folder

KEY = {"what": "area", "tools": {"yosys": "1"}, "sources": "1"}


def test_what_is_kept_is_found(tmp_path):
    cache = Cache(tmp_path / "new")
    assert cache.get(KEY) is None
    cache.put(KEY, {"comb": 3})
    assert Cache(tmp_path / "new").get(dict(reversed(KEY.items()))) == {"comb": 3}
    assert cache.get(KEY | {"what": "timing"}) is None
    assert cache.get(KEY | {"tools": {"yosys": "2"}}) is None
    assert cache.get(KEY | {"sources": "2"}) is None


def test_recall_makes_a_thing_once(tmp_path):
    cache, made = Cache(tmp_path), []
    for _ in range(3):
        assert cache.recall(KEY, lambda: made.append(1) or [None]) == [None]
    assert made == [1]


def test_without_a_folder_nothing_is_kept():
    cache, made = Cache(None), []
    for _ in range(2):
        cache.recall(KEY, lambda: made.append(1) or 5)
    assert made == [1, 1]
    assert cache.get(KEY) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '"text"', '{"schema": "other"}', None])
def test_damaged_results_are_made_again(tmp_path, damage):
    cache = Cache(tmp_path)
    cache.put(KEY, 1)
    (file,) = tmp_path.rglob("*.json")
    text = json.dumps(json.loads(file.read_text()) | {"key": {}}) if damage is None else damage
    file.write_text(text)
    assert cache.recall(KEY, lambda: 2) == 2
    assert cache.get(KEY) == 2


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Output .* cannot be written"):
        Cache(tmp_path / "file").put(KEY, 1)


def test_the_usual_place(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "qse-hw" / "synth"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_folder() == tmp_path / "home" / ".cache" / "qse-hw" / "synth"
