"""The mixer's model, cycle by cycle: against the emitted Verilog, and its values against the integer model."""

import numpy as np
import pytest

from qse_hw.golden.models.integer.mamba1.weight_stream import weight_stream
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.parameters import model_parameters
from qse_hw.golden.reference.words import as_signed, join_fields, split_fields
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.mixer.mixer import FLAGS
from qse_hw.rtl_gen.mixer.model import embed, mixer_config, parameter_words, token_beats
from qse_hw.sim.cycle.mixer.model import MixerModel
from qse_hw.sim.cycle.stimulus import Offered, Stimulus
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.trace import record_all
from tests.golden.models.integer import small
from tests.sim.cycle.mixer.small import MIXERS, mixer
from tests.sim.cycle.mixer.stimuli import Unit, stimulus

MAMBA_130M = {
    "d_model": 768, "d_inner": 1536, "d_state": 16, "dt_rank": 48, "layers": 1, "vocabulary": 64, "rows": 8,
    "columns": 8, "scan_lanes": 8, "norm_lanes": 2, "hadamard_lanes": 4,
}  # fmt: skip
TOKENS = 3


@pytest.mark.parametrize("sequences", [[0, 0, 0], [1, 0, 1]])
def test_logits_of_the_integer_model(sequences):
    """Of a sequence, of two, at full speed."""
    parameters = model_parameters(small.model(), small.formats(local_bits=16, mode="shared"))
    several = max(sequences) + 1
    config = mixer_config(
        parameters, rows=4, columns=4, scan_lanes=2, norm_lanes=4, hadamard_lanes=2, sequences=several
    )
    tokens, words = small.text()[:TOKENS].numpy(), parameter_words(parameters, config)
    stream, cycles = weight_stream(parameters, config.shape), len(words) + TOKENS * (2 * config.product_cycles + 900)
    beats = [
        token_beats(embed(parameters, token), first=number not in sequences[:n], sequence=number, sequences=several)
        for n, (token, number) in enumerate(zip(tokens.tolist(), sequences, strict=True))
    ]
    always, after = np.ones(cycles, np.bool_), np.arange(cycles) >= len(words)
    payload = np.zeros((cycles, words.shape[1]), np.uint8)
    payload[: len(words)] = words
    offered = {
        "weights": stream.weights.view(np.uint8), "scales": join_fields([(stream.M, 16), (stream.k, 6)])
    }  # fmt: skip
    trace = MixerModel(config).run(
        Stimulus(
            beats=np.concatenate(beats), offer=after, accept=always,
            ports={"parameters__payload": payload, "parameters__valid": ~after},
            streams={name: Offered(beats=np.tile(one, (TOKENS, 1)), offer=always) for name, one in offered.items()},
        )
    )  # fmt: skip
    left = trace["o__payload"][trace["o__valid"]]
    model = IntegerMamba(parameters)
    logits = np.zeros((TOKENS, config.vocabulary), np.int64)
    for number in set(sequences):
        own = np.array(sequences) == number
        logits[own] = model.forward(tokens[own][None], model.start(1))[0]
    np.testing.assert_array_equal(as_signed(split_fields(left, [24])[0], 24).reshape(logits.shape), logits)
    assert trace["parameters__ready"][: len(words)].all()


def check(config, stimuli, folder):
    """Compare every port in every cycle; returns the flags that were raised."""
    flags = 0
    for given, trace in zip(stimuli, record_all(emit(Unit(config)), stimuli, folder=folder), strict=True):
        assert first_difference(MixerModel(config).run(given), trace) == ""
        flags |= int(np.bitwise_or.reduce(trace["saturated"]))
    return flags


@pytest.mark.full(2)
@pytest.mark.parametrize("name", ["without head", "lanes", "more rows than beats", "sequences", "ecp5"])
def test_equals_the_verilog(name, rng, tmp_path):
    """At full speed; with pauses at all ports; of a slow memory alone."""
    config = mixer(**MIXERS[name])
    tokens = TOKENS if config.sequences == 1 else 9
    cycles = tokens * config.product_cycles + 3000 * (tokens // TOKENS)
    given = [
        stimulus(config, rng, tokens=tokens, cycles=cycles, stalls=()),
        stimulus(config, rng, tokens=tokens, cycles=3 * cycles),
        stimulus(config, rng, tokens=tokens, cycles=2 * cycles, stalls=("weights", "scales")),
    ]
    flags = check(config, given, tmp_path)
    assert flags.bit_count() > len(FLAGS) // 2


@pytest.mark.full
def test_a_layer_of_mamba_130m(rng, tmp_path):
    """Two tokens at full speed, every port in every cycle."""
    config = mixer(**MAMBA_130M)
    given = stimulus(config, rng, tokens=2, cycles=2 * config.product_cycles + 24_000, stalls=())
    check(config, [given], tmp_path)
