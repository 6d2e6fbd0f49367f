"""The simulation is the model itself where its hook changes nothing, and the hook sees every tensor."""

import torch

from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.simulation import run
from qse_hw.golden.models.integer.transformations import Transformations
from tests.golden.models.integer import small

NAMES = {*Mamba1Formats.OPERANDS, *Mamba1Formats.LOCALS, *Mamba1Formats.FIXED, "inflow", "state"}


def test_logits_and_tensors():
    model = small.copy().double()
    ids = small.text()[:30].view(2, 15)
    seen: dict[tuple[int, str], list[tuple[int, ...]]] = {}

    def see(layer, name, value):
        seen.setdefault((layer, name), []).append(tuple(value.shape))
        return value

    with torch.no_grad():
        logits = run(Transformations().model(model), ids, see)
        assert float((logits - model(ids)).abs().max()) < 1e-10
    assert seen.keys() == {(layer, name) for layer in range(2) for name in NAMES} | {(2, "norm_f")}
    assert seen[1, "state"] == [(2, 48, 4)] * 15
    widths = {"norm": 24, "dt_low": 3, "B": 4, "C": 4}
    for name in NAMES - {"state"}:
        assert seen[0, name] == [(2, 15, widths.get(name, 48))]


def test_what_the_hook_returns_is_used():
    changed = Transformations().model(small.model())
    ids = small.text()[None, :12]
    with torch.no_grad():
        before = run(changed, ids, lambda layer, name, value: value)
        for wanted in (*NAMES, "norm_f"):
            after = run(changed, ids, lambda layer, name, value: value * 1.01 if name == wanted else value)  # noqa: B023
            assert float((after - before).abs().max()) > 1e-6, wanted
