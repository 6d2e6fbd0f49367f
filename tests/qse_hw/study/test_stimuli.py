import numpy as np
import pytest

from qse_hw.golden.calibration.percentile import percentile_step
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import from_patterns
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.study.stimuli import stimuli
from qse_hw.synth.fp8 import CastConfig


def encoder(**kwargs):
    kwargs = {"scale": Scale.from_step(0.5), "input": input_type("fp32")} | kwargs
    return EncoderConfig(format=load_format("se8"), **kwargs)


@pytest.fixture
def tensors(rng):
    return {name: rng.standard_normal((40, 7)).astype(np.float32) * size for name, size in (("a", 1), ("b", 100))}


def test_real_values_are_in_the_units_steps(tensors):
    """Each tensor is scaled to its own percentile step, whatever its magnitude."""
    patterns = stimuli(encoder(), tensors)["real"]
    assert patterns.shape == (2 * 40 * 7, 1)
    values = from_patterns(patterns.reshape(-1), input_type("fp32")).astype(np.float64)
    wanted = [x.reshape(-1) / percentile_step(x) * 0.5 for x in tensors.values()]
    np.testing.assert_allclose(values, np.concatenate(wanted), rtol=1e-6)


def test_shuffled_values_are_the_same_ones(tensors):
    played = stimuli(encoder(lanes=3), tensors)
    assert {patterns.shape for patterns in played.values()} == {(2 * 40 * 7 // 3, 3)}
    assert sorted(played["shuffled"].reshape(-1)) == sorted(played["real"].reshape(-1))
    assert (played["shuffled"] != played["real"]).any()


def test_uniform_patterns(tensors):
    patterns = stimuli(encoder(input=input_type("s8"), scale=Scale.from_step(0.5, 8)), tensors)["uniform"]
    assert patterns.max() < 256
    assert len(np.unique(patterns)) > 200


def test_the_same_every_time(tensors):
    first, again = (stimuli(encoder(), tensors) for _ in range(2))
    assert all((first[name] == again[name]).all() for name in first)


def test_a_cast_has_the_step_1(tensors):
    config = CastConfig(input=input_type("fp32"))
    assert (stimuli(config, tensors)["real"] == stimuli(encoder(scale=Scale.from_step(1)), tensors)["real"]).all()


@pytest.mark.parametrize("config", [DecoderConfig(format=load_format("se8")), encoder(scale=None)])
def test_other_units(config, tensors):
    with pytest.raises(InputError, match="Energy must be of encoders with a constant scale, not of"):
        stimuli(config, tensors)
