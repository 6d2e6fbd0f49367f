"""Replaying a netlist: against the simulator of streams, by hand, and what it refuses."""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth.activity import RESET, WARM_UP, Simulator
from qse_hw.synth.cells.liberty import read_liberty
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.replay import Recording, Replay
from tests.synth.small import SMALL, chain, map_to_cells, write_netlist
from tests.synth.units import encoder


def recorded(**ports):
    """A recording of ports, (cycles, bits) or (cycles,) of 0 and 1 each."""
    columns = {name: np.reshape(bits, (len(bits), -1)) for name, bits in ports.items()}
    starts = np.cumsum([0, *(bits.shape[1] for bits in columns.values())]).tolist()
    rows = np.packbits(np.concatenate([*columns.values()], axis=1).astype(np.uint8), axis=1, bitorder="little")
    return Recording(rows, dict(zip(columns, starts, strict=False)))


def test_as_the_simulator_of_streams(tmp_path, rng):
    """Every net, without glitches and with those of all cycles; the outputs are compared with zeros here."""
    unit = encoder("se8", "s8")
    netlist, _ = map_to_cells(unit.text, unit.config.top, tmp_path)
    mapped = MappedNetlist.read(netlist, read_liberty(SMALL))
    patterns = rng.integers(0, 256, (90, 1), dtype=np.uint32)
    cycles = np.arange(-RESET - WARM_UP, len(patterns))
    payload = patterns[cycles % len(patterns)] >> np.arange(8) & 1
    ones = np.ones(len(cycles))
    inputs = {"rst": cycles < -WARM_UP, "i__payload": payload, "i__valid": ones, "o__ready": ones}
    assert mapped.inputs.keys() == {"clk", *inputs, *(port for port in mapped.inputs if port == "clear")}
    inputs |= {"clear": 0 * ones} if "clear" in mapped.inputs else {}
    outputs = {name: np.zeros((len(cycles), len(bits))) for name, bits in mapped.outputs.items()}
    replayed = Replay(mapped)(recorded(**inputs, **outputs), begin=RESET + WARM_UP, stride=1)
    simulator = Simulator(netlist, [SMALL])
    for glitches, counted in ((False, replayed.toggles), (True, replayed.glitching)):
        wanted = simulator(patterns, glitches=glitches).toggles
        assert {net: counted[net] for net in wanted} == wanted
    assert replayed.differing["o__valid"] == len(patterns)
    assert "o__payload" in replayed.differing


def test_outputs_are_compared(tmp_path):
    """o is i two cycles before, inverted by i's NAND with en if that is 1; a wrong bit is counted once it counts."""
    mapped = MappedNetlist.read(chain(tmp_path), read_liberty(SMALL))
    i = np.array([0, 1, 1, 0, 1, 0, 0, 1])
    en = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    q = np.concatenate([[0], i[:-1]])
    o = np.concatenate([[0], (1 - (q & en) ^ q)[:-1]])
    replay = Replay(mapped)
    good = replay(recorded(i=i, en=en, o=o), begin=0, stride=3)
    assert good.differing == {}
    assert good.toggles[2] == 2 * len(i)
    assert good.toggles[4] == np.abs(np.diff(q)).sum()
    o[2] ^= 1
    o[6] ^= 1
    assert replay(recorded(i=i, en=en, o=o), begin=0, stride=1).differing == {"o": 2}
    late = replay(recorded(i=i, en=en, o=o), begin=3, stride=1)
    assert late.differing == {"o": 1}
    assert late.toggles[4] == np.abs(np.diff(q[2:])).sum()


def test_glitches_of_some_cycles(tmp_path):
    """An XOR of a signal with itself two buffers later: two toggles at each change, seen in every other cycle."""
    cells = {
        "one": ("BUF", {"A": 2, "Y": 3}), "two": ("BUF", {"A": 3, "Y": 4}), "xor": ("XOR2", {"A": 2, "B": 4, "Y": 5}),
    }  # fmt: skip
    netlist = write_netlist(tmp_path / "x.json", cells, {"i": ("input", [2]), "o": ("output", [5])})
    replay = Replay(MappedNetlist.read(netlist, read_liberty(SMALL)))
    i = np.array([0, 1, 0, 1, 0, 0, 0])
    every, some = (replay(recorded(i=i, o=0 * i), begin=1, stride=stride) for stride in (1, 2))
    assert every.toggles == some.toggles == {2: 4, 3: 4, 4: 4, 5: 0}
    assert every.glitching == {2: 4, 3: 4, 4: 4, 5: 8}
    assert some.glitching == {2: 4, 3: 4, 4: 4, 5: 8}  # twice the four of cycles 1 and 3


@pytest.mark.parametrize(("before", "after", "sentence"), [
    ('next_state : "D";', 'next_state : "D"; clear : "!A";', "Flops must have neither clear nor preset"),
    ('function : "IQ"', 'function : "IQ & D"', "Output Q of flop DFF must depend on its state alone"),
])  # fmt: skip
def test_refused(tmp_path, before, after, sentence):
    text = SMALL.read_text()
    assert before in text
    (tmp_path / "x.lib").write_text(text.replace(before, after))
    with pytest.raises(InputError, match=sentence):
        Replay(MappedNetlist.read(chain(tmp_path), read_liberty(tmp_path / "x.lib")))


def test_an_inverting_flop(tmp_path):
    (tmp_path / "x.lib").write_text(SMALL.read_text().replace('function : "IQ"', 'function : "IQN"'))
    cells = {"flop": ("DFF", {"CK": 2, "D": 3, "Q": 4})}
    ports = {"clk": ("input", [2]), "d": ("input", [3]), "q": ("output", [4])}
    netlist = write_netlist(tmp_path / "x.json", cells, ports)
    d = np.array([0, 1, 1, 0])
    replay = Replay(MappedNetlist.read(netlist, read_liberty(tmp_path / "x.lib")))
    assert replay(recorded(d=d, q=np.array([0, 1, 0, 0])), begin=0, stride=1).differing == {}


def test_a_loop(tmp_path):
    cells = {"one": ("BUF", {"A": 2, "Y": 3}), "two": ("BUF", {"A": 3, "Y": 2})}
    netlist = write_netlist(tmp_path / "x.json", cells, {"o": ("output", [2])})
    with pytest.raises(InputError, match="must have no loop without a register"):
        Replay(MappedNetlist.read(netlist, read_liberty(SMALL)))


def test_bits_of_a_port():
    ports = {"a": [[1, 0, 1], [0, 0, 0]], "b": np.arange(2 * 14).reshape(2, 14) % 3 == 1}
    recording = recorded(**ports)
    for name, bits in ports.items():
        assert recording.bits(name, len(bits[0])).tolist() == np.array(bits, int).tolist()
