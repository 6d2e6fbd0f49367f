"""What the tests of compiled units share."""

import pytest

from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.sim.exhaust.bulk import Bulk
from tests.golden.formats import oracles


@pytest.fixture(scope="session")
def decoder(tmp_path_factory):
    """A compiled decoder of se8, two lanes."""
    return Bulk(DecoderConfig(format=oracles.make("se8"), lanes=2), tmp_path_factory.mktemp("decoder"))
