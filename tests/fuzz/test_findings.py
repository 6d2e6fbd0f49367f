"""Findings of fuzzing, made as small as possible; each of them once broke the oracle's rules."""

import pickle

import pytest

from qse_hw.rtl_gen.emit.unit import UNITS, WHOLE
from tests.fuzz.hostile import Bomb
from tests.fuzz.oracle import Case, check
from tests.fuzz.sound import some

QUANTIZE = ("quantize", "IN/x.npy", "--format", "se8", "--scale", "1", "-o", "OUT/y")
INCOMPLETE = "must be a complete .npy file of plain numbers, and is not"


def array_file(descr, shape, data=b""):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def test_line_ends_in_words_do_not_end_the_sentence():
    units = ", ".join((*UNITS, *WHOLE))
    assert check(Case(argv=("gen", "a\nb"))) == f"error: Unit must be one of {units}, not 'a\\nb'\n"
    said = check(Case(argv=("gen", "decoder", "-o", "OUT/o", "a\nb\x1b[0m\u2028")))
    assert said == "error: unrecognized arguments: a\\nb\\x1b[0m\\u2028; see python -m qse_hw gen decoder --help\n"
    said = check(Case(argv=("gen", "decoder", "--format", "a\nb/f.json", "-o", "OUT/o")))
    assert said == "error: Format file a\\nb/f.json cannot be read: No such file or directory\n"


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_other_protocols_cause_no_warning(protocol):
    bomb = {"bin/pytorch_model.bin": pickle.dumps(Bomb(), protocol)}
    said = check(Case(argv=("capture", "--model", "IN/bin", "-o", "OUT/a"), files=some("bin/") | bomb))
    assert "must be a complete PyTorch file of plain tensors, and are not" in said


@pytest.mark.parametrize("shape", ["(9223372036854775807,)", "(3037000500, 3037000500)"])
def test_array_shapes_that_overflow_cause_no_warning(shape):
    assert INCOMPLETE in check(Case(argv=QUANTIZE, files={"x.npy": array_file("|u1", shape)}))


@pytest.mark.parametrize("shape", ["(0, 9223372036854775807)", "(4611686018427387904, 0, 2)"])
@pytest.mark.parametrize("command", ["quantize", "dequantize"])
def test_empty_arrays_of_too_large_a_shape_are_refused(command, shape):
    """NumPy reads them, but cannot make another of their shape."""
    for dtype in ("|u1", "<f4"):
        file = array_file(dtype, shape, b"\0" * 8)
        assert INCOMPLETE in check(Case(argv=(command, *QUANTIZE[1:]), files={"x.npy": file}))


def test_arrays_saved_by_python_2_cause_no_warning():
    assert check(Case(argv=QUANTIZE, files={"x.npy": array_file("<f4", "(1L,)", b"\0" * 4)})) == ""
