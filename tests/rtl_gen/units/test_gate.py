"""A gate's configuration: manifest, vectors, generated files; the defaults are the integer model's SiLU."""

import json

import pytest

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import Unit
from qse_hw.golden.reference.gate import gate_scalar
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.gate import GateConfig
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.pointwise.small import SMALL
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

PLAIN = GateConfig(**SMALL)
FULL = GateConfig(lanes=3, target="ecp5")


def test_names():
    assert unit_class("gate") is GateConfig
    assert (PLAIN.top, PLAIN.label, FULL.label) == (
        "qse_gate", "gate s8e-4 s10e-6", "gate s16e-10 s18e-12 ecp5 x3"
    )  # fmt: skip


def test_the_default_is_the_integer_models():
    unit = Unit("silu", FixedPoint(bits=16, exponent=-10), FixedPoint(bits=18, exponent=-12))
    assert FULL.silu.arithmetic == unit.core


def test_manifest():
    document = json.loads(json.dumps(manifest(emit(PLAIN))))
    assert document["parameters"] == {
        "unit": "gate", "input": "s8e-4", "output": "s10e-6", "error": "1/64", "lanes": 1, "target": "generic"
    }  # fmt: skip
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["shift"] == (
        6, "how far products are shifted right, 0 to 63; sampled with each accepted beat of values"
    )  # fmt: skip
    assert ports["gate__payload"] == (8, "gates, s8e-4, 8 bits each, lane 0 in the low bits")


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_vectors(config):
    """Every gate, also those that 16 bits have."""
    arrays = config.vectors()
    assert len(set(arrays["gates"].tolist())) == 1 << config.input.width
    for n in range(0, len(arrays["gates"]), 1 + len(arrays["gates"]) // 500):
        y, gate = int(arrays["inputs"][n]), int(arrays["gates"][n])
        want = gate_scalar(y, gate, int(arrays["shift"]), config.silu.arithmetic)
        assert (arrays["outputs"][n], arrays["saturated"][n]) == want
    assert 0 < arrays["saturated"].sum() < arrays["saturated"].size / 2


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong result. It has every gate."""
    outputs = config.beats().outputs.beats
    damage = (lambda text: off_by_one(text, outputs[0])) if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * len(outputs), damage)
