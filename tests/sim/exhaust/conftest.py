"""How units are compiled: without optimization, unless many patterns go through them."""

from functools import partial

import pytest

from qse_hw.sim.exhaust import bulk


@pytest.fixture(scope="session", autouse=True)
def quickly_compiled(request):
    """Without ``--full``, compilation takes longer than the simulations."""
    with pytest.MonkeyPatch.context() as patch:
        if not request.config.getoption("full"):
            patch.setattr(bulk, "verilate", partial(bulk.verilate, short=True))
        yield
