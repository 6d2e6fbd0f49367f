"""Faults in a netlist: which there are, and that the netlist read back is the one that Yosys wrote."""

import re

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.synth import yosys as tools
from qse_hw.synth.mutation.netlist import LEVELS, bits, mutants
from qse_hw.synth.mutation.simulate import simulate
from qse_hw.synth.mutation.stimuli import pins, program, stimuli
from tests.synth.mutate_replay import Replay

CONFIG = DecoderConfig(format=load_format("se8-silu"))


@pytest.mark.full
@pytest.mark.parametrize("level", [LEVELS[0], *(pytest.param(level, marks=pytest.mark.full) for level in LEVELS[1:])])
def test_faults(level, tmp_path):
    """As many as wanted, the same with the same seed, none at a clock; all of them are a superset."""
    emitted = emit(CONFIG)
    all_of_them = {str(mutant) for mutant in mutants(emitted, level=level, count=0, seed=1, folder=tmp_path).mutants}
    one, again, other = (
        mutants(emitted, level=level, count=80, seed=seed, folder=tmp_path).mutants for seed in (1, 1, 2)
    )
    assert one == again != other
    assert len(one) == len({str(mutant) for mutant in one}) == 80
    assert [mutant.number for mutant in one] == list(range(1, 81))
    assert {str(mutant) for mutant in (*one, *other)} <= all_of_them
    assert {mutant.mode for mutant in one} >= {"inv", "const0", "const1"}
    assert not any(re.search(r"ff\S* \S+ (CLK|C)\[", text, re.IGNORECASE) for text in all_of_them)
    assert any(re.search(r"ff\S* \S+ (D|EN|E)\[", text, re.IGNORECASE) for text in all_of_them)
    assert any("signal" in text for text in all_of_them)


def test_ports(tmp_path):
    netlist = mutants(emit(CONFIG), level="word", count=5, seed=1, folder=tmp_path)
    for ports, widths in zip((netlist.inputs, netlist.outputs), pins(emit(CONFIG)), strict=True):
        assert {name: len(nets) for name, nets in ports.items()} == widths
        assert list(ports) == list(widths)
    assert len(list(bits(netlist.inputs))) == sum(pins(emit(CONFIG))[0].values())
    computed = {
        0,
        1,
        *netlist.selects,
        *(q for q, _ in netlist.registers),
        *(net for _, _, net in bits(netlist.inputs)),
    }
    for _, y, *needed in netlist.gates:
        assert set(needed) <= computed
        computed.add(y)


@pytest.mark.full
def test_two_simulators_agree(tmp_path):
    """Verilator, on the Verilog of the netlist with its faults, kills the same mutants in the same cycles."""
    rng, emitted = np.random.default_rng(3), emit(CONFIG)
    (given,) = stimuli(CONFIG, rng)
    rows = program(emitted, given, rng)
    netlist = mutants(emitted, level="word", count=120, seed=1, folder=tmp_path)
    numbers = range(len(netlist.mutants) + 1)
    got = simulate(netlist, rows, numbers, tmp_path).tolist()
    script = "read_rtlil prepared.il; script mutants.ys; write_verilog -noattr mutants.v"
    tools.run(tools.YOSYS, ["-q", "-p", script], tmp_path)
    text = (tmp_path / "mutants.v").read_text()
    replay = Replay(emitted, tmp_path / "verilator", text, len(netlist.mutants).bit_length())
    assert replay.first_differences(rows, numbers) == got
    assert got[0] == -1
    assert len(set(got)) > 10  # killed in many cycles
    assert got.count(-1) > 5


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"level": "bits"}, "Level must be one of word, gate, not 'bits'"),
        ({"count": -1}, "Mutants must be at least 1, or 0 for all, not -1"),
    ],
)
def test_refused(parameters, text, tmp_path):
    with pytest.raises(InputError, match=re.escape(text)):
        mutants(emit(CONFIG), **{"level": "word", "count": 5, "seed": 1, "folder": tmp_path} | parameters)
