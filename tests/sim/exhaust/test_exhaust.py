"""Exhaustive checks of a stand-in: what is sent, and that every difference is found and told."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import decoder_vectors, expected
from qse_hw.rtl_gen.units.decoder import DecoderConfig, value_width
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.sim.exhaust import exhaust as module
from qse_hw.sim.exhaust.bulk import Answer
from qse_hw.sim.exhaust.exhaust import Check, compare, exhaust
from qse_hw.sim.exhaust.kinds import Setting, every_k, kind
from tests.golden.formats import oracles
from tests.rtl_gen.pointwise.small import SMALL

SCALE = Scale.from_step(0.0176)
ENCODER = EncoderConfig(format=oracles.make("se8"), input=input_type("fp16"), scale=SCALE, lanes=4)
DECODER = DecoderConfig(format=oracles.make("se9-paper"), lanes=4)
WIDE = replace(ENCODER, input=input_type("fp32"))
TIME_STEP = TimeStepConfig(channels=6, lanes=3, **SMALL)


class Stand:
    """A stand-in for :class:`qse_hw.sim.exhaust.bulk.Bulk`: golden's answers; ``spoil`` changes them."""

    def __init__(self, config, spoil=lambda patterns, answer: None):
        self.config, self.spoil, self.seen = config, spoil, []

    def __call__(self, patterns, scale=None, words=()):
        self.seen.append((patterns, scale))
        config, beats = self.config, (-1, self.config.lanes)
        if isinstance(config, DecoderConfig):
            _, values, invalid = decoder_vectors(config.format)
            answer = Answer(
                self.as_outputs(values[patterns]), {"invalid": invalid[patterns].reshape(beats).any(axis=1)},
                np.zeros(len(patterns) // config.lanes, np.uint64),
            )  # fmt: skip
        elif isinstance(config, TimeStepConfig):
            outputs, saturated = steps(config, patterns, words)
            flags = {"saturated": saturated.reshape(beats).any(axis=1)}
            answer = Answer(self.as_outputs(outputs), flags, np.zeros(len(patterns) // config.lanes, np.uint64))
        else:
            want = expected(patterns, config.format, config.input, config.scale or scale)
            saturated, nan = want.saturated.reshape(beats), want.nan.reshape(beats)
            flags = {"saturated": saturated.any(axis=1), "nan": nan.any(axis=1)}
            answer = Answer(want.codes.astype(np.uint32), flags, saturated.sum(axis=1).astype(np.uint64))
        self.spoil(patterns, answer)
        return answer

    def as_outputs(self, integers):
        width = 32 if self.config.unit != "decoder" else value_width(self.config.format)
        return (integers.astype(np.int64) & ((1 << width) - 1)).astype(np.uint32)


def steps(config, patterns, words):
    """The time steps of :data:`TIME_STEP`, whose words have lane, place, 5 bits of places and 10 of bias; flags."""
    memory = {(word & 3, word >> 2 & 1): (word >> 3 & 31, (word >> 8 ^ 512) - 512) for word in words}
    outputs, saturated, unit = [], [], config.softplus.arithmetic
    for number, pattern in enumerate(patterns.tolist()):
        places, bias = memory[number % 3, number // 3 % 2]
        total = (((pattern ^ 128) - 128) << places) + bias
        outputs.append(unit(max(-128, min(127, total))))
        saturated.append(not max(-128, unit.low) <= total <= min(127, unit.high))
    return np.array(outputs), np.array(saturated)


def built(stands, **how):
    """What :func:`exhaust` calls instead of :class:`Bulk`; ``stands`` collects what it made."""

    def build(config, folder):
        stands.append(Stand(config, **how))
        return stands[-1]

    return build


def test_every_pattern_in_every_lane():
    for config, width in ((ENCODER, 16), (DECODER, 9), (replace(ENCODER, lanes=3), 16)):
        stands = []
        (finding,) = exhaust([Check(config=config)], build=built(stands))
        ((patterns, _),) = stands[0].seen
        lanes = patterns.reshape(-1, config.lanes).T
        assert all((np.unique(lane) == np.arange(1 << width)).all() for lane in lanes)
        assert (finding.values, finding.wrong, finding.wrong_flags, finding.first) == (patterns.size, 0, 0, "")
        assert finding.passed
        assert finding.patterns == f"all {1 << width:,} patterns"


def test_every_pattern_at_every_k():
    config, stands = replace(ENCODER, scale=None, input=input_type("s8"), scale_bits=4), []
    (finding,) = exhaust([Check(config=config)], build=built(stands))
    seen = {scale: patterns for patterns, scale in stands[0].seen}
    assert finding.scales == len(seen) == 201
    assert {scale.k for scale in seen} == set(range(4 - 101, 4 + 100))
    assert {scale.M for scale in seen} >= {8, 15}
    assert all((np.sort(patterns) == np.arange(256)).all() for patterns in seen.values())
    assert finding.values == 201 * 256
    assert len({patterns[0] for patterns in seen.values()}) > 100  # lanes change


def test_time_steps_with_every_set_of_parameters():
    """Each pattern in each lane, in each simulation; the third has the largest sums, the drawn ones differ by channel.
    """
    stands = []
    (finding,) = exhaust([Check(config=TIME_STEP)], build=built(stands))
    assert (finding.patterns, finding.scales) == ("all 256 patterns with each of 12 sets of parameters", 1)
    assert (finding.first, finding.wrong, finding.wrong_flags) == ("", 0, 0)
    assert finding.values == 12 * 3 * 258
    for patterns, _ in stands[0].seen:
        assert all((np.unique(lane) == np.arange(256)).all() for lane in patterns.reshape(-1, 3).T)
    sets = [setting.parameters for setting in Check(config=TIME_STEP).settings]
    assert [[np.unique(part).tolist() for part in parameters] for parameters in sets[:5]] == [
        [[0], [0]], [[0], [-512]], [[0], [511]], [[31], [-512]], [[31], [511]]
    ]  # fmt: skip
    assert all(np.unique(parameters.bias).size > 1 for parameters in sets[5:])


def test_the_edges_of_time_steps():
    """The dt with which sums are nearest to softplus's borders, in spite of shift and bias, or the largest dt."""
    unit = kind(TIME_STEP)
    wanted = (TIME_STEP.softplus.patterns().astype(np.int64) ^ 128) - 128
    for setting in unit.settings:
        dt = (unit.edges(setting).astype(np.int64) ^ 128) - 128
        places, bias = (np.resize(part, wanted.size) for part in setting.parameters)
        sums = (dt << places) + bias
        assert ((np.abs(sums - wanted) < 1 << places) | (dt == np.where(sums < wanted, 127, -128))).all()


@pytest.mark.parametrize("bits", [1, 8, 16, 20])
def test_no_k_is_left_out(bits):
    low, high = 1 << (bits - 1), (1 << bits) - 1
    possible = set()
    for k, M in itertools.product(range(-130, 130), (low, high)):
        try:
            possible.add(Scale(M=M, k=k, bits=bits).k)
        except InputError:
            continue
    assert sorted(setting.scale.k for setting in every_k(bits)) == sorted(possible)


def test_wide_inputs_edges_and_random_ones(monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 1 << 10)
    stands = []
    check = Check(config=WIDE, random=20_000)
    (finding,) = exhaust([check], build=built(stands))
    sent = np.concatenate([patterns for patterns, _ in stands[0].seen])
    assert finding.values == sum(job.patterns().size for job in check.simulations())
    edges = oracles.fp32_edges(oracles.SHIPPED["se8"], SCALE)
    assert set(edges[~np.isin(edges, sent)].tolist()) <= {0x7FC00000, 0xFFC00000}  # other NaNs are sent
    assert finding.values > 20_000 + edges.size - 2
    assert np.unique(sent >> 23).size == 512  # every sign and exponent
    assert finding.patterns == "every decision +-2 steps and 20,000 random patterns"


def test_every_pattern_of_a_wide_input(monkeypatch):
    ends = [job.patterns.args[:2] for job in Check(config=WIDE, every=True).simulations()]
    assert ends[0][0] == 0
    assert ends[-1][1] == 1 << 32
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ends))
    monkeypatch.setattr(module, "_CHUNK", 1 << 13)
    config, stands = replace(ENCODER, input=input_type("s18")), []
    (finding,) = exhaust([Check(config=config, every=True)], build=built(stands))
    sent = np.concatenate([patterns for patterns, _ in stands[0].seen])
    assert (np.sort(sent) == np.arange(1 << 18)).all()
    assert finding.values == 1 << 18


def spoil(what, at):
    def change(patterns, answer):
        places = np.flatnonzero(patterns == at)
        if what == "output":
            answer.outputs[places] ^= 1
        elif what == "count":
            answer.saturation_count[places // 4] += np.uint64(1)
        else:
            answer.flags[what][places // 4] ^= True

    return change


@pytest.mark.parametrize(
    ("config", "what", "first"),
    [
        (ENCODER, "output", r"^pattern 0x3c00 at s = 0\.01759.*, lane [0-3]: code 0x30, not 0x31$"),
        (ENCODER, "saturated", r"^patterns 0x\w+ to 0x\w+ at .*: saturated, or its count, is wrong$"),
        (ENCODER, "count", r"^patterns 0x\w+ to 0x\w+ at .*: saturated, or its count, is wrong$"),
        (ENCODER, "nan", r"^patterns 0x\w+ to 0x\w+ at .*: nan, or its count, is wrong$"),
        (DECODER, "output", r"^pattern 0x101, lane [0-3]: value 0xffe, not 0xfff$"),
        (DECODER, "invalid", r"^patterns 0x\w+ to 0x\w+: invalid, or its count, is wrong$"),
    ],
)
def test_a_difference_is_told(config, what, first):
    """One wrong pattern, wrong in each of the four lanes in which it is sent."""
    at = 0x3C00 if config is ENCODER else 0x101
    (finding,) = exhaust([Check(config=config)], build=built([], spoil=spoil(what, at)))
    assert (finding.wrong, finding.wrong_flags) == ((4, 0) if what == "output" else (0, 4))
    assert not finding.passed
    assert re.search(first, finding.first), finding.first


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("output", r"^pattern 0x31 with places 0 and bias 0, lane [0-2]: time step 0x\w+, not 0x\w+$"),
        ("saturated", r"^patterns 0x\w+ to 0x\w+ with places 0 and bias 0: saturated, or its count, is wrong$"),
    ],
)
def test_a_wrong_time_step_is_told(what, first):
    def change(patterns, answer):
        places = np.flatnonzero(patterns == 0x31)
        if what == "output":
            answer.outputs[places] ^= 1
        else:
            answer.flags[what][places // 3] ^= True

    (finding,) = exhaust([Check(config=TIME_STEP)], build=built([], spoil=change))
    assert not finding.passed
    assert re.search(first, finding.first), finding.first


def test_padding_is_compared_but_not_counted():
    config, stands = replace(ENCODER, lanes=7, scale=None, input=input_type("s9")), []
    (finding,) = exhaust([Check(config=config)], build=built(stands))
    assert finding.values == 201 * 512
    assert {patterns.size for patterns, _ in stands[0].seen} == {518}


@pytest.mark.parametrize(("config", "count"), [(replace(ENCODER, counter_width=0), 0), (ENCODER, 3)])
def test_counters(config, count):
    """Without a counter none is looked at; a narrow one stops at its maximum."""
    patterns = np.full(4, 0x7BFF, np.uint32)
    stand = Stand(config, lambda _, answer: answer.saturation_count.fill(count))
    difference = compare(stand, kind(replace(config, counter_width=2 if count else 0)), patterns, Setting(SCALE))
    assert difference.wrong_flags == 0


def test_several_checks_keep_their_order_and_report():
    told = []
    checks = [Check(config=config) for config in (DECODER, ENCODER, replace(ENCODER, lanes=2))]
    findings = list(exhaust(checks, build=built([]), progress=lambda *now: told.append(now)))
    assert [finding.label for finding in findings] == [check.config.label for check in checks]
    assert told[0] == ("checking 3 units", 0.0)
    assert told[-1][1] == pytest.approx(1)


def test_bad_checks():
    with pytest.raises(InputError, match=r"^Random must be at least 1, not 0$"):
        Check(config=WIDE, random=0)
