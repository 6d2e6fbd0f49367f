"""Equivalence of mutants, on circuits of which it is known."""

from dataclasses import replace

import pytest

from qse_hw.synth.mutation.netlist import GATES, Mutant, Netlist
from qse_hw.synth.mutation.prove import EQUIVALENT, prove, witnesses

NOT, AND, OR, XOR, XNOR, MUX = range(len(GATES))
A, B, VALID, SELECT, Q, R = range(2, 8)


def circuit(gates, payload, registers=(), selects=(SELECT,), **inputs):
    """With one mutant, inputs a, b, valid, and an output payload."""
    mutant = Mutant(1, "inv", "$and x", "A[0]", None, "")
    return Netlist(
        nets=20,
        inputs={"a": (A,), "b": (B,), "valid": (VALID,)} | inputs,
        outputs={"o__payload": (payload,), "o__valid": (VALID,)},
        gates=gates, registers=registers, mutants=[mutant], selects=selects,
    )  # fmt: skip


def test_a_fault_that_nothing_needs(tmp_path):
    unused = [(MUX, 10, A, B, SELECT), (AND, 11, A, B, 0)]
    assert prove(circuit(unused, 11), [1], tmp_path) == {1: "unconnected"}
    assert prove(circuit([(AND, 11, A, B, 0)], 11, selects=(0,)), [1], tmp_path) == {1: "unconnected"}


def test_a_fault_that_shows(tmp_path):
    shows = [(MUX, 10, A, B, SELECT)]
    assert prove(circuit(shows, 10), [1], tmp_path) == {1: "different"}


def test_the_same_function_in_other_gates(tmp_path):
    """a ^ b as (a | b) & ~(a & b)."""
    gates = [
        (XOR, 10, A, B, 0), (OR, 11, A, B, 0), (AND, 12, A, B, 0), (NOT, 13, 12, 0, 0), (AND, 14, 11, 13, 0),
        (MUX, 15, 10, 14, SELECT),
    ]  # fmt: skip
    assert prove(circuit(gates, 15), [1], tmp_path)[1] in EQUIVALENT
    wrong = [*gates[:4], (AND, 14, 11, 12, 0), gates[5]]
    assert prove(circuit(wrong, 15), [1], tmp_path) == {1: "different"}


def test_a_payload_counts_while_it_is_valid(tmp_path):
    gates = [(AND, 10, A, VALID, 0), (MUX, 11, A, 10, SELECT)]  # a & valid instead of a
    assert prove(circuit(gates, 11), [1], tmp_path)[1] in EQUIVALENT
    inverse = [(NOT, 9, VALID, 0, 0), (AND, 10, A, 9, 0), (MUX, 11, A, 10, SELECT)]
    assert prove(circuit(inverse, 11), [1], tmp_path) == {1: "different"}


@pytest.mark.parametrize(("first", "want"), [((0, 1), {"induction", "reachability"}), ((1, 1), {"different"})])
def test_states_that_are_not_reached(first, want, tmp_path):
    """Two registers load the same, so that they never differ; or else they may, and the fault shows a cycle later."""
    same = [(MUX, 12, A, B, first[0]), (XOR, 10, Q, R, 0), (MUX, 11, 0, 10, SELECT)]
    registers = [(Q, A), (R, 12)]
    assert prove(circuit(same, 11, registers), [1], tmp_path)[1] in want


def test_a_scale_is_as_the_contract_says(tmp_path):
    """M has its top bit; k is from bits - 101 to bits + 99: a fault that shows beyond them is none."""
    scale = {"scale_m": (8, 9), "scale_k": tuple(range(10, 19))}
    missing = [(NOT, 19, 9, 0, 0), (MUX, 7, 0, 19, SELECT)]
    assert prove(circuit(missing, 7, **scale), [1], tmp_path) == {1: "unconnected"}
    low = [(MUX, 19, 0, 8, SELECT)]
    assert prove(circuit(low, 19, **scale), [1], tmp_path) == {1: "different"}
    # k >= 128: bit 7 without the sign
    far = [(NOT, 19, 18, 0, 0), (AND, 7, 17, 19, 0), (MUX, 6, 0, 7, SELECT)]
    assert prove(circuit(far, 6, **scale), [1], tmp_path)[1] in EQUIVALENT
    near = [(NOT, 19, 18, 0, 0), (AND, 7, 16, 19, 0), (MUX, 6, 0, 7, SELECT)]
    assert prove(circuit(near, 6, **scale), [1], tmp_path) == {1: "different"}


def test_beats_that_show_a_difference(tmp_path):
    """The fault shows for 6 of 3 bits, one cycle later."""
    payload = (8, 9, 10)
    six = [(NOT, 11, 8, 0, 0), (AND, 12, 11, 9, 0), (AND, 13, 12, 10, 0), (XOR, 14, 13, 13, 0)]
    gates = [*six, (XOR, 15, 8, 13, 0), (MUX, 16, 8, 15, SELECT)]
    netlist = circuit(gates, Q, [(Q, 16), (R, VALID)])
    netlist = replace(netlist, inputs={"i__payload": payload, "i__valid": (VALID,)},
                      outputs={"o__payload": (Q,), "o__valid": (R,)})  # fmt: skip
    assert prove(netlist, [1], tmp_path) == {1: "different"}
    assert {"i__payload": 6} in witnesses(netlist, [1], tmp_path)[1]
    same = replace(netlist, gates=[*six, (MUX, 16, 8, 8, SELECT)])
    assert witnesses(same, [1], tmp_path) == {}


def test_beats_keep_the_contract(tmp_path):
    """M has its top bit, k its range: what a fault shows at bit 0 of M only."""
    gates = [(NOT, 11, 9, 0, 0), (AND, 12, 11, 8, 0), (XOR, 13, 8, 12, 0), (MUX, 14, 8, 13, SELECT)]
    netlist = replace(
        circuit(gates, Q, [(Q, 14), (R, VALID)]), nets=40, outputs={"o__payload": (Q,), "o__valid": (R,)},
        inputs={"i__payload": (8,), "i__valid": (VALID,), "scale_m": (9, 10), "scale_k": tuple(range(20, 29))},
    )  # fmt: skip
    beats = witnesses(netlist, [1], tmp_path)[1]
    assert {(1, 0b10)} <= {(beat["i__payload"], beat["scale_m"]) for beat in beats}
    assert all(abs(beat["scale_k"] - 2) < 100 for beat in beats)
