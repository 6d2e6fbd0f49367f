"""What all tests share: the seed, the choice of long tests, a random generator per test."""

import gc
import os
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process per core, so one thread per process

if not Path("/dev/nvidiactl").exists():  # no GPU: kernels are interpreted; read when Triton is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("full", parent=settings.get_profile("fixed"), max_examples=3000)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the long tests, too")
    parser.addoption("--seed", type=int, default=2601, help="seed of the tests' random numbers (default: %(default)s)")


def pytest_configure(config):
    settings.load_profile("full" if config.getoption("full") else "fixed")


def pytest_report_header(config):
    return f"seed: {config.getoption('seed')} (hypothesis: derandomised)"


def pytest_collection_modifyitems(config, items):
    """Leave out the long tests, and of the tests marked ``every(n)`` all cases but the first of each n."""
    if config.getoption("full"):
        return
    cases = Counter()
    quick, long = [], []
    for item in items:
        if item.get_closest_marker("full"):
            long.append(item)
            continue
        every = item.get_closest_marker("every")
        test = item.nodeid.partition("[")[0]
        (long if every and cases[test] % every.args[0] else quick).append(item)
        cases[test] += 1
    items[:] = quick
    if long:
        config.hook.pytest_deselected(items=long)


def pytest_collection_finish():
    gc.freeze()  # imported modules stay: no garbage collection, and several tests ask for one, has to walk through them


@pytest.fixture
def rng(request):
    """A generator of this test's own, so that no test's numbers depend on which others run."""
    seed = request.config.getoption("seed")
    print(f"seed: {seed}")  # shown if the test fails
    return np.random.default_rng([seed, zlib.crc32(request.node.nodeid.encode())])
