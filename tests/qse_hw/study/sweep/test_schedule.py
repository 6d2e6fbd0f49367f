"""Jobs in processes of this machine and on a real cluster, one of whose workers is killed."""

import os
import signal
import socket
import sys

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.study.sweep import schedule
from qse_hw.study.sweep.schedule import cluster, finished, local
from qse_hw.synth.cache import Cache
from tests.qse_hw.sweep_jobs import collatz, die, refuse, small_cluster

LENGTHS = {1: 0, 2: 1, 3: 7, 6: 8, 7: 16, 27: 111}  # oeis.org/A006577


def jobs(numbers, **more):
    return {f"key {n}": {"n": n} | more for n in numbers}


def test_local():
    results = list(local(collatz, jobs(LENGTHS)))
    assert len(results) == len(LENGTHS)
    assert dict(results) == {f"key {n}": {"length": length} for n, length in LENGTHS.items()}
    assert list(local(collatz, {})) == []


def test_what_a_job_says_is_heard():
    with pytest.raises(InputError, match=r"^Job 3 must be another one$"):
        list(local(refuse, jobs([3])))


def test_a_killed_process_is_told():
    with pytest.raises(InputError, match=r"was killed .* run it again, what was finished is kept"):
        list(local(die, jobs([1, 2])))


def test_each_once_and_kept(tmp_path):
    """Equal jobs run once, an interrupted run continues, errors are not kept."""
    ran = []

    def run(function, jobs):
        for key, job in jobs.items():
            ran.append(job["n"])
            if job["n"] == stop:
                raise KeyboardInterrupt
            yield key, {"error": "no"} if job["n"] == 9 else {"n": job["n"]}

    work = [({"key": n, "sources": "1"}, {"n": n}) for n in (4, 5, 4, 9, 6)]
    cache, shares, stop = Cache(tmp_path), [], 6
    with pytest.raises(KeyboardInterrupt):
        finished(collatz, work, run, cache)
    assert ran == [4, 5, 9, 6]
    ran.clear()
    stop = None
    results = finished(collatz, work, run, cache, shares.append)
    assert results == [{"n": 4}, {"n": 5}, {"n": 4}, {"error": "no"}, {"n": 6}]
    assert ran == [9, 6]
    assert shares == [0.5, 0.75, 1.0]
    ran.clear()
    finished(collatz, work, run, cache)
    assert ran == [9]


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """A scheduler with three workers, processes that are restarted when they die."""
    with small_cluster(3, tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.mark.full
def test_a_killed_worker_loses_and_doubles_nothing(workers):
    wanted = jobs(range(1, 61), seconds=0.03)
    pids = {worker.pid for worker in workers.workers.values()}
    assert len(pids) == 3
    results = []
    for result in cluster(workers.scheduler_address)(collatz, wanted):
        results.append(result)
        if len(results) == 10:
            os.kill(min(pids), signal.SIGKILL)
    assert {worker.pid for worker in workers.workers.values()} != pids  # it did die, and came back
    assert len(results) == len(wanted)
    assert dict(results) == dict(local(collatz, jobs(range(1, 61))))


def test_what_a_job_on_a_worker_says_is_heard(workers):
    with pytest.raises(InputError, match=r"^Job 3 must be another one$"):
        list(cluster(workers.scheduler_address)(refuse, jobs([3])))


@pytest.fixture
def patience(monkeypatch):
    monkeypatch.setattr(schedule, "TIMEOUT", 0.5)


@pytest.mark.parametrize("address", ["", "nonsense", "x://127.0.0.1:1", "127.0.0.1:1"])
def test_no_scheduler(patience, address):
    with pytest.raises(InputError, match=rf"^Scheduler '{address}' must answer within 0\.5 s, but: "):
        cluster(address)


def test_something_else_listens(patience):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(InputError, match=r"must answer within 0.5 s, but: no answer came"):
            cluster(address)


def test_no_worker(patience, tmp_path):
    with small_cluster(0, tmp_path) as empty:
        run = cluster(empty.scheduler_address)
        with pytest.raises(InputError, match=r"must have a worker within 0\.5 s; start one: dask worker "):
            list(run(collatz, jobs([1])))


@pytest.mark.full
def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"Package distributed is not installed; get it with: .*qse-hw\[cluster\]"):
        cluster("127.0.0.1:1")
