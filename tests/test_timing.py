"""The timing diagram of the handshake is what the decoder does, and shows what it is meant to show."""

import re
import runpy
import subprocess
import sys

import pytest

from qse_hw.golden.formats.presets import se8
from tests.test_docs import DOCS


@pytest.fixture(scope="module")
def timing():
    return runpy.run_path(str(DOCS / "timing.py"))


def check():
    return subprocess.run([sys.executable, DOCS / "timing.py", "--check"], capture_output=True, text=True, check=False)


def test_the_committed_picture_is_up_to_date():
    assert (check().returncode, check().stderr) == (0, "")


def test_values(timing):
    """In order: every code once, however long it stays; golden's value of each."""
    boxes = re.findall(r">(0x[0-9a-f]{2}|-?\d+)</text>", timing["FILE"].read_text())[timing["CYCLES"] :]
    codes, values = boxes[:7], boxes[7:]
    assert [int(code, 16) for code in codes] == list(timing["CODES"])
    assert [int(value) for value in values] == [se8().decoded[code] for code in timing["CODES"]]


def test_latency_bubble_and_stall(timing):
    trace, latency = timing["record"]()
    names = ("i__valid", "i__ready", "o__valid", "o__ready")
    i_valid, i_ready, o_valid, o_ready = (trace[name].tolist() for name in names)
    assert latency == 2
    assert o_valid.index(True) == i_valid.index(True) + latency
    (bubble,), stall = timing["BUBBLE"], timing["STALL"]
    assert (i_valid[bubble], o_valid[bubble + latency]) == (False, False)
    assert all(o_valid[cycle] and not o_ready[cycle] and not i_ready[cycle] for cycle in stall)
    assert sum(i and r for i, r in zip(i_valid, i_ready, strict=True)) == len(timing["CODES"])
    assert sum(o and r for o, r in zip(o_valid, o_ready, strict=True)) == len(timing["CODES"])
    assert not o_valid[-1]


def test_another_trace_gives_another_picture(timing):
    trace, latency = timing["record"]()
    right = timing["draw"](trace, latency)
    assert right == timing["FILE"].read_text()
    for name in ("i__valid", "o__ready", "o__payload"):
        changed = trace | {name: trace[name].copy()}
        changed[name][2] ^= 1
        assert timing["draw"](changed, latency) != right
