"""Drivers, monitors and stalls on a DUT in Python, faultless and with every kind of fault."""

import asyncio
import itertools

import numpy as np
import pytest

from qse_hw.sim.packing import pack
from qse_hw.sim.replay import agents
from qse_hw.sim.replay.agents import Consumer, Driver, Monitor, Stall, cycles
from qse_hw.sim.replay.scoreboard import compare
from tests.sim.fakes import FakeDut, run

BEATS = 40


def simulate(fault="", seed=None, beats=BEATS, length=600):
    dut = FakeDut(fault)
    payloads = ((7 * n, [("scale_m", n % 256), ("scale_k", -n)]) for n in range(beats))
    driver = Driver(dut, "i", payloads, Stall(None if seed is None else 2 * seed))
    consumer = Consumer(dut, "o", Stall(None if seed is None else 2 * seed + 1))
    accepted, output = Monitor(dut, "i", ("scale_m", "scale_k")), Monitor(dut, "o")
    run(dut, (driver, consumer, accepted, output), length)
    return driver, accepted, output


def packed(values):
    return pack(np.array(list(values), np.int64).reshape(-1, 1), 12)


WANT = packed(7 * n + 1 for n in range(BEATS))


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_faultless_dut(seed):
    driver, accepted, output = simulate(seed=seed)
    assert driver.done
    np.testing.assert_array_equal(accepted.recorded(), packed(7 * n for n in range(BEATS)))
    np.testing.assert_array_equal(output.recorded(), WANT)
    # the ports set with a beat, signed, one pair per accepted beat
    assert accepted.extras == [((n % 256 + 128) % 256 - 128, -n) for n in range(BEATS)]
    assert (output.beats, output.unknown, output.violations) == (BEATS, 0, 0)
    assert (accepted.beats, accepted.unknown, accepted.violations) == (BEATS, 0, 0)
    assert compare("o", output.recorded(), WANT, 12, 1) == (0, 0, 0, "")


def counted(fault, seed):
    _, accepted, output = simulate(fault, seed)
    difference = compare("o", output.recorded(), WANT, 12, 1)
    return {
        "wrong": difference.wrong, "missing": difference.missing, "extra": difference.extra,
        "unknown": output.unknown, "violations": output.violations + accepted.violations,
    }  # fmt: skip


@pytest.mark.parametrize("seed", [None, 4])
@pytest.mark.parametrize(
    ("fault", "field", "least", "most"),
    [
        ("wrong", "wrong", 1, 1),
        ("drop", "missing", 1, 1),
        ("repeat", "extra", 1, 1),
        ("silent", "missing", BEATS, BEATS),
        ("blocked", "missing", BEATS, BEATS),
        ("x", "unknown", 1, 1),
    ],
)
def test_faults_are_found(fault, field, least, most, seed):
    assert least <= counted(fault, seed)[field] <= most


@pytest.mark.parametrize("fault", ["withdraw", "change"])
def test_broken_stream_rules_are_found(fault):
    """They show only while the output waits: a stalling consumer is needed, and finds them."""
    seeds = range(1, 9)
    assert any(counted(fault, seed)["violations"] for seed in seeds)
    assert not any(counted("", seed)["violations"] for seed in seeds)


def test_a_broken_rule_is_counted_once():
    dut = FakeDut()
    monitor = Monitor(dut, "o")
    seen = [(1, 5, 0), (1, 5, 0), (1, 6, 0), (1, 6, 1), (1, 9, 0), (0, 0, 0), (0, 0, 0), (1, 3, 1)]
    for valid, payload, ready in seen:
        dut.o__valid.value, dut.o__payload.value, dut.o__ready.value = valid, payload, ready
        monitor.observe()
    assert monitor.violations == 2
    np.testing.assert_array_equal(monitor.recorded(), packed([6, 3]))


def test_an_unknown_payload_is_recorded_as_all_ones():
    dut = FakeDut(width=5)
    monitor = Monitor(dut, "o")
    dut.o__valid.value, dut.o__ready.value = 1, 1
    for payload in ("0X010", "ZZZZZ", "00010"):
        dut.o__payload.value = payload
        monitor.observe()
    assert (monitor.beats, monitor.unknown) == (3, 2)
    assert monitor.recorded().tolist() == [[31], [31], [2]]


def test_an_unknown_valid_is_an_error():
    """Nothing can be concluded from a cycle like that; the pass ends without an outcome, which is reported."""
    dut = FakeDut()
    dut.o__valid.value = "X"
    with pytest.raises(ValueError, match=r"."):
        Monitor(dut, "o").observe()


def test_quiet_counts_cycles_since_a_beat_passed():
    dut = FakeDut()
    monitor = Monitor(dut, "o")
    counts = []
    for valid, ready in [(0, 1), (1, 0), (1, 1), (0, 1), (1, 0)]:
        dut.o__valid.value, dut.o__payload.value, dut.o__ready.value = valid, 1, ready
        monitor.observe()
        counts.append(monitor.quiet)
    assert counts == [1, 2, 0, 1, 2]


def test_the_driver_holds_a_beat_until_it_is_accepted():
    dut = FakeDut()
    driver = Driver(dut, "i", iter([(1, ()), (2, ())]), Stall(None))
    seen = []
    for ready in (0, 0, 1, 1, 1):
        driver.drive()
        seen.append((int(dut.i__valid.value), driver.done))
        dut.i__ready.value = ready
        driver.observe()
        if seen[-1][0]:
            seen[-1] += (int(dut.i__payload.value),)
    assert seen == [(1, False, 1), (1, False, 1), (1, False, 1), (1, False, 2), (0, True)]


def test_stalls():
    assert not any(Stall(None)() for _ in range(100))
    pauses = [Stall(7) for _ in range(2)]
    first, again = ([stall() for _ in range(2000)] for stall in pauses)
    assert first == again  # the seed decides
    other = Stall(8)
    assert first != [other() for _ in range(2000)]
    runs = {(pause, sum(1 for _ in group)) for pause, group in itertools.groupby(first)}
    assert 600 < sum(first) < 1400
    assert {(True, 1), (True, 9), (False, 1), (False, 11)} <= runs


def test_a_cycle_drives_everything_then_observes_everything(monkeypatch):
    log = []

    class Trigger:
        def __init__(self, name):
            self._name = name

        def __await__(self):
            log.append(self._name)
            yield from asyncio.sleep(0).__await__()

    class Agent:
        def drive(self):
            log.append("drive")

        def observe(self):
            log.append("observe")

    monkeypatch.setattr(agents, "FallingEdge", lambda clock: Trigger(f"falling {clock}"))
    monkeypatch.setattr(agents, "ReadOnly", lambda: Trigger("settled"))

    async def two_cycles():
        steps = cycles("clk", [Agent(), Agent()])
        await anext(steps)
        await anext(steps)
        await steps.aclose()

    asyncio.run(two_cycles())
    assert log == ["falling clk", "drive", "drive", "settled", "observe", "observe"] * 2
