"""The calibrator: formats that serve, the same every time; bad input is refused by name."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.choose import decay_rates, fixed_point, fixed_types, quantizer_of, state_type
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import FINEST
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.parameters import model_parameters
from qse_hw.golden.models.integer.products import LOG2_E
from qse_hw.golden.models.integer.summary import Coded, Summary
from qse_hw.golden.models.integer.transformations import Transformations
from qse_hw.golden.models.mamba.model import Mamba
from tests.golden.models.integer import small
from tests.golden.models.integer.small import Bits


def sqnr_db(formats) -> float:
    """Of the logits, on text that was not calibrated on."""
    ids = small.text()[512:].view(4, 128)
    with torch.no_grad():
        exact = small.model()(ids)
    error = IntegerMamba.of(small.model(), formats)(ids) - exact
    return float(10 * torch.log10(exact.square().mean() / error.square().mean()))


@pytest.fixture(scope="module")
def losses():
    return {
        name: sqnr_db(small.formats(**options))
        for name, options in {
            "int8": {"spec": "int8", "local_bits": 16, "weights": "tensor"},
            "rows": {"spec": "int8", "local_bits": 16},
            "tuned": {"spec": "tuned", "local_bits": 16},
            "tuned 8": {"spec": "tuned", "local_bits": 8},
        }.items()
    }


@pytest.mark.full
def test_soft_edges_serve_better_than_int8(losses):
    assert losses["tuned"] > losses["rows"] + 3
    assert losses["rows"] > losses["int8"]
    assert losses["tuned"] > losses["tuned 8"] > 20


@pytest.mark.full
def test_types_are_what_was_asked_for():
    for bits in (8, 16):
        for layer in small.formats(local_bits=bits).layers:
            for name in layer.LOCALS:
                coded = layer.BY_CHANNEL.get(name, SegmentedQuantizer)
                assert isinstance(getattr(layer, name), coded if bits == 8 else FixedPoint)
            assert all(getattr(layer, name).format.bits == 8 for name in layer.OPERANDS)
            assert len(layer.state.exponents) == 48
    assert small.formats(local_bits=16, state="s24").layers[0].state.bits == 24
    assert small.formats(local_bits=16, state="se8").layers[0].state.bits == 8
    assert small.formats(spec="tuned").layers[0].x.format.kind == "offset"
    assert small.formats(spec="tuned").layers[0].norm.format.kind == "sign-magnitude"


def test_fixed_point_reaches_the_peak_and_no_more():
    for peak in (0.3, 0.999, 1.0, 1.7, 300.0):
        fixed = fixed_point(peak)
        assert fixed.bits == 16
        assert fixed.high * float(fixed.step) / 2 < peak < (fixed.high + 1) * float(fixed.step)


def test_types_are_no_finer_than_those_of_the_function_units():
    peaks = {"conv_sum": 3.0, "silu_gate": 1e-3, "delta": 14.0, "dt_sum": 40.0, "scan": 1.0}
    types = fixed_types(observed(**peaks), dict.fromkeys(peaks, 18) | {"conv_sum": 16, "dt_sum": 16})
    finest = {name: FINEST.get(name) for name in peaks}
    assert finest == {"conv_sum": -10, "silu_gate": -12, "delta": -13, "dt_sum": -10, "scan": None}
    assert {name: type.exponent for name, type in types.items()} == finest | {
        "delta": -12, "dt_sum": -9, "scan": -16,  # 17.5 and 50 are beyond 16 and 32
    }  # fmt: skip


def fitted_decays(A_log):
    """As a layer by itself has them."""
    from qse_hw.golden.models.integer.mamba1.calibrate import _CODES, _decays, _parts

    rates = decay_rates(A_log, "")
    return _decays(rates, quantizer_of(Coded(Histogram(_parts(rates).rest), _CODES, 1)))


def test_decays_stay_close():
    """Eight bits and what channels have in common: less than one part in a hundred, of every channel and state."""
    A_log = torch.log(torch.arange(1.0, 9)) + 0.05 * torch.randn(64, 8, generator=torch.Generator().manual_seed(2))
    from qse_hw.golden.models.integer.mamba1.parameters import decays

    fitted = fitted_decays(A_log)
    assert fitted.format.bits == 8
    share = decays(A_log, fitted, "Layer 0") * 2.0**fitted.exponent / (A_log.double().exp().numpy() * LOG2_E)
    assert float(np.abs(share - 1).max()) < 0.01


def test_decays_that_all_channels_share():
    """As in a model that is not trained: the bases alone say all."""
    from qse_hw.golden.models.integer.mamba1.parameters import decays

    A_log = torch.log(torch.arange(1.0, 17)).repeat(8, 1)
    fitted = fitted_decays(A_log)
    share = decays(A_log, fitted, "Layer 0") * 2.0**fitted.exponent / (A_log.double().exp().numpy() * LOG2_E)
    assert float(np.abs(share - 1).max()) < 2**-11


def test_the_same_every_time_and_for_the_sequence_alone():
    options = Options(spec="se8:L=8", local_bits=16, objective="loss")
    again = calibrate_integer(small.model(), small.text(), tokens=700, options=options)
    assert again == small.formats(local_bits=16, objective="loss")
    assert again.tokens == 512


def test_progress_is_told():
    seen = []
    calibrate_integer(small.model(), small.text(), tokens=512, options=Options(spec="int8"), progress=seen.append)
    assert seen == [0, 1]


def test_rotations_can_be_left_out():
    formats = calibrate_integer(
        small.model(), small.text(), tokens=512, options=Options(spec="int8"),
        transformations=Transformations(rotate_residual=False),
    )  # fmt: skip
    assert sqnr_db(formats) > 10


def damaged(name: str, value: float, kind: str = "mamba1") -> Mamba:
    model = small.copy(kind)
    with torch.no_grad():
        dict(model.named_parameters())[name].fill_(value)
    return model


@pytest.mark.parametrize(("model", "words"), [
    (lambda: damaged("backbone.layers.1.mixer.conv1d.bias", float("nan")), "Layer 1, conv_sum must be finite"),
    (lambda: damaged("backbone.layers.0.mixer.x_proj.weight", 0), "Layer 0, dt_low: .* must not all be zero"),
    (
        lambda: damaged("backbone.layers.1.mixer.dt_bias", float("inf"), "mamba2"), "Layer 1, dt_sum must be finite",
    ),
    (
        lambda: damaged("backbone.layers.0.mixer.in_proj.weight", 0, "mamba2"),
        "Layer 0, y: .* must not all be zero",
    ),
    (lambda: Mamba(replace(small.model().config, d_model=18)), "rotate_residual must be False for a width of 18"),
], ids=["NaN", "zeros", "Mamba-2, infinity", "Mamba-2, zeros", "width"])  # fmt: skip
def test_models_that_do_not_serve_are_refused(model, words):
    with pytest.raises(InputError, match=words):
        calibrate_integer(model(), small.text(), tokens=512, options=Options(spec="int8"))


@pytest.mark.parametrize("kind", ["mamba1", "mamba2"])
def test_infinite_decays_are_refused(kind):
    """Without gradients: those of the objective "loss" are not finite either."""
    model, options = damaged("backbone.layers.1.mixer.A_log", 1e3, kind), Options(spec="int8", objective="x")
    with pytest.raises(InputError, match="Layer 1, A must be finite"):
        calibrate_integer(model, small.text(), tokens=512, options=options)


def observed(**peaks):
    return Summary("Layer 3, ", {name: np.array(values) for name, values in peaks.items()})


def test_ranges_that_leave_no_exponent_are_refused():
    scan = FixedPoint(bits=16, exponent=-12)
    with pytest.raises(InputError, match=r"Layer 3, state must stay within 2048, .* reaches 3e\+04 in channel 1; take"):
        state_type(observed(state=[1.0, 3e4]), Options(), scan, -8, 5.0)
    assert state_type(observed(state=[1.0, 3e4]), Options(state="s24"), scan, -8, 5.0).exponents == (-20, -5)
    with pytest.raises(InputError, match=r"Layer 3, gated must be below 2\^79 for fixed point of 16 bits, but reaches"):
        fixed_types(observed(gated=[1e24]), {"gated": 16})


def test_a_state_is_no_finer_than_shifts_allow():
    scan = FixedPoint(bits=16, exponent=0)
    assert state_type(observed(state=[1.0]), Options(state="s24"), scan, -10, 5.0).exponents == (-20,)
    assert state_type(observed(state=[1e-6]), Options(state="s24"), scan, -10, 5.0).exponents == (10 - 31,)


@pytest.mark.parametrize("tokens", [511, 2000])
def test_too_few_tokens_are_refused(tokens):
    with pytest.raises(InputError, match=f"Tokens must be from one sequence of 512 to the text's 1024, not {tokens}"):
        calibrate_integer(small.model(), small.text(), tokens=tokens)


@pytest.mark.every(2)
@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_leave_room_for_the_head_s_multipliers(bits):
    formats = small.formats(spec="tuned:segments=2", objective="x", bits=bits)
    parameters = model_parameters(small.model(), formats)
    assert parameters.head.by.k.min() >= 9
    finest = small.formats(spec="tuned:segments=2", objective="x", bits=8).logits.exponent
    assert formats.logits.exponent > finest, "a unit so fine that no multiplier reaches it"


def test_bits_by_tensor():
    bits = Bits({"norm": 6, "gate": 16, "B": 9, "norm_f": 5})
    formats = small.formats(spec="tuned:segments=2", objective="x", bits=bits)
    layer = formats.layers[1]
    assert (layer.norm.format.bits, layer.x.format.bits, layer.B.format.bits) == (6, 8, 9)
    assert formats.norm_f.format.bits == 5
    assert layer.gate.bits == 16
    assert small.formats(spec="tuned:segments=2", objective="x", bits=6).layers[0].C.format.bits == 6


@pytest.mark.parametrize(("options", "words"), [
    ({"bits": 12}, "Bits of all must be from 2 to 10, or 16 for a local tensor, not 12"),
    ({"bits": {"norm": 1}}, "Bits of norm must be from 2 to 10, or 16 for a local tensor, not 1"),
    ({"bits": {"norm": 9}, "spec": "int8"}, "Bits must be of a tuned format, but int8 has its own; leave bits out"),
    ({"bits": {"norm": 16}}, "Bits of norm must be from 2 to 10, not 16: it is an operand of a product"),
    ({"bits": {"state": 8}}, "Bits' tensor must be one of norm, x, .*, not 'state'"),
    ({"objective": "y"}, "Objective must be one of x, output, loss, model, not 'y'"),
])  # fmt: skip
def test_bad_bits_and_objectives_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        calibrate_integer(small.model(), small.text(), tokens=512, options=Options(**options))


def test_bad_options_are_refused():
    with pytest.raises(InputError, match="Local bits must be 8 or 16, not 12"):
        Options(local_bits=12)
    with pytest.raises(InputError, match="State must be one of s16, s24, se8, not 'fp16'"):
        Options(state="fp16")


def test_formats_of_another_model_are_refused():
    other = damaged("backbone.norm_f.weight", 2)
    with pytest.raises(InputError, match="Formats must be of this checkpoint"):
        IntegerMamba.of(other, small.formats(local_bits=16))
