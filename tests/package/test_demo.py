"""demo: the whole path, of the installed package, as in :mod:`tests.package.test_commands`."""

import json

import pytest

from qse_hw.golden.io.activations import read_activations


@pytest.mark.full
def test_all_of_it(command, tmp_path):
    said = command("demo -o made")
    folder = tmp_path / "made"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    units = (
        f"{unit}/{name}"
        for unit in ("encoder", "decoder")
        for name in (
            "manifest.json", "vectors.npz", f"qse_{unit}.v", f"qse_{unit}.vlt", f"qse_{unit}.core",
            *(f"tb_qse_{unit}{end}" for end in (".v", "_i.hex", "_o.hex")),
        )
    )  # fmt: skip
    assert files == {
        "activations.safetensors", "calibration.json", "x.npy", "codes.npy", "decoded.npy", "replay.json", "synth.json",
        "synth.png", "compare.json", "eval.json", "plan.json", "bench.json", "picture.png",
        "generate.json", "accelerator.png", *units, "encoder/MULT18X18D.v",
    }  # fmt: skip
    assert all(name in said for name in files)
    tensors, _ = read_activations(folder / "activations.safetensors")
    assert next(iter(tensors.values())).shape[0] >= 2048
    values = sum(x.size for x in tensors.values())
    replay, compare, synth, generate = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("replay", "compare", "synth", "generate")
    )
    assert generate["mismatches"] == 0
    assert generate["tokens"] == generate["forms"]["integers"]["tokens"]
    assert "The whale " + generate["text"] in said
    assert [(run["values"], run["mismatches"]) for run in replay["runs"]] == [(values, 0)] * 2
    assert {row["differences"] for row in compare["equality"]} == {0}
    assert [unit["parameters"]["format"]["name"] for unit in synth["results"]] == ["se8", "int8"]
