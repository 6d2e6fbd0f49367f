"""Running a function on many jobs: in processes of this machine, or on a Dask cluster, with the same results.

Jobs and results are JSON; a job's key is a digest of all that its result depends on, so that none is run twice.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from multiprocessing import get_context
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.environment import cores
from qse_hw.synth.cache import Cache, key_digest

Json = dict[str, Any]
Function = Callable[[Json], Json]
Jobs = Mapping[str, Json]
Runner = Callable[[Function, Jobs], Iterator[tuple[str, Json]]]
"""Yields key and result of every job, each once, in the order in which they are finished."""

TIMEOUT = 10
"""Seconds in which a scheduler must answer and have a worker."""


def local(function: Function, jobs: Jobs) -> Iterator[tuple[str, Json]]:
    """A process per core; a job should keep to one.

    Raises:
        InputError: raised by a job; if a process is killed.
    """
    processes = min(cores(), len(jobs))
    if not processes:
        return
    context = get_context("spawn")  # a fork would copy locks that threads of rich or NumPy hold
    pool = ProcessPoolExecutor(processes, mp_context=context)
    try:
        keys = {pool.submit(function, job): key for key, job in jobs.items()}
        for future in as_completed(keys):
            yield keys[future], future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "Process of the sweep was killed (is there enough memory?); run it again, what was finished is kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def cluster(address: str) -> Runner:
    """Runs on the workers of the Dask scheduler at ``address``, which need this package and its tools.

    A lost worker's jobs are run again by others; with no worker left, the next one to come goes on.

    Raises:
        InputError: if the package distributed is missing, the scheduler does not answer or has no worker within
            :data:`TIMEOUT`; raised by a job; if a job kills one worker after the other.
    """

    try:
        dask: Any = import_module("distributed")
    except ModuleNotFoundError:
        sentence = 'Package distributed is not installed; get it with: pip install "qse-hw[cluster]"'
        raise InputError(sentence) from None
    try:
        asyncio.run(_answer(dask, address))
    except (OSError, ValueError) as error:
        reason = str(error) or "no answer came"
        raise InputError(f"Scheduler {address!r} must answer within {TIMEOUT} s, but: {reason}") from error

    def run(function: Function, jobs: Jobs) -> Iterator[tuple[str, Json]]:
        with dask.Client(address, timeout=TIMEOUT, set_as_default=False) as client:
            try:
                client.wait_for_workers(1, timeout=TIMEOUT)
            except TimeoutError:
                raise InputError(
                    f"Scheduler {address!r} must have a worker within {TIMEOUT} s; start one: dask worker {address}"
                ) from None
            name = function.__qualname__
            keys = {client.submit(function, job, key=f"{name}-{key}"): key for key, job in jobs.items()}
            try:
                for future in dask.as_completed(keys, loop=client.loop):
                    yield keys[future], future.result()
            except dask.KilledWorker as error:
                raise InputError(f"Workers died of the same job again and again: {error}") from error
            finally:
                client.cancel(list(keys))

    return run


async def _answer(dask: Any, address: str) -> None:
    """Make sure that a scheduler is there: a client would wait for ever for a server that is no scheduler."""
    comm = await asyncio.wait_for(dask.core.connect(address, timeout=TIMEOUT), TIMEOUT)
    await comm.close()


def finished(
    function: Function,
    work: Sequence[tuple[Json, Json]],
    run: Runner,
    cache: Cache,
    report: Callable[[float], None] = lambda _: None,
) -> list[Json]:
    """The results of jobs, in their order: from the cache, or else run and kept there.

    Args:
        function: of a job.
        work: per job, all that its result depends on, and the job. Equal ones are run once.
        run: :func:`local` or that of :func:`cluster`; neither of them sees the cache.
        cache: where results without ``error`` are kept, each as soon as it is there.
        report: told the share that is done.
    """
    digests = [key_digest(key) for key, _ in work]
    different = dict(zip(digests, work, strict=True))
    known = {digest: cache.get(key) for digest, (key, _) in different.items()}
    results: dict[str, Json] = {digest: result for digest, result in known.items() if result is not None}
    missing = {digest: job for digest, (_, job) in different.items() if digest not in results}
    if missing:
        report(len(results) / len(different))
        for digest, result in run(function, missing):
            results[digest] = result
            if "error" not in result:
                cache.put(different[digest][0], result)
            report(len(results) / len(different))
    return [results[digest] for digest in digests]
