"""The simulation is the model itself where its hook changes nothing, and the hook sees every tensor."""

import pytest
import torch

from qse_hw.golden.models.integer.simulation import run
from qse_hw.golden.models.integer.transformations import Transformations
from tests.golden.models.integer import small

WIDTHS = {
    "mamba1": {"norm": 24, "dt_low": 3, "B": 4, "C": 4},
    "mamba2": {"norm": 24, "conv_input": 64, "conv_sum": 64, "dt": 4, "dt_sum": 4, "delta": 4, "B": 8, "C": 8},
}


def names_of(kind: str) -> set[str]:
    layer = small.KINDS[kind][1]
    return {*layer.OPERANDS, *layer.LOCALS, *layer.FIXED, "inflow", "state"}


@pytest.mark.parametrize("kind", small.KINDS)
def test_logits_and_tensors(kind):
    model, names = small.copy(kind).double(), names_of(kind)
    ids = small.text()[:30].view(2, 15)
    seen: dict[tuple[int, str], list[tuple[int, ...]]] = {}

    def see(layer, name, value):
        seen.setdefault((layer, name), []).append(tuple(value.shape))
        return value

    with torch.no_grad():
        logits = run(Transformations().model(model), ids, see)
        assert float((logits - model(ids)).abs().max()) < 1e-10
    assert seen.keys() == {(layer, name) for layer in range(2) for name in names} | {(2, "norm_f")}
    assert seen[1, "state"] == [(2, 48, 4)] * 15
    for name in names - {"state"}:
        assert seen[0, name] == [(2, 15, WIDTHS[kind].get(name, 48))], name


@pytest.mark.parametrize("kind", small.KINDS)
def test_what_the_hook_returns_is_used(kind):
    changed = Transformations().model(small.model(kind))
    ids = small.text()[None, :12]
    with torch.no_grad():
        before = run(changed, ids, lambda layer, name, value: value)
        for wanted in (*names_of(kind), "norm_f"):
            after = run(changed, ids, lambda layer, name, value: value * 1.01 if name == wanted else value)  # noqa: B023
            assert float((after - before).abs().max()) > 1e-6, wanted
