"""demo: the whole path; in full only among the long tests."""

import json
import os
import subprocess
import sys

import pytest

from qse_hw.cli import demo, main
from qse_hw.golden.io.activations import read_activations


def test_the_first_failure_ends_it(monkeypatch, out):
    called = []

    def fail(command, words):
        called.append(command)
        return 2 if command == "capture" else 0

    monkeypatch.setattr(demo, "run_command", fail)
    with pytest.raises(SystemExit) as caught:
        main(["demo", "-o", str(out)])
    assert (caught.value.code, called) == (2, ["doctor", "capture"])
    assert os.listdir(out) == []


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


@pytest.mark.full
def test_all_of_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "qse_hw", "demo", "-o", str(tmp_path / "demo")], capture_output=True, encoding="utf-8",
        timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "demo"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    units = (
        f"{unit}/{name}"
        for unit in ("encoder", "decoder")
        for name in (
            "manifest.json", "vectors.npz", f"qse_{unit}.v", f"qse_{unit}.core",
            *(f"tb_qse_{unit}{end}" for end in (".v", "_i.hex", "_o.hex")),
        )
    )  # fmt: skip
    assert files == {
        "activations.safetensors", "calibration.json", "x.npy", "codes.npy", "decoded.npy", "replay.json", "synth.json",
        "synth.png", "compare.json", "eval.json", "plan.json", "bench.json", "picture.png",
        "generate.json", "accelerator.png", *units, "encoder/MULT18X18D.v",
    }  # fmt: skip
    assert all(name in done.stdout for name in files)
    tensors, _ = read_activations(folder / "activations.safetensors")
    assert next(iter(tensors.values())).shape[0] >= 2048
    values = sum(x.size for x in tensors.values())
    replay, compare, synth, generate = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("replay", "compare", "synth", "generate")
    )
    assert generate["mismatches"] == 0
    assert generate["tokens"] == generate["forms"]["integers"]["tokens"]
    assert "The whale " + generate["text"] in done.stdout
    assert [(run["values"], run["mismatches"]) for run in replay["runs"]] == [(values, 0)] * 2
    assert {row["differences"] for row in compare["equality"]} == {0}
    assert [unit["parameters"]["format"]["name"] for unit in synth["results"]] == ["se8", "int8"]
