"""A whole mixer's netlist, made of a device's cells, equals the integer model in every value, too."""

from dataclasses import replace

import pytest

from qse_hw.sim.accelerator.accelerator import Accelerator
from qse_hw.study.netlist import netlists
from tests.golden.models.integer import small
from tests.sim.accelerator.test_accelerator import PER_TOKEN, Reference


@pytest.mark.full
def test_an_ecp5s_netlist(small_config, tmp_path):
    config = replace(small_config, target="ecp5")
    accelerator = Accelerator(config, tmp_path, share=200, short=True, build=netlists("ecp5"))
    reference = Reference(accelerator.parameters)
    for token in small.text().tolist()[:3]:
        assert reference.check(token, accelerator.step(token)) == PER_TOKEN
    accelerator.close()
