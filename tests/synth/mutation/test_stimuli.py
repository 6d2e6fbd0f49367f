"""The stimuli of the mutation score, played to the emitted Verilog by Verilator: they are part of the regression."""

import re

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.synth.mutation.mutate import SEED, standard
from qse_hw.synth.mutation.stimuli import ANYTHING, TAIL, pins, program, stimuli
from tests.synth.mutate_replay import Replay

DECODER = DecoderConfig(format=load_format("se9-paper"))
UNITS = list({config.label: config for config, _ in standard()}.values())
SHORT = ("encoder se8 s16",)  # a decoder: test_mutate_netlist.py


def of(config):
    """All of its programs, as the mutants get them."""
    rng, emitted = np.random.default_rng(SEED), emit(config)
    given = stimuli(config, rng)
    return emitted, given, [program(emitted, part, rng) for part in given]


@pytest.mark.full
@pytest.mark.parametrize(
    "unit",
    [pytest.param(unit, marks=() if unit.label in SHORT else pytest.mark.full) for unit in UNITS],
    ids=lambda unit: unit.label,
)
def test_the_verilog_does_what_the_mutants_must(unit, tmp_path):
    """Every output in every cycle; and a single wrong bit is noticed, in the cycle in which it is."""
    emitted, _, programs = of(unit)
    replay = Replay(emitted, tmp_path)
    for rows in programs:
        assert replay.first_differences(rows) == [-1]
    inputs = sum(pins(emitted)[0].values())
    cycle, bit = np.argwhere(rows[:, inputs:] != ANYTHING)[-1]
    rows[cycle, inputs + bit] ^= 1
    assert replay.first_differences(rows) == [cycle]


def test_what_happens():
    """Stalls on both sides, a reset with beats inside, flags that rise and fall, a counter that fills."""
    config = next(unit for unit in UNITS if unit.label == "encoder se8 bf16")
    emitted, given, (rows, every) = of(config)
    names = [(name, bit) for widths in pins(emitted) for name, width in widths.items() for bit in range(width)]
    column = {name: rows[:, place] for place, name in enumerate(names)}
    i_valid, i_ready, o_valid, o_ready = (column[name, 0] for name in ("i__valid", "i__ready", "o__valid", "o__ready"))
    assert ((i_valid == 1) & (i_ready == 0)).any()
    assert ((o_valid == 1) & (o_ready == 0)).any()
    resets = np.flatnonzero(column["rst", 0])
    assert len(resets) == 3 + len(given[0]) - 1
    assert (o_valid[resets[3:] - 1] == 1).any()
    count = sum(column["saturation_count", bit].astype(int) << bit for bit in range(6))
    assert ((count == 63) & (column["clear", 0] == 1)).any()
    cleared = resets[4]  # by the reset alone
    assert (count[cleared - 1], column["clear", 0][cleared]) == (63, 0)
    just_full = resets[6]  # the reset alone has to change every bit of a count that has not passed its end
    assert (count[just_full - 1], column["clear", 0][just_full]) == (63, 0)
    assert np.count_nonzero(count[resets[5] : just_full] == 63) < TAIL
    for flag in ("saturated", "nan"):
        assert column[flag, 0][cleared - 1] == 1
        assert {0, 1} <= set(column[flag, 0].tolist())
    assert len(np.unique(every[: 1 << 16, 1:17] @ (1 << np.arange(16)))) > 65000  # noise is on it after the last beat
    assert sum(config.cycles for config in given[1]) == (1 << 16) + TAIL


def test_a_decoder_of_few_codes():
    """Fewer beats than the shortest of its stimuli has cycles."""
    segments = (Segment(codes=2, log2_step=0, first_code=0), Segment(codes=2, log2_step=1, first_code=2))
    two = SegmentedFormat(name="two", bits=3, kind="sign-magnitude", segments=segments)
    _, given, programs = of(DecoderConfig(format=two))
    assert min(stimulus.cycles for stimulus in given[0]) == 2 << 3
    assert len(programs) == 1


def test_the_seed_decides():
    one, again = of(DECODER)[2], of(DECODER)[2]
    assert all((a == b).all() for a, b in zip(one, again, strict=True))


@pytest.mark.parametrize("lanes", [2, 3])
def test_lanes(lanes, tmp_path):
    """What is given fits units of several lanes; the netlist's own simulation is a matter of bits."""
    small = EncoderConfig(
        format=load_format("se8"), input=input_type("s8"), scale=Scale.from_step(0.9), lanes=lanes, counter_width=3
    )
    for config in (small, DecoderConfig(format=load_format("se8"), lanes=lanes)):
        emitted, given, programs = of(config)
        assert [len(rows) for rows in programs] == [sum(s.cycles for s in part) + 3 + len(part) - 1 for part in given]
        assert {rows.shape[1] for rows in programs} == {sum(sum(widths.values()) for widths in pins(emitted))}


def test_other_units_are_refused():
    with pytest.raises(InputError, match=re.escape("Unit must be encoder, decoder or function, not hadamard")):
        stimuli(HadamardConfig(size=16, width=8), np.random.default_rng(1))
