"""What all tests share: the seed, the choice of long tests, a random generator per test."""

import gc
import math
import os
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process per core, so one thread per process

if not Path("/dev/nvidiactl").exists():  # no GPU: kernels are interpreted; read when Triton is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("full", parent=settings.get_profile("fixed"), max_examples=1000)
settings.register_profile("all", parent=settings.get_profile("fixed"), max_examples=3000)

MORE = 6  # times as many cases of a test marked every(n) in the long run


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the long tests, too")
    parser.addoption("--all-cases", action="store_true", help="with --full: also all cases of the longest, for hours")
    parser.addoption("--seed", type=int, default=2601, help="seed of the tests' random numbers (default: %(default)s)")


def pytest_configure(config):
    full, every = config.getoption("full"), config.getoption("all_cases")
    settings.load_profile("all" if full and every else "full" if full else "fixed")


def pytest_report_header(config):
    return f"seed: {config.getoption('seed')} (hypothesis: derandomised)"


def pytest_collection_modifyitems(config, items):
    """Leave out the long tests, and of the tests marked ``every(n)`` all but one in n of the cases.

    With ``--full``, the long tests are run, and :data:`MORE` times as many of those cases; of the tests marked
    ``full(n)`` one in n. With ``--all-cases``, too, every case is run. Which ones are left out is drawn by the cases'
    names: a stride would leave out whole values of a parameter.
    """
    full = config.getoption("full")
    if full and config.getoption("all_cases"):
        return
    left_out, cases = set(), defaultdict(list)
    for item in items:
        long, short = item.get_closest_marker("full"), item.get_closest_marker("every")
        if long and not full:
            left_out.add(item)
        elif full and long and long.args:
            cases[item.nodeid.partition("[")[0], long.args[0]].append(item)
        elif short:
            cases[item.nodeid.partition("[")[0], short.args[0] / (MORE if full else 1)].append(item)
    for (_, n), of_test in cases.items():
        of_test.sort(key=lambda item: zlib.crc32(item.nodeid.encode()))
        left_out.update(of_test[math.ceil(len(of_test) / max(n, 1)) :])
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish():
    gc.freeze()  # imported modules stay: no garbage collection, and several tests ask for one, has to walk through them


@pytest.fixture
def rng(request):
    """A generator of this test's own, so that no test's numbers depend on which others run."""
    seed = request.config.getoption("seed")
    print(f"seed: {seed}")  # shown if the test fails
    return np.random.default_rng([seed, zlib.crc32(request.node.nodeid.encode())])
