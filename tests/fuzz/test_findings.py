"""What fuzzing found, each case as small as it became; every one of them once broke the oracle's rules."""

import pickle

import pytest

from tests.fuzz.hostile import Bomb
from tests.fuzz.oracle import Case, check
from tests.fuzz.sound import some


def test_line_ends_in_words_do_not_end_the_sentence():
    assert (
        check(Case(argv=("gen", "a\nb")))
        == "error: Unit must be one of encoder, decoder, linear, hadamard, quantizer, not 'a\\nb'\n"
    )
    said = check(Case(argv=("gen", "decoder", "-o", "OUT/o", "a\nb\x1b[0m\u2028")))
    assert said == "error: unrecognized arguments: a\\nb\\x1b[0m\\u2028; see python -m qse_hw gen --help\n"
    assert "a\\nb/f.json cannot be read" in check(
        Case(argv=("gen", "decoder", "--format", "a\nb/f.json", "-o", "OUT/o"))
    )


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_other_protocols_cause_no_warning(protocol):
    content = pickle.dumps(Bomb(), protocol)
    case = Case(
        argv=("capture", "--model", "IN/bin", "-o", "OUT/a"), files={**some("bin/"), "bin/pytorch_model.bin": content}
    )
    assert "must be a complete PyTorch file of plain tensors, and are not" in check(case)


@pytest.mark.parametrize("shape", ["(9223372036854775807,)", "(3037000500, 3037000500)"])
def test_array_shapes_that_overflow_cause_no_warning(shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    case = Case(
        argv=("quantize", "IN/x.npy", "--format", "se8", "--scale", "1", "-o", "OUT/y"), files={"x.npy": content}
    )
    assert "must be a complete .npy file of plain numbers, and is not" in check(case)


def test_arrays_saved_by_python_2_cause_no_warning():
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 4
    argv = ("quantize", "IN/x.npy", "--format", "se8", "--scale", "1", "-o", "OUT/y")
    assert check(Case(argv=argv, files={"x.npy": content})) == ""
