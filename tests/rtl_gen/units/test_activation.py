"""An activation's configuration: manifest, vectors, generated files; the defaults are the integer model's SiLU."""

import json

import pytest

from qse_hw.golden.formats.scalar import dequantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import silu_unit
from qse_hw.golden.reference.activation import activate_scalar
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.activation import ActivationConfig
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.formats import make
from tests.rtl_gen.pointwise.small import SMALL
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

PLAIN = ActivationConfig(format=make("se8"), **SMALL)
FULL = ActivationConfig(format=make("se8-silu"), lanes=3, target="ecp5")


def test_names():
    assert unit_class("activation") is ActivationConfig
    assert (PLAIN.top, PLAIN.label) == ("qse_activation", "activation se8 s8e-4 s10e-6")
    assert FULL.label == "activation se8-silu s16e-10 s18e-12 ecp5 x3"


def test_the_default_is_the_integer_models():
    assert FULL.silu.arithmetic == silu_unit(FixedPoint(bits=16, exponent=-10)).core


def test_manifest():
    document = json.loads(json.dumps(manifest(emit(PLAIN))))
    assert {name: document["parameters"][name] for name in ("unit", "input", "output", "error", "scale_bits")} == {
        "unit": "activation", "input": "s8e-4", "output": "s10e-6", "error": "1/64", "scale_bits": 16
    }  # fmt: skip
    assert document["format"]["fraction_bits"] == make("se8").fraction_bits
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["o__payload"] == (
        8 + 11,
        "of each lane, lane 0 in the low bits: code, 8 bits; above: its value in fine steps, two's complement, 11 "
        "bits",
    )


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_vectors(config):
    arrays = config.vectors()
    scale = Scale(M=int(arrays["scale_m"]), k=int(arrays["scale_k"]))
    assert len(set(arrays["inputs"].tolist())) == 1 << config.input.width
    for n in range(0, len(arrays["inputs"]), 1 + len(arrays["inputs"]) // 500):
        one = activate_scalar(int(arrays["inputs"][n]), config.silu.arithmetic, scale, config.format)
        assert (arrays["codes"][n], arrays["saturated"][n]) == (one.code, one.saturated)
        assert arrays["values"][n] == dequantize(one.code, config.format)
    assert 0 < arrays["saturated"].sum() < arrays["saturated"].size / 4
    assert len(arrays["inputs"]) % config.lanes == 0


@pytest.mark.full
@pytest.mark.parametrize(
    ("config", "simulator"),
    [
        (PLAIN, "verilator"),
        pytest.param(PLAIN, *icarus.values, marks=icarus.marks),
        (FULL, "verilator"),  # every 16-bit value takes Icarus minutes
    ],
    ids=lambda value: getattr(value, "label", value),
)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong code."""
    outputs = config.beats().outputs.beats
    damage = (lambda text: off_by_one(text, outputs[0])) if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * len(outputs), damage)
