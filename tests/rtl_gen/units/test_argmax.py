"""An arg max's configuration: manifest, vectors, generated files."""

import json

import pytest

from qse_hw.golden.reference.argmax import argmax_scalar
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.argmax import ArgmaxConfig
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

PLAIN = ArgmaxConfig(size=7)
FULL = ArgmaxConfig(size=30, width=9, lanes=3)


def test_names():
    assert unit_class("argmax") is ArgmaxConfig
    assert (PLAIN.top, PLAIN.label, FULL.label) == ("qse_argmax", "argmax 7 s24", "argmax 30 s9 x3")


def test_manifest():
    document = json.loads(json.dumps(manifest(emit(FULL))))
    assert document["parameters"] == {"unit": "argmax", "size": 30, "width": 9, "lanes": 3}
    assert (document["beats_per_token"], document["latency"]) == (10, 5)
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["o__payload"] == (
        14,
        "of a token, low bits: index of the largest value, the lowest among equals, 5 bits; above: the value, two's "
        "complement, 9 bits",
    )


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_vectors(config):
    arrays = config.vectors()
    results = list(zip(arrays["indices"], arrays["values"], strict=True))
    assert results == [argmax_scalar(token) for token in arrays["inputs"].tolist()]
    assert {0, config.size - 1} < set(arrays["indices"].tolist())
    assert len(config.beats().outputs.beats) * config.size == len(config.beats().inputs.beats) * config.lanes


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong result."""
    outputs = config.beats().outputs.beats
    damage = (lambda text: off_by_one(text, outputs[0])) if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * len(outputs), damage)
