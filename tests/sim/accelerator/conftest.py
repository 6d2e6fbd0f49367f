"""A small Mamba-1 with formats that its layers share, as files, and its accelerator in Verilog."""

import pytest
import torch

from qse_hw.golden.models.integer.document import write_formats
from qse_hw.golden.models.mamba.checkpoint import save_model
from qse_hw.rtl_gen.units.model import ModelConfig
from qse_hw.sim.accelerator.accelerator import Accelerator
from tests.golden.models.integer import small


@pytest.fixture(scope="session")
def small_config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    save_model(small.model(), folder / "model", dtype=torch.float32)
    write_formats(folder / "formats.json", small.formats(local_bits=16, mode="shared"))
    return ModelConfig(
        model=str(folder / "model"), calibration=str(folder / "formats.json"), rows=4, columns=4, scan_lanes=2,
        hadamard_lanes=2,
    )  # fmt: skip


@pytest.fixture(scope="session")
def accelerator(small_config, tmp_path_factory):
    made = Accelerator(small_config, tmp_path_factory.mktemp("accelerator"), share=150, seed=3, short=True)
    yield made
    made.close()
