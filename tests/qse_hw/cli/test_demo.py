"""demo: what ends it, and what it says at the end; tests.package runs it."""

import os
import re

import pytest

from qse_hw.cli import demo, main
from qse_hw.synth import yosys


def test_the_first_failure_ends_it(monkeypatch, out):
    called = []

    def fail(command, words):
        called.append(command)
        return 2 if command == "capture" else 0

    monkeypatch.setattr(demo, "run_command", fail)
    monkeypatch.setattr(yosys, "start", called.append)
    with pytest.raises(SystemExit) as caught:
        main(["demo", "-o", str(out)])
    assert (caught.value.code, called) == (2, ["doctor", yosys.YOSYS, yosys.NEXTPNR, "capture"])
    assert os.listdir(out) == []


def test_a_step_says_what_it_is_for_and_how_long_it_took(monkeypatch, capsys):
    monkeypatch.setattr(demo, "run_command", lambda command, words: print(f"{command} ran with {words}"))
    demo._step("Find the tools", "doctor", "--json", 3)
    first, typed, ran, took = capsys.readouterr().out.splitlines()
    assert first.startswith("Find the tools ─")
    assert typed == "$ python -m qse_hw doctor --json 3"
    assert ran == "doctor ran with ['--json', '3']"
    assert re.fullmatch(r"took \d+\.\d s", took)


def test_summary():
    figures = {
        "replay": {"runs": [{"run": "full speed", "values": 12345, "mismatches": 0}]},
        "synth": {
            "results": [
                {
                    "parameters": {"format": {"name": "se8"}, "input": "bf16"},
                    "area": {"comb": 210, "ff": 99, "dsp": 1},
                    "fmax": {"median": 171.4},
                }
            ]
        },
        "compare": {"sqnr_db": {"int8": [30.0, 32.0]}, "equality": [{"differences": 0}, {"differences": 0}]},
        "eval": {
            "formats": {
                "se8": {"worst": {"held_out": {"distance_db": 8.04}}, "kl": {"mean": 7.2e-5}},
                "tuned": {"worst": {"held_out": {"distance_db": 0.76}}, "kl": {"mean": 2.4e-5}},
            }
        },
        "bench": {
            "quantize": {"speed_relative_to": {"se8, NumPy": {"INT8": 0.5}}},
            "replay": {"ratio": {"full speed": 21.4}},
        },
        "generate": {"values_compared": 12345, "mismatches": 0, "prompt": "The ", "text": "whale"},
    }
    assert demo._summary(figures) == [
        ["SQNR, mean over layers", "int8 31.0 dB"],
        ["below the 8-bit limit, worst layer", "se8 8.0 dB, tuned 0.8 dB"],
        ["KL of the model's output, x 1e-6 nat", "se8 72, tuned 24"],
        ["PyTorch against golden", "0 differences"],
        ["replay, full speed", "12,345 values, 0 mismatches"],
        ["encoder se8, bf16", "210 COMB, 99 FF, 1 DSP, 171 MHz"],
        ["se8 in NumPy, speed", "0.50 x INT8"],
        ["replay, speed", "21 x a one-lane testbench"],
        ["accelerator against integer model", "12,345 values, 0 mismatches"],
        ["written by the Verilog", "The whale"],
    ]
