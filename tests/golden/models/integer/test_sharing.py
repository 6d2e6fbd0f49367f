"""One format for every tensor in all layers: never worse than what one of the layers would choose for all."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.choose import Choice, quantizer_of
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.shared import shared_formats
from qse_hw.golden.models.integer.sharing import share_formats
from qse_hw.golden.models.integer.summary import Coded, Summary
from tests.golden.models.integer import small
from tests.golden.models.integer.small import Bits

EVEN = {"norm": 9, "norm_f": 9}
SPEC = parse_format("tuned:bits=5,segments=3,headroom=1")
SIZES = {"norm": 16, "x": 16, "gate": 1}  # bits of the scale's M


def layers_of(rng, weighted, sizes=(0.6, 2.0, 6.0)):
    """Summaries of layers whose distributions differ, and of norm_f; what each chooses by itself."""

    def coded(shape, scale_bits):
        values = (rng.standard_normal(600) * rng.exponential(shape, 600)).astype(np.float32)
        weights = rng.exponential(1.0, 600) / shape**2 if weighted else None
        return Coded(Histogram(values, weights), SPEC, scale_bits, weighted)

    summaries = [Summary("", {}, coded={name: coded(size, SIZES[name]) for name in SIZES}) for size in sizes]
    summaries.append(Summary("", {}, coded={"norm_f": coded(1.0, 16)}))
    own = [
        Choice(
            {name: quantizer_of(one) for name, one in summary.coded.items()},
            {"conv_sum": FixedPoint(bits=16, exponent=number - 9), "scan": FixedPoint(bits=16, exponent=-number)},
        )
        for number, summary in enumerate(summaries)
    ]
    own[-1] = replace(own[-1], fixed={})
    return summaries, own


def users(summaries, name):
    """The tensors that share a format."""
    tensors = [(number, name) for number, summary in enumerate(summaries) if name in summary.coded]
    return [*tensors, (len(summaries) - 1, "norm_f")] if name == "norm" else tensors


def losses(summaries, tensors, quantizers):
    """The sum of the squared errors, and the sum of their logarithms."""
    errors = [
        summaries[number].coded[name].histogram.squared_error(one)
        for (number, name), one in zip(tensors, quantizers, strict=True)
    ]
    return sum(errors), sum(map(math.log, errors))


@pytest.mark.every(4)
@pytest.mark.parametrize(("objective", "weighted"), [("loss", True), ("loss", False), ("x", False), ("output", True)])
def test_never_worse_than_the_best_of_the_layers_winners(rng, objective, weighted):
    summaries, own = layers_of(rng, weighted)
    choices = share_formats(summaries, own, objective)
    measured = 0 if objective == "loss" and weighted else 1
    for name in SIZES:
        tensors = users(summaries, name)
        chosen = [choices[number].coded[called] for number, called in tensors]
        assert len({one.format for one in chosen}) == 1
        winners = [own[number].coded[called] for number, called in tensors]
        fitters = [
            Fitter(summaries[number].coded[called].histogram, scale_bits=SIZES[name]) for number, called in tensors
        ]
        for winner in winners:
            rivals = [winner] * len(tensors) if name == "gate" else [one.scale_for(winner.format) for one in fitters]
            limit = losses(summaries, tensors, rivals)[measured]
            assert losses(summaries, tensors, chosen)[measured] <= limit + 1e-9 * abs(limit), name
        if name == "gate":
            assert len(set(chosen)) == 1, "a function unit's input"


def test_added_errors_and_equal_layers_choose_differently(rng):
    """Where one layer loses a thousand times as much, its errors decide the sum, and not the other."""
    summaries, own = layers_of(rng, weighted=True)
    first = summaries[0].coded["x"].histogram
    first.counts = first.counts * 1000
    tensors = users(summaries, "x")
    total, even = (
        [choices[number].coded["x"] for number, _ in tensors]
        for choices in (share_formats(summaries, own, objective) for objective in ("loss", "output"))
    )
    assert losses(summaries, tensors, total)[0] < losses(summaries, tensors, even)[0]
    assert losses(summaries, tensors, total)[1] > losses(summaries, tensors, even)[1]


def test_types_of_function_units_are_as_coarse_as_any_layer_s(rng):
    summaries, own = layers_of(rng, weighted=False)
    fixed = [choice.fixed for choice in share_formats(summaries, own, "x")]
    assert [one["conv_sum"].exponent for one in fixed[:3]] == [-7, -7, -7]
    assert [one["scan"].exponent for one in fixed[:3]] == [0, -1, -2]
    assert fixed[3] == {}


@pytest.mark.full
@pytest.mark.every(4)
@pytest.mark.parametrize("kind", list(small.KINDS))
@pytest.mark.parametrize("options", [
    {"local_bits": 8, "objective": "loss"}, {"local_bits": 16, "objective": "x", "state": "se8"},
], ids=["loss", "x"])  # fmt: skip
def test_a_model_whose_layers_share_formats(kind, options):
    spec = "tuned:bits=6,segments=2"
    free, shared = (small.formats(kind, spec=spec, mode=mode, **options) for mode in ("free", "shared"))
    common = shared_formats(shared)
    assert shared.mode == "shared"
    assert free.mode == "free"
    with pytest.raises(InputError, match="calibrate with --mode shared"):
        shared_formats(free)
    assert len(common.segmented["x"].segments) <= 2
    assert shared.layers[0].x.scale != shared.layers[1].x.scale
    ids = small.text()[512:].view(4, 128)
    with torch.no_grad():
        exact = small.model(kind)(ids)
    quality = {}
    for formats in (free, shared):
        error = IntegerMamba.of(small.model(kind), formats)(ids) - exact
        quality[formats.mode] = float(10 * torch.log10(exact.square().mean() / error.square().mean()))
    assert quality["shared"] > quality["free"] - 3
    assert quality["shared"] > 10


def test_a_given_format_is_shared_anyway():
    """Only a function unit's coded input then has another scale."""
    free, shared = (small.formats(local_bits=8, mode=mode) for mode in ("free", "shared"))
    for one, other in zip(free.layers, shared.layers, strict=True):
        for name in (*one.OPERANDS, "conv_input", "B", "C"):
            assert getattr(one, name) == getattr(other, name)
    assert shared.layers[0].gate == shared.layers[1].gate
    assert shared.norm_f == free.norm_f


@pytest.mark.full
@pytest.mark.parametrize("local_bits", [8, 16])
def test_the_measured_objective_shares_too(local_bits):
    formats = small.formats(spec="tuned:segments=2", objective="model", local_bits=local_bits, mode="shared")
    assert shared_formats(formats).segmented["x"].bits == 8


def test_modes_that_cannot_be_shared_are_refused():
    with pytest.raises(InputError, match="Mode of an integer model must be one of free, shared, not 'runtime'"):
        Options(mode="runtime")
    with pytest.raises(InputError, match=r"Bits of norm and norm_f must be equal .* formats, not 9 and 8: one RMSNorm"):
        small.formats(mode="shared", spec="tuned", bits=Bits({"norm": 9}))
    spec = "tuned:bits=5,segments=1"
    common = shared_formats(small.formats(mode="shared", spec=spec, local_bits=16, bits=Bits(EVEN)))
    assert common.segmented["norm"].bits == 9
