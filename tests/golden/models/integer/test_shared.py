"""What hardware that serves all layers takes from the formats, or the tensor and the layers that prevent it."""

from dataclasses import replace
from functools import cache

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import input_of
from qse_hw.golden.models.integer.shared import UNIT_TYPES, shared_formats
from tests.golden.models.integer import small

REMEDY = "; calibrate with --mode shared"


@cache
def shared(kind="mamba1", **options):
    return small.formats(kind, mode="shared", **options)


def changed(formats, number=1, **changes):
    layers = list(formats.layers)
    layers[number] = replace(layers[number], **changes)
    return replace(formats, layers=tuple(layers))


@pytest.mark.every(2)
@pytest.mark.parametrize("kind", list(small.KINDS))
@pytest.mark.parametrize("local_bits", [8, 16])
def test_every_tensor_is_shared_in_one_way(kind, local_bits):
    formats = shared(kind, local_bits=local_bits)
    common, first = shared_formats(formats), formats.layers[0]
    own = {*first.OPERANDS, *first.LOCALS, *first.FIXED, "state", *(["A"] if kind == "mamba1" else [])}
    coded_gate = {"gate"} if local_bits == 8 else set()
    assert common.segmented.keys() | common.units.keys() | common.bits.keys() == own
    assert common.segmented.keys() & common.units.keys() == coded_gate
    assert not common.bits.keys() & (common.segmented.keys() | common.units.keys())
    assert common.units.keys() == set(UNIT_TYPES)
    assert common.segmented["norm"] == formats.norm_f.format
    assert common.units["gate"] == input_of(first.gate)
    assert common.units["delta"] == first.delta
    assert common.bits["scan"] == 16
    assert common.rounding == "nearest"


def test_scales_and_exponents_that_no_unit_depends_on_are_each_layer_s_own():
    formats = shared(local_bits=8)
    layer = formats.layers[1]
    other = changed(
        formats,
        x=replace(layer.x, scale=Scale.from_step(3 * layer.x.scale.step)),
        B=replace(layer.B, scale=Scale.from_step(2 * layer.B.scale.step, 1)),
        scan=replace(layer.scan, exponent=layer.scan.exponent + 1),
        conv_input=replace(layer.conv_input, exponents=tuple(one + 1 for one in layer.conv_input.exponents)),
        A=replace(layer.A, exponent=layer.A.exponent + 1),
        state=replace(layer.state, exponents=tuple(one - 1 for one in layer.state.exponents)),
    )
    assert shared_formats(other) == shared_formats(formats)


OTHER = load_format("int8")
DIFFERENCES = {
    "x": (lambda layer: replace(layer.x, format=OTHER), "x"),
    "conv_input": (lambda layer: replace(layer.conv_input, format=OTHER), "conv_input"),
    "A": (lambda layer: replace(layer.A, format=OTHER), "A"),
    "delta": (lambda layer: replace(layer.delta, exponent=-12), "delta"),
    "C": (lambda layer: FixedPoint(bits=16, exponent=-8), "C"),
    "state": (lambda layer: replace(layer.state, format=24), "state"),
    "gate": (
        lambda layer: replace(layer.gate, scale=Scale.from_step(2 * layer.gate.scale.step, 1)), "the step of gate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences_are_named(name):
    change, words = DIFFERENCES[name]
    formats = shared(local_bits=8)
    with pytest.raises(InputError) as caught:
        shared_formats(changed(formats, **{name: change(formats.layers[1])}))
    assert str(caught.value) == (
        "Formats must be the same in all layers, as one piece of hardware serves them, but "
        f"{words} is another in layer 1 than in layer 0{REMEDY}"
    )


def test_other_differences_are_named():
    formats = shared(local_bits=8)
    state = replace(formats.layers[1].state, rounding="stochastic")
    with pytest.raises(InputError, match="but state's rounding is another in layer 1 than"):
        shared_formats(changed(formats, state=state))
    with pytest.raises(InputError, match=f"but norm_f's is another than norm's{REMEDY}$"):
        shared_formats(replace(formats, norm_f=replace(formats.norm_f, format=OTHER)))


@pytest.mark.parametrize(("others", "words"), [
    ((2, 4), "layers 2 and 4"), ((1, 2, 3), "layers 1, 2 and 3"),
    (range(1, 12), "layers 1, 2, 3, 4, 5, 6, 7, 8 and 3 more"),
])  # fmt: skip
def test_layers_are_named(others, words):
    formats = shared(local_bits=8)
    layers = [formats.layers[0]] * 12
    for number in others:
        layers[number] = replace(layers[number], x=replace(layers[number].x, format=OTHER))
    with pytest.raises(InputError, match=f"but x is another in {words} than in layer 0"):
        shared_formats(replace(formats, layers=tuple(layers)))
