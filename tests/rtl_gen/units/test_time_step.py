"""Time steps' configuration: manifest, vectors, generated files; the defaults are the integer model's softplus."""

import json

import numpy as np
import pytest

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import Unit
from qse_hw.golden.reference.time_step import sum_scalar
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.pointwise.small import SMALL
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

PLAIN = TimeStepConfig(channels=6, **SMALL)
FULL = TimeStepConfig(channels=70, lanes=2, target="ecp5")


def test_names():
    assert unit_class("time_step") is TimeStepConfig
    assert (PLAIN.top, PLAIN.label) == ("qse_time_step", "time_step 6 s8e-4 s10e-6")
    assert FULL.label == "time_step 70 s16e-10 s18e-13 ecp5 x2"


def test_the_default_is_the_integer_models():
    unit = Unit("softplus", FixedPoint(bits=16, exponent=-10), FixedPoint(bits=18, exponent=-13))
    assert FULL.softplus.arithmetic == unit.core


def test_manifest():
    document = json.loads(json.dumps(manifest(emit(PLAIN))))
    assert document["parameters"] == {
        "unit": "time_step", "channels": 6, "input": "s8e-4", "output": "s10e-6", "error": "1/64", "lanes": 1,
        "target": "generic",
    }  # fmt: skip
    assert (document["beats_per_token"], document["bias_bits"]) == (6, 10)
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["parameters__payload"] == (
        3 + 5 + 10,
        "low bits: address (channel); above: places by which dt is shifted left in 5 bits, bias, two's complement, in "
        "10",
    )


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_vectors(config):
    arrays, softplus = config.vectors(), config.softplus.arithmetic
    for token in range(0, len(arrays["inputs"]), 5):
        for c, dt in enumerate(arrays["inputs"][token].tolist()):
            total = sum_scalar(dt, int(arrays["places"][c]), int(arrays["bias"][c]), config.input.width)
            outside = not softplus.low <= total.value <= softplus.high
            assert (arrays["outputs"][token, c], arrays["saturated"][token, c]) == (
                softplus(total.value), total.saturated or outside
            )  # fmt: skip
    assert 0 < np.mean(arrays["saturated"]) < 0.7


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong time step."""
    outputs = config.beats().outputs.beats
    damage = (lambda text: off_by_one(text, outputs[3])) if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * len(outputs), damage)
