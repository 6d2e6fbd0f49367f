"""Calibrating a model: what is chosen for every layer, seen once."""

import gc
import math
import weakref

import numpy as np
import pytest

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import METHODS, LayerCalibration
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.percentile import percentile_step
from qse_hw.golden.calibration.sharing import MODES, fit_layers
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import se8

MODEL = "0123456789abcdef" * 4


def layers_of(tensors):
    return [Layer(x=x) for x in tensors.values()]


def choice_of(x, result, output_sqnr_db=None):
    sqnr = Histogram(x).sqnr_db(result)
    return LayerCalibration(format=result.format, scale=result.scale, sqnr_db=sqnr, output_sqnr_db=output_sqnr_db)


def by_least_squares(x, spec, scale_bits=16):
    fitter = Fitter(Histogram(x), scale_bits=scale_bits, steps=[percentile_step(x)])
    return choice_of(x, fitter.best(parse_format(spec)))


def by_percentile(x, spec, alpha=0.9995, scale_bits=16):
    return choice_of(x, Fitter(Histogram(x), scale_bits=scale_bits).at(parse_format(spec), percentile_step(x, alpha)))


def test_every_layer_by_both_methods(tensors, calibration):
    assert len(calibration.layers) == 3
    assert (calibration.model, calibration.format, calibration.alpha) == (MODEL, "se8", 0.9995)
    assert (calibration.tokens, calibration.channels) == (40, 24)
    assert (calibration.mode, calibration.objective) == ("free", "x")
    for layer, x in zip(calibration.layers, tensors.values(), strict=True):
        assert tuple(layer) == METHODS
        assert layer["least_squares"] == by_least_squares(x, "se8")
        assert layer["percentile"] == by_percentile(x, "se8")
    assert calibration.layer(2) is calibration.layers[2]["least_squares"]
    assert calibration.layer(1, "percentile") is calibration.layers[1]["percentile"]


def test_parameters_are_passed_on(tensors):
    seen = []
    calibration = calibrate(iter(layers_of(tensors)), "se8:L=5", alpha=0.9, scale_bits=8, progress=seen.append)
    assert seen == [0, 1, 2]
    assert (calibration.alpha, calibration.model) == (0.9, "")
    assert {choice.scale.bits for layer in calibration.layers for choice in layer.values()} == {8}
    assert {choice.format for layer in calibration.layers for choice in layer.values()} == {se8(5)}
    x = tensors["layers.0.x"]
    assert calibration.layer(0, "percentile") == by_percentile(x, "se8:L=5", alpha=0.9, scale_bits=8)


@pytest.mark.every(2)
@pytest.mark.parametrize("mode", ["runtime", "shared"])
def test_modes(tensors, mode):
    calibration = calibrate(layers_of(tensors), "tuned:bits=4,segments=2", mode=mode)
    fitters = [Fitter(Histogram(x)) for x in tensors.values()]
    chosen = fit_layers(fitters, parse_format("tuned:bits=4,segments=2"), mode)
    assert calibration.mode == mode
    assert calibration.layers == tuple(
        {
            "least_squares": choice_of(x, best),
            "percentile": by_percentile(x, "tuned:bits=4,segments=2"),
        }
        for x, best in zip(tensors.values(), chosen, strict=True)
    )


@pytest.mark.every(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("weighted", [False, True])
def test_layers_are_seen_one_at_a_time(tensors, mode, weighted):
    """When the next layer is asked for, nothing holds what the one before was."""
    seen, held = [], []

    def stream():
        for number, original in enumerate(tensors.values()):
            gc.collect()
            assert [which() for which in held] == [None] * len(held)
            x = original.copy()
            weights = np.ones_like(x) if weighted else None
            error = (lambda rivals, x=x: [1.0] * len(rivals)) if weighted else None
            held.extend(weakref.ref(kept) for kept in (x, weights, error) if kept is not None)
            seen.append(number)
            yield Layer(x=x, weights=weights, output_error=error)
            del x, weights, error
        gc.collect()
        assert [which() for which in held] == [None] * len(held)

    calibration = calibrate(stream(), "se8", mode=mode)
    assert seen == [0, 1, 2]
    assert len(held) == (9 if weighted else 3)
    assert len(calibration.layers) == 3
    if not weighted:
        assert calibration.layers == calibrate(layers_of(tensors), "se8", mode=mode).layers


def weighted_layer(rng):
    """A layer at whose output only the tail matters, and nothing beyond that is known of the quantizers."""
    z = 3 * rng.standard_normal((60, 24))
    x = (z / (1 + np.exp(-z))).astype(np.float32)
    weights = (1e-4 + (x > 4)).astype(np.float32)
    asked = []

    def output_error(quantizers):
        asked.append(list(quantizers))
        power = (weights * x * x).sum()
        return [float((weights * (quantizer.array(x) - x) ** 2).sum() / power) for quantizer in quantizers]

    return Layer(x=x, weights=weights, output_error=output_error), asked


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "spec", ["int8", "se8", "tuned:bits=4,segments=2,headroom=1", "tuned:segments=3,sign=0,headroom=1"]
)
def test_the_output_decides(rng, spec):
    layer, asked = weighted_layer(rng)
    calibration = calibrate([layer], spec, scale_bits=1 if spec.startswith("tuned:s") else 16)
    bits = calibration.layer(0).scale.bits
    assert calibration.objective == "output"
    best, quamba = calibration.layer(0), calibration.layer(0, "percentile")
    fitters = Fitter(Histogram(layer.x), scale_bits=bits), Fitter(Histogram(layer.x, layer.weights), scale_bits=bits)
    if spec == "tuned:segments=3,sign=0,headroom=1":
        rivals = [fitter.least_squares(parse_format(name)) for name in ("int8-asym", "se8-silu") for fitter in fitters]
    else:
        rivals = [fitter.least_squares(parse_format(spec)) for fitter in fitters]
    errors = layer.output_error([best.quantizer, quamba.quantizer, *rivals])
    assert errors[0] <= min(errors[2:])
    assert [best.output_sqnr_db, quamba.output_sqnr_db] == pytest.approx([-10 * math.log10(e) for e in errors[:2]])
    assert best.sqnr_db == Histogram(layer.x).sqnr_db(best.quantizer)  # of x itself, unweighted
    assert len(asked) == 2  # once by calibrate, for all at once
    assert errors[2] > errors[3] or "sign=0" in spec  # that one's rivals are presets, which 1-bit scales leave alike
    step = percentile_step(layer.x)
    assert quamba.quantizer == fitters[1].at(parse_format(spec), step)


def test_the_output_overrules_the_weights(rng):
    """Weights are an estimate; of the two optima the one that is better at the output is taken."""
    layer, _ = weighted_layer(rng)
    results = {}
    for name, error in (
        ("unweighted", lambda rivals: [float(((one.array(layer.x) - layer.x) ** 2).sum()) for one in rivals]),
        ("weighted", layer.output_error),
    ):
        results[name] = calibrate([Layer(x=layer.x, weights=layer.weights, output_error=error)], "int8").layer(0)
    assert results["unweighted"].quantizer == Fitter(Histogram(layer.x)).least_squares(parse_format("int8"))
    weighted = Fitter(Histogram(layer.x, layer.weights))
    assert results["weighted"].quantizer == weighted.least_squares(parse_format("int8"))
    assert results["weighted"].quantizer != results["unweighted"].quantizer


def test_an_output_without_error(tensors):
    x = tensors["layers.0.x"]
    layer = Layer(x=x, weights=np.ones_like(x), output_error=lambda rivals: [0.0] * len(rivals))
    calibration = calibrate([layer], "se8")
    assert calibration.layer(0).output_sqnr_db == 300  # JSON has no infinity


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda x: 0 * x, "Activations must not all be zero, a scale would be 0"),
        (lambda x: x * np.float32(1e37), r"Activations must have a peak from 2\*\*-70 to 2\*\*90"),
    ],
)
def test_errors_name_the_layer(tensors, mode, spoil, text):
    layers = layers_of(tensors)
    layers[1] = Layer(x=spoil(layers[1].x).astype(np.float32))
    seen = []
    with pytest.raises(InputError, match=rf"^Layer 1: {text}"):
        calibrate(layers, "se8", mode=mode, alpha=0.9, progress=seen.append)
    assert seen == [0]


def test_weights_that_do_not_fit(tensors):
    x = tensors["layers.0.x"]
    with pytest.raises(InputError, match=r"^Layer 0: Weights must have the activations' shape \(40, 24\), not "):
        calibrate([Layer(x=x, weights=np.ones((24, 40), np.float32))], "se8")
    with pytest.raises(InputError, match=r"^Layer weights must have values of shape .* not \(24,\)$"):
        Layer(x=x, weights=np.ones(24, np.float32))


def test_unknown_mode():
    def never():
        raise AssertionError("the layers were asked for")
        yield

    with pytest.raises(InputError, match=r"^Mode must be one of free, runtime, shared, not 'mine'$"):
        calibrate(never(), "se8", mode="mine")


@pytest.mark.every(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", ["se8", "se8-silu", "tuned:bits=3,segments=2"])
def test_a_percentile_that_cannot_be_had_is_none(tensors, mode, spec):
    """Layer 1 is zero up to the quantile."""
    layers = layers_of(tensors)
    layers[1] = Layer(x=np.where(np.arange(960).reshape(40, 24) == 7, np.float32(0.3), np.float32(0)))
    calibration = calibrate(layers, spec, mode=mode, alpha=0.9)
    assert [layer["percentile"] is None for layer in calibration.layers] == [False, True, False]
    assert calibration.layer(1).sqnr_db > 10
    with pytest.raises(InputError, match=r"^Method must be least_squares for layer 1, whose values have no percentile"):
        calibration.layer(1, "percentile")


def test_tuned_of_an_outlier(rng):
    """The percentile's step makes an axis longer than formats may have."""
    x = np.append(rng.standard_normal(9999), 300).astype(np.float32).reshape(100, 100)
    calibration = calibrate([Layer(x=x)], "tuned:bits=5,segments=2", alpha=0.9)
    assert calibration.layers[0]["percentile"] is None
    assert calibration.layer(0).sqnr_db > 10


def test_percentiles_of_offset_formats(rng):
    """At the percentile's step no zero point reaches the least value: it saturates, and least squares does better."""
    x = rng.standard_normal((50, 40)).astype(np.float32)
    for spec in ("se8-silu", "int8-asym"):
        calibration = calibrate([Layer(x=x)], spec)
        assert calibration.layer(0).sqnr_db >= calibration.layer(0, "percentile").sqnr_db


def test_none_at_the_output_too():
    x = np.where(np.arange(960).reshape(40, 24) == 7, np.float32(0.3), np.float32(0))
    layer = Layer(x=x, weights=np.ones_like(x), output_error=lambda rivals: [0.1] * len(rivals))
    calibration = calibrate([layer], "se8", alpha=0.9)
    assert calibration.layers[0]["percentile"] is None
    assert calibration.layer(0).output_sqnr_db == pytest.approx(10)


def test_integers(rng):
    x = np.append(rng.integers(-128, 128, 959), -128).astype(np.int8).reshape(40, 24)
    same = x.astype(np.float32)
    for spec in ("int8", "se8"):
        assert calibrate([Layer(x=x)], spec).layers == calibrate([Layer(x=same)], spec).layers
    assert calibrate([Layer(x=x)], "int8").layer(0).sqnr_db > 48


def test_layers_of_different_shapes(rng):
    shapes = [(40, 24), (20, 48), (40, 24)]
    calibration = calibrate([Layer(x=rng.standard_normal(shape).astype(np.float32)) for shape in shapes], "int8")
    assert (calibration.tokens, calibration.channels) == ((40, 20, 40), (24, 48, 24))
    alike = calibrate([Layer(x=rng.standard_normal((4, 3)).astype(np.float32))] * 2, "int8")
    assert (alike.tokens, alike.channels) == (4, 3)


@pytest.mark.parametrize("mode", MODES)
def test_no_layers(mode):
    with pytest.raises(InputError, match=r"^Layers must be at least one, not none$"):
        calibrate([], "se8", mode=mode)


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((), r"\(\)"),
        ((24,), r"\(24,\)"),
        ((2, 3, 4, 5), r"\(2, 3, 4, 5\)"),
        ((0, 4), r"\(0, 4\)"),
        ((4, 0), r"\(4, 0\)"),
        ((2, 0, 4), r"\(2, 0, 4\)"),
    ],
)
def test_shapes_that_make_no_sense(shape, shown):
    expected = r"Layer x must have values of shape \(tokens, channels\) or \(batch, tokens, channels\), not "
    with pytest.raises(InputError, match=f"^{expected}{shown}$"):
        Layer(x=np.ones(shape, np.float32))


@pytest.mark.every(2)
@pytest.mark.parametrize("mode", MODES)
def test_a_batch_is_its_tokens_in_order(tensors, mode):
    flat = [Layer(x=x, weights=np.abs(x) + 1) for x in tensors.values()]
    batches = [Layer(x=x.reshape(5, 8, 24), weights=np.abs(x).reshape(5, 8, 24) + 1) for x in tensors.values()]
    calibration = calibrate(batches, "se8", mode=mode)
    assert calibration == calibrate(flat, "se8", mode=mode)
    assert (calibration.tokens, calibration.channels) == (40, 24)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"spec": "se7"}, "Format must be one of "),
        ({"alpha": 2}, "Alpha must be above 0 and at most 1, not 2"),
        ({"scale_bits": 99}, "Scale bits must be from 1 to 20, not 99"),
    ],
)
def test_what_is_wrong_from_the_start(words, text):
    def never():
        raise AssertionError("the layers were asked for")
        yield

    with pytest.raises(InputError, match=rf"^{text}"):
        calibrate(never(), **({"spec": "se8"} | words))
