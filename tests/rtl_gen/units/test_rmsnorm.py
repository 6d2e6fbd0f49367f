"""An RMSNorm's configuration: manifest, vectors, generated files."""

import json

import pytest

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.norm import normalize_scalar
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.formats import make
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

PLAIN = RmsnormConfig(format=make("se8"), size=6, eps=10)
FULL = RmsnormConfig(format=make("se8-silu"), size=72, width=20, eps=1000, lanes=2, target="ecp5")


def test_names():
    assert unit_class("rmsnorm") is RmsnormConfig
    assert (PLAIN.top, PLAIN.label) == ("qse_rmsnorm", "rmsnorm se8 6 s24")
    assert FULL.label == "rmsnorm se8-silu 72 s20 ecp5 x2"


@pytest.mark.full
def test_manifest():
    document = json.loads(json.dumps(manifest(emit(FULL))))
    parameters = document["parameters"]
    assert parameters.pop("format")["name"] == "se8-silu"
    assert parameters == {
        "unit": "rmsnorm", "size": 72, "width": 20, "eps": 1000, "error": "1/32768", "degree": 1, "lanes": 2,
        "target": "ecp5",
    }  # fmt: skip
    assert (document["beats_per_token"], document["sum_bits"]) == (36, 45)
    assert 0 < document["root_error"] < 2**-13
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["scale_k"] == (9, "k of the scale, two's complement, -84 to 84; sampled with a token's last beat")


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_vectors(config):
    arrays = config.vectors()
    scale = Scale(M=int(arrays["scale_m"]), k=int(arrays["scale_k"]))
    for values, codes, saturated in zip(arrays["inputs"], arrays["codes"], arrays["saturated"], strict=True):
        want = normalize_scalar(values.tolist(), config.root, config.eps, scale, config.format)
        assert codes.tolist() == [one.code for one in want]
        assert saturated.tolist() == [one.saturated for one in want]
    assert 0 < arrays["saturated"].sum() < arrays["saturated"].size / 2


@pytest.mark.full
@pytest.mark.every(3)
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong constant."""
    codes = config.vectors()["codes"]
    damage = (lambda text: off_by_one(text, int(codes[-1, 0]))) if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * codes.size // config.lanes, damage)
