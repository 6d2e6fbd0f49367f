"""The model of a unit, found by the unit's name."""

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.sim.cycle import model
from qse_hw.sim.cycle.decoder import DecoderModel
from qse_hw.sim.cycle.encoder import EncoderModel
from qse_hw.sim.cycle.hadamard import HadamardModel
from qse_hw.sim.cycle.linear import LinearModel
from tests.golden.formats import oracles

SE8 = oracles.make("se8")


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (EncoderConfig(format=SE8, input=input_type("s8")), EncoderModel),
        (DecoderConfig(format=SE8), DecoderModel),
        (HadamardConfig(size=12, width=8), HadamardModel),
        (LinearConfig(format=SE8, inputs=4, outputs=2), LinearModel),
    ],
)
def test_by_name(config, kind):
    assert type(model(config)) is kind
