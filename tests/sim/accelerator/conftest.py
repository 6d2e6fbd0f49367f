"""A small Mamba-1 with formats that its layers share, as files, and its accelerator in Verilog."""

import pytest

from qse_hw.rtl_gen.units.model import ModelConfig
from qse_hw.sim.accelerator.accelerator import Accelerator
from tests.golden.models.integer import small


@pytest.fixture(scope="session")
def small_config(tmp_path_factory):
    files = small.saved(tmp_path_factory.mktemp("small"))
    return ModelConfig(**files, rows=4, columns=4, scan_lanes=2, hadamard_lanes=2)


@pytest.fixture(scope="session")
def accelerator(small_config, tmp_path_factory):
    made = Accelerator(small_config, tmp_path_factory.mktemp("accelerator"), share=150, seed=3, short=True)
    yield made
    made.close()
