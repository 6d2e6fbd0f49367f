"""Waveforms: which files can be asked for, and what gets into them."""

import os
import shutil
import subprocess

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.sim.replay.replay import replay, wave_files
from qse_hw.sim.simulators import wave
from qse_hw.sim.simulators.wave import Wave, dumper, kind_of, recording
from tests.sim.replay.test_replay import choice
from tests.sim.vcd import read_vcd

HEADERS = wave._has_headers("lz4.h", "zlib.h") if shutil.which("g++") else False


@pytest.mark.parametrize("name", ["", "wave", "wave.VCD", "wave.vcd.gz", "vcd", "a.vcd/b"])
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_other_suffixes(name, simulator):
    with pytest.raises(InputError) as caught:
        kind_of(name, simulator)
    assert str(caught.value) == f"Wave file must end in .vcd or .fst, not {name!r}"


def test_kinds(monkeypatch):
    monkeypatch.setattr(wave, "_has_headers", lambda *names: names == ("lz4.h", "zlib.h"))
    assert kind_of("a.b/wave.vcd", "verilator") == kind_of("wave.vcd", "icarus") == "vcd"
    assert kind_of("wave.fst", "verilator") == kind_of("wave.fst", "icarus") == "fst"


def test_what_verilator_needs_for_fst(monkeypatch):
    monkeypatch.setattr(wave, "_has_headers", lambda *names: False)
    text = r"^Wave files \.fst from Verilator need lz4 and zlib \(Debian: apt-get install liblz4-dev zlib1g-dev\); "
    with pytest.raises(InputError, match=text):
        kind_of("wave.fst", "verilator")
    assert kind_of("wave.fst", "icarus") == "fst"  # has them built in
    assert kind_of("wave.vcd", "verilator") == "vcd"


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_headers():
    assert wave._has_headers("cstdio", "string.h")
    assert not wave._has_headers("cstdio", "no-such-header.h")


def test_recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with recording(None, "verilator") as nothing:
        assert nothing is None
    with recording(wave.Path("w.vcd"), "icarus") as made:
        assert made.kind == "vcd"
        assert made.path.is_absolute()
        assert not os.path.exists("w.vcd")
        made.path.write_text("all of it")
    assert os.listdir() == ["w.vcd"]
    with pytest.raises(InputError, match="Wave file must end in"), recording(wave.Path("x"), "icarus"):
        pass


def test_names_of_several():
    assert [str(path) for path in wave_files(wave.Path("a/w.v.fst"), 3)] == ["a/w.v.fst", "a/w.v-2.fst", "a/w.v-3.fst"]


def test_icarus_dumper(tmp_path):
    path, module = dumper(Wave("vcd", wave.Path('/a "b"\\ä.part')), "replay_top", tmp_path)
    text = path.read_text(encoding="utf-8")
    assert f"module {module};" in text
    assert r'$dumpfile("/a \"b\"\\ä.part");' in text
    assert "$dumpvars(0, replay_top);" in text


@pytest.mark.full
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("kind", ["vcd", "fst"])
def test_icarus(kind, tmp_path):
    check(kind, "icarus", tmp_path)


@pytest.mark.skipif(not HEADERS, reason="the headers of lz4 and zlib are not installed")
def test_fst_from_verilator(tmp_path):
    check("fst", "verilator", tmp_path)


def test_vcd_from_verilator(tmp_path):
    """Handshakes and the lanes' insides; every beat of both passes is in it."""
    check("vcd", "verilator", tmp_path)


def check(kind, simulator, folder):
    path = folder / f"wave.{kind}"
    x = {"x": np.linspace(-3, 3, 24, dtype=np.float32)}
    outcomes = replay(
        x, {"x": choice("se8", 0.02)}, input=input_type("bf16"), lanes=4, simulator=simulator, wave=path
    )
    assert [outcome.mismatches for outcome in outcomes] == [0, 0]
    assert os.listdir(folder) == [path.name]
    content = path.read_bytes()
    if kind == "fst":
        # the first block is the header: its type, its length
        assert content[:9] == bytes([0]) + (329).to_bytes(8, "big")
        assert len(content) > 1000
        return
    waves = read_vcd(content.decode())
    streams = [f"{stream}__{name}" for stream in ("i", "link", "o") for name in ("payload", "valid", "ready")]
    assert {f"replay_top.{name}" for name in streams} <= set(waves)
    assert {f"replay_top.{unit}.i__valid" for unit in ("encoder", "decoder")} <= set(waves)
    assert any(name.startswith("replay_top.encoder.lane") for name in waves)
    for stream in ("i", "link", "o"):
        assert passed(waves, stream) == 2 * 6


def passed(waves, stream):
    """Beats that passed: valid and ready before a rising edge."""
    valid, ready = (waves[f"replay_top.{stream}__{name}"] for name in ("valid", "ready"))

    def before(changes, time):
        return [value for at, value in changes if at < time][-1:] == ["1"]

    edges = [time for time, value in waves["replay_top.clk"] if value == "1" and time]
    return sum(before(valid, time) and before(ready, time) for time in edges)


def test_the_compiler_is_asked_once(monkeypatch):
    asked = []

    def run(command, **how):
        asked.append(how["input"])
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(wave.subprocess, "run", run)
    with pytest.raises(InputError):
        kind_of("x.fst", "verilator")
    assert asked == ["#include <lz4.h>\n#include <zlib.h>\n"]
