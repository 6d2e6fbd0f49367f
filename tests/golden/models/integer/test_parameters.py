"""Sums that could be too wide, whatever the inputs, are refused by layer and tensor."""

from dataclasses import replace

import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import LOCAL_BITS, FixedPoint
from qse_hw.golden.models.integer.parameters import model_parameters
from qse_hw.golden.models.integer.products import convolution
from qse_hw.golden.models.integer.scan import scan
from tests.golden.models.integer import small

KINDS = pytest.mark.parametrize("kind", small.KINDS)


@KINDS
def test_sums_of_the_scan(kind):
    layer = small.formats(kind, local_bits=16).layers[0]
    scan(layer, [1.0] * 48, 4, "Layer 0")
    with pytest.raises(InputError, match="Layer 0: scan's sums must be below 2\\^53, but reach"):
        scan(layer, [1.0] * 47 + [1e9], 4, "Layer 0")


def test_sums_of_the_convolution():
    inputs, sums = FixedPoint(bits=16, exponent=-10), FixedPoint(bits=16, exponent=-8)
    weight = torch.ones(2, 1, 4)
    assert convolution(weight, torch.ones(2), inputs, sums, "Conv").bias.tolist() == [127 * 1024] * 2
    with pytest.raises(InputError, match="Conv: sums must fit into int32, but reach"):
        convolution(weight, torch.tensor([0, 1e5]), inputs, sums, "Conv")


@KINDS
def test_products_of_function_values(kind):
    """They are exact in float64, whatever the values; multipliers have 16 bits, and codes' values at most 16."""
    layer = model_parameters(small.model(kind), small.formats(kind, local_bits=16)).layers[0]
    f, M, code = layer.formats, (1 << 16) - 1, 1 << (LOCAL_BITS - 1)
    assert (f.delta.high + 1) * code * M < 1 << 53
    assert (f.delta.high + 1) * int(layer.A.max()) < 1 << 53
    assert (layer.silu.output.high + 1) * M < 1 << 53
    assert (f.scan.high + 1) * (f.silu_gate.high + 1) < 1 << 53


ENTRIES = {
    "mamba1": {"conv_input": ("exponents",), "dt": ("exponents",), "A": ("base", "shifts"), "state": ("exponents",)},
    "mamba2": {"conv_input": ("scales",), "state": ("exponents",)},
}
"""What formats say of each channel, head or state."""


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in ENTRIES.items() for name in names])
def test_formats_without_an_entry(kind, name):
    """As many as the weights have must be there; a damaged document may lack one."""
    formats = small.formats(kind, local_bits=8)
    layer = formats.layers[0]
    changed = getattr(layer, name)
    changed = {name: replace(changed, **{entry: getattr(changed, entry)[1:] for entry in ENTRIES[kind][name]})}
    if name == "state" and len(layer.inflow) > 1:
        changed["inflow"] = layer.inflow[1:]
    layers = (replace(layer, **changed), *formats.layers[1:])
    with pytest.raises(InputError, match=r"must have an? .* for each of \d+ (channels|states|rows), not \d+"):
        model_parameters(small.model(kind), replace(formats, layers=layers))


def test_formats_of_another_architecture():
    other = replace(
        small.formats("mamba1", local_bits=16), layers=small.formats("mamba2", local_bits=16).layers
    )
    with pytest.raises(InputError, match="Formats must be of a mamba1, as the model is, not of a mamba2"):
        model_parameters(small.model("mamba1"), other)
