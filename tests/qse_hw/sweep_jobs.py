"""Jobs for other processes, which import them by name; and a cluster to run them."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from qse_hw.golden.errors import InputError


def collatz(job: dict[str, Any]) -> dict[str, Any]:
    """The number of steps of Collatz' sequence from ``n`` to 1."""
    n, length = job["n"], 0
    while n != 1:
        n, length = (n // 2 if n % 2 == 0 else 3 * n + 1), length + 1
    time.sleep(job.get("seconds", 0))
    return {"length": length}


def refuse(job: dict[str, Any]) -> dict[str, Any]:
    raise InputError(f"Job {job['n']} must be another one")


def die(job: dict[str, Any]) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def small_cluster(workers: int, folder: Path) -> Any:
    """A scheduler on a free port of this machine, with workers that are processes, restarted when they die."""
    distributed = pytest.importorskip("distributed")
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        local_directory=str(folder),
        silence_logs=50,
    )
