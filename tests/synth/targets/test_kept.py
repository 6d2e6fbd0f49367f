"""What is made once is copied afterwards, as long as it is kept."""

import threading

import pytest

from qse_hw.synth.targets.kept import Kept


def make(log, name):
    def write(folder):
        log.append(name)
        (folder / "file").write_text(name)

    return write


def test_the_last_few_are_kept(tmp_path):
    kept, log = Kept(2), []
    for number, name in enumerate(["a", "b", "a", "c", "a", "b"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "own").write_text("x")
        kept.copy(name, folder, make(log, name))
        assert (folder / "file").read_text() == name
        assert (folder / "own").read_text() == "x"
    assert log == ["a", "b", "c", "b"]


def test_a_failure_keeps_nothing(tmp_path):
    kept, log = Kept(2), []

    def fail(folder):
        (folder / "half").write_text("x")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.copy("a", tmp_path, fail)
    assert list(tmp_path.iterdir()) == []
    kept.copy("a", tmp_path, make(log, "a"))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_threads_wait_for_the_first(tmp_path):
    kept, log, going = Kept(1), [], threading.Event()

    def slow(folder):
        going.wait(10)
        make(log, "a")(folder)

    threads = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        threads.append(threading.Thread(target=kept.copy, args=("a", tmp_path / str(number), slow)))
        threads[-1].start()
    going.set()
    for thread in threads:
        thread.join()
    assert log == ["a"]
    assert [(tmp_path / str(number) / "file").read_text() for number in range(3)] == ["a"] * 3


def test_nothing_is_left(tmp_path):
    kept = Kept(1)
    kept.copy("a", tmp_path, make([], "a"))
    home = kept._home
    assert home.is_dir()
    del kept
    assert not home.exists()
