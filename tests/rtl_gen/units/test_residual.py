"""A residual stream's configuration: manifest, vectors, generated files."""

import json

import numpy as np
import pytest

from qse_hw.golden.reference.residual import add_scalar
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.residual import ResidualConfig
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

PLAIN = ResidualConfig(size=6)
FULL = ResidualConfig(size=72, width=9, lanes=2, target="ecp5")


def test_names():
    assert unit_class("residual") is ResidualConfig
    assert (PLAIN.top, PLAIN.label, FULL.label) == ("qse_residual", "residual 6 s24", "residual 72 s9 ecp5 x2")


def test_manifest():
    document = json.loads(json.dumps(manifest(emit(FULL))))
    assert document["parameters"] == {"unit": "residual", "size": 72, "width": 9, "lanes": 2, "target": "ecp5"}
    assert (document["beats_per_vector"], document["latency"]) == (36, 5)
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["i__payload"] == (
        19,
        "values, two's complement, 9 bits each, lane 0 in the low bits; top bit: they replace the old ones; beats per "
        "vector: 36",
    )


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_vectors(config):
    arrays = config.vectors()
    old = np.zeros(config.size, np.int64)
    for x, load, new, clamped in zip(*(arrays[n] for n in ("inputs", "load", "outputs", "saturated")), strict=True):
        old = np.where(load, 0, old)
        assert [add_scalar(*pair, config.width) for pair in zip(old.tolist(), x.tolist(), strict=True)] == list(
            zip(new.tolist(), clamped.tolist(), strict=True)
        )
        old = new
    assert 0 < arrays["saturated"].sum() < arrays["saturated"].size / 2
    assert arrays["load"].sum() == 3


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong sum."""
    outputs = config.beats().outputs.beats
    damage = (lambda text: off_by_one(text, outputs[0])) if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * len(outputs), damage)
