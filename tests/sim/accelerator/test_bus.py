"""The emitted accelerator on its buses: cocotbext-axi is the host and the memory with the image."""

import json
import sys

import numpy as np
import pytest
from cocotb_tools.runner import get_results

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.rtl_gen.accelerator.image_words import image_bytes
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from qse_hw.sim.simulators import simulate
from tests.golden.models.integer import small
from tests.sim.accelerator.bus_bench import FOLDER_VARIABLE
from tests.sim.public_ports import with_public_ports

BUSES = {
    "64": {"bus_bits": 64, "burst_beats": 16, "rows": 4, "columns": 4, "hadamard_lanes": 2},
    "128": {"bus_bits": 128, "burst_beats": 256, "rows": 4, "columns": 2, "hadamard_lanes": 2},
    "narrow": {"bus_bits": 128, "burst_beats": 1, "rows": 4, "columns": 1, "address_bits": 40, "bursts": 2},
}


@pytest.fixture(scope="module", params=BUSES)
def built(request, tmp_path_factory):
    """A folder with the compiled unit, an image, and what the integer model says to two sequences."""
    folder = tmp_path_factory.mktemp("bus")
    config = AcceleratorConfig(**small.saved(folder), scan_lanes=2, **BUSES[request.param])
    parameters = config.integers
    image_bytes(config.integers, config.mixer, folder)
    ids, model, tokens = small.text().numpy(), IntegerMamba(parameters), {}
    for name, own in (("first", ids[:4]), ("second", ids[40:42])):
        tokens |= {f"{name}_ids": own, f"{name}_logits": model.forward(own[None], model.start(1))[0]}
    np.savez(folder / "tokens.npz", **tokens)
    (folder / "built.json").write_text(json.dumps(config.facts() | config.parameters()))
    (folder / "unit.v").write_text(with_public_ports(emit(config)))
    simulate.build([folder / "unit.v"], config.top, folder, "verilator", short=True)
    return folder


@pytest.mark.full
def test_beside_the_integer_model(built):
    environment = {FOLDER_VARIABLE: str(built), "PYTHONPATH": ":".join(filter(None, sys.path))}
    module = "tests.sim.accelerator.bus_testbench"
    simulate.run(module, "qse_accelerator", built, "verilator", environment, lambda: None)
    log = (built / "run.log").read_text()
    tests, failures = get_results(built / "results.xml")
    assert failures == 0, "\n".join(line.strip() for line in log.splitlines() if " INFO " not in line)[:20000]
    assert tests == 7
