"""Units without their pipeline: what is proved so is true, and what is no such pipeline is not touched."""

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.formal.task import abc
from qse_hw.synth.mutation import prove as mutate_prove
from qse_hw.synth.mutation.flat import Flat
from qse_hw.synth.mutation.netlist import GATES, Mutant, Netlist, mutants
from qse_hw.synth.mutation.prove import EQUIVALENT, prove

NOT, AND, OR, XOR, _, MUX = range(len(GATES))
RST, I_VALID, O_READY, A, B, SELECT, V, W, P, Q, R, READY = range(2, 14)


def unit(fault, *, last=P, seen=P, reset=1, **more):
    """Two stages: a and b, then a ^ b by two formulas, the second of which is what the fault may change.

    ``seen``: on a port that is seen without a valid, too; ``last``: what the second register of b is.
    """
    gates = [
        (NOT, 20, W, 0, 0), (OR, READY, O_READY, 20, 0),
        (MUX, 21, V, I_VALID, READY), (MUX, 22, 21, 0, RST if reset else 0),
        (MUX, 23, W, V, READY), (MUX, 24, 23, 0, RST if reset else 0),
        (MUX, 25, Q, A, READY), (MUX, 26, R, B, READY),
        (OR, 30, Q, R, 0), (AND, 31, Q, R, 0), (NOT, 32, 31, 0, 0), (AND, 33, 30, 32, 0), (XOR, 34, Q, R, 0),
        fault, (MUX, 40, P, 35, READY), (AND, 41, seen, W, 0),
    ]  # fmt: skip
    registers = [(V, 22), (W, 24), (Q, 25), (R, 26), (P, 40)]
    return Netlist(
        nets=50,
        inputs={"rst": (RST,), "i__payload": (A, B), "i__valid": (I_VALID,), "o__ready": (O_READY,)},
        outputs={"i__ready": (READY,), "o__payload": (last,), "o__valid": (W,), "flag": (41,)} | more,
        gates=gates, registers=registers, selects=(SELECT,), mutants=[Mutant(1, "inv", "$xor x", "A[0]", None, "")],
    )  # fmt: skip


SAME = (MUX, 35, 33, 34, SELECT)
OTHER = (MUX, 35, 33, 30, SELECT)


def test_a_fault_that_changes_no_beat(tmp_path):
    assert prove(unit(SAME), [1], tmp_path) == {1: "function"}


def test_a_fault_that_changes_one(tmp_path):
    assert Flat(unit(OTHER)).wrong(SELECT)
    assert prove(unit(OTHER), [1], tmp_path) == {1: "different"}


def test_a_fault_of_ready_is_no_question_about_a_beat(tmp_path):
    netlist = unit((MUX, 35, 33, 33, 0))
    stuck = [(MUX, READY, 19, 0, SELECT) if gate[1] == READY else gate for gate in netlist.gates]
    stuck.insert(1, (OR, 19, O_READY, 20, 0))
    broken = Netlist(**{**vars(netlist), "gates": stuck})
    assert Flat(broken).wrong(SELECT) is None
    assert prove(broken, [1], tmp_path) == {1: "different"}


@pytest.mark.parametrize(
    ("change", "why"),
    [({"last": Q}, "another time"), ({"reset": 0}, "another time"), ({"i__ready": ()}, "stream")],
)
def test_what_is_no_such_pipeline(change, why):
    """A payload that is a stage too early; valids that a reset leaves; no stream at all."""
    netlist = unit(SAME, **change)
    if not netlist.outputs["i__ready"]:
        netlist = Netlist(**{**vars(netlist), "outputs": {n: v for n, v in netlist.outputs.items() if n != "i__ready"}})
    with pytest.raises(ValueError, match=why):
        Flat(netlist)


def test_what_is_seen_without_a_valid_is_not_left_out(tmp_path):
    """What the pipeline holds from the start is no function of a beat."""
    netlist = unit(SAME, bare=(P,))
    assert mutate_prove._flat(abc(), netlist, tmp_path) is None
    assert prove(netlist, [1], tmp_path)[1] in EQUIVALENT


ENCODER = EncoderConfig(
    format=load_format("se8-silu"), input=input_type("s8"), scale=Scale.from_step(0.7), counter_width=4
)
RUNTIME = EncoderConfig(format=load_format("se8"), input=input_type("s8"), scale_bits=3, counter_width=2, lanes=2)
DECODER = DecoderConfig(format=load_format("se8"))


@pytest.mark.full
@pytest.mark.parametrize(
    ("config", "count"),
    [(DECODER, 60), *(pytest.param(config, 300, marks=pytest.mark.full) for config in (ENCODER, RUNTIME, DECODER))],
    ids=lambda value: getattr(value, "label", value),
)
def test_both_ways_to_a_proof_agree(config, count, tmp_path, monkeypatch):
    """No other way finds a difference where this one proves that there is none."""
    for level in ("word", "gate"):
        netlist = mutants(emit(config), level=level, count=count, seed=6, folder=tmp_path)
        tool = abc()
        flat = mutate_prove._flat(tool, netlist, tmp_path)
        wrong = {mutant.number: flat.wrong(netlist.selects[mutant.number - 1]) for mutant in netlist.mutants}
        proved = [number for number, literal in wrong.items() if mutate_prove._never(tool, flat, literal, tmp_path)]
        assert 0 < len(proved) < count / 2
        with monkeypatch.context() as patch:
            patch.setattr(mutate_prove, "_flat", lambda tool, netlist, folder: None)
            assert "different" not in prove(netlist, proved, tmp_path).values()
