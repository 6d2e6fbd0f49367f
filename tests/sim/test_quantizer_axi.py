"""The emitted quantizer in a real simulator, driven by cocotbext-axi, which knows nothing of ours."""

import json
import sys

import pytest
from cocotb_tools.runner import get_results

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import format_to_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.sim.simulators import simulate
from tests.sim.public_ports import with_public_ports
from tests.sim.quantizer_bench import FOLDER_VARIABLE
from tests.simulators import icarus

SIMULATORS = ("verilator", icarus)
TEN_BITS = SegmentedFormat(  # codes of two bytes, steps that fall and rise
    name="ten", bits=10, kind="offset", zero_point=80,
    segments=(
        Segment(codes=16, log2_step=1, first_code=700),
        Segment(codes=200, log2_step=-1, first_code=100),
        Segment(codes=300, log2_step=2, first_code=300),
        Segment(codes=50, log2_step=1, first_code=0),
    ),
)  # fmt: skip
CONFIGS = {
    "se8": QuantizerConfig(format=load_format("se8"), input=input_type("bf16"), scale=Scale.from_step(0.0176), lanes=3),
    "se8-silu": QuantizerConfig(
        format=load_format("se8-silu"), input=input_type("s12"), scale=Scale.from_step(9.3, 12), lanes=2
    ),
    "ten": QuantizerConfig(format=TEN_BITS, input=input_type("fp32"), scale=Scale.from_step(0.1, 20)),
}
full = pytest.mark.full
TESTBENCHES = ("quantizer_testbench", "quantizer_registers_testbench")


@pytest.fixture(scope="module", params=SIMULATORS)
def simulator(request):
    return request.param


@pytest.fixture(scope="module", params=["se8", *(pytest.param(name, marks=full) for name in ("se8-silu", "ten"))])
def built(request, simulator, tmp_path_factory):
    """A folder with the compiled unit and its generated files."""
    folder, config = tmp_path_factory.mktemp(request.param), CONFIGS[request.param]
    unit = emit(config)
    assert format_to_json(config.format) == config.parameters()["format"]
    (folder / "parameters.json").write_text(json.dumps(config.parameters()))
    for name, text in config.files().items():
        (folder / name).write_text(text)
    (folder / "unit.v").write_text(with_public_ports(unit))
    simulate.build([folder / "unit.v"], config.top, folder, simulator, short=True)
    return folder


@pytest.mark.full
@pytest.mark.every(2)
@pytest.mark.parametrize("testbench", TESTBENCHES)
def test_under_an_independent_master(built, simulator, testbench):
    environment = {FOLDER_VARIABLE: str(built), "PYTHONPATH": ":".join(filter(None, sys.path))}
    (built / "results.xml").unlink(missing_ok=True)
    simulate.run(f"tests.sim.{testbench}", "qse_quantizer", built, simulator, environment, lambda: None)
    log = (built / "run.log").read_text()
    tests, failures = get_results(built / "results.xml")
    assert failures == 0, "\n".join(line.strip() for line in log.splitlines() if " INFO " not in line)[:20000]
    assert tests == log.count("running tests.sim."), log[-3000:]
    assert tests >= 8
