"""The comparison with OpenSTA detects differences; test_oracles tests that it passes."""

import math
import re

import pytest

from qse_hw.synth.cells import sta
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.targets.cells import Cells
from tests.oracles import timing
from tests.synth.small import SMALL, chain

opensta = pytest.mark.skipif(
    not timing.CHECKS, reason="OpenSTA or a library is missing (Debian: opensta, qflow-tech-osu018)"
)


@opensta
def test_three_libraries():
    assert len(timing.CHECKS) == sum(path.exists() for path in timing.LIBRARIES.values())
    assert re.fullmatch(r"\d+\.\d+\.\d+", timing.version())


@opensta
def test_other_conventions_are_noticed(monkeypatch):
    liberty = next(path for path in timing.LIBRARIES.values() if path.exists())
    monkeypatch.setattr(sta, "PORT_SLEW", 0.05)
    comparison = timing.compare(liberty)
    assert not comparison.passed
    assert comparison.differences > 50


@opensta
def test_every_step_is_compared(monkeypatch):
    """A load that is a thousandth too large, on one net alone."""
    liberty = next(path for path in timing.LIBRARIES.values() if path.exists())
    right, once = MappedNetlist.loads, []

    def wrong(mapped, net):
        rise, fall = right(mapped, net)
        if rise > 0 and net in mapped.drivers and not once:
            once.append(net)
        return (rise * (1 + 1e-3 * (net in once)), fall)

    monkeypatch.setattr(MappedNetlist, "loads", wrong)
    assert timing.compare(liberty).differences > 0


def test_close():
    assert timing.close(None, None)
    assert not timing.close(None, 1.0)
    assert not timing.close(1.0, None)
    assert timing.close(1.0, 1.000001)
    assert not timing.close(1.0, 1.00001)
    assert not timing.close(1.0, math.nan)
    assert timing.close(0.0, 0.0)


REPORT = """KIND
Startpoint: c0 (rising edge-triggered flip-flop clocked by clk)
          0.006426000  0.100000000  0.200000000  0.300000000 ^ c0/Q (DFF)
                       0.100000000  0.000000000  0.300000000 ^ c3/D (DFF)
                                                 0.300000000   data arrival time

                                   -0.050000000  0.950000000   library setup time
                                                -0.300000000   data arrival time
                                                 0.650000000   slack (MET)
Startpoint: n5 (input port clocked by clk)
          0.027048003  0.107098594  0.084088907  0.400000000 v n5 (in)
                                                 0.400000000   data arrival time
                                                -0.400000000   data arrival time
                                                 0.600000000   slack (MET)
"""


def test_reading_reports():
    empty = sta.TimingReport({}, {})
    (first, *others) = timing.delays(empty, [REPORT, "No paths found.", "", ""])
    assert first == (None, pytest.approx(0.4))
    assert others == [(None, None)] * 3
    assert timing._STEP.findall(REPORT) == [
        ("0.006426000", "0.100000000", "^", "c0", "Q"),
        ("0.027048003", "0.107098594", "v", "n5", ""),
    ]
    assert [timing._delay(path) for path in REPORT.split("Startpoint")[1:]] == pytest.approx([0.35, 0.4])


def test_flat_verilog(tmp_path):
    """Constants and nets on several ports; names are numbers."""
    path = chain(tmp_path, nand=("NAND2", {"A": 4, "B": "x", "Y": 6}))
    text = timing.flat(MappedNetlist.read(path, Cells(liberty=SMALL).library))
    assert "NAND2 c1 (.A(n4), .B(1'b0), .Y(n6));" in text
    assert text.startswith(
        "module flat (n2, n3, n5, o0);\ninput n2;\ninput n3;\ninput n5;\noutput o0; assign o0 = n8;\n"
    )
