"""Bad arrays and options of quantize and dequantize: one sentence, exit status 2, nothing written."""

import numpy as np
import pytest

ARRAYS = {
    "complex": (np.zeros(3, np.complex64), "dtype"),
    "int64": (np.zeros(3, np.int64), "dtype"),
    "bool": (np.zeros(3, np.bool_), "dtype"),
    "text": (np.array(["a"]), "dtype"),
    "records": (np.zeros(3, [("a", "f4")]), "dtype"),
    "objects": (np.array([1, {}], object), "Array file"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_the_wrong_dtype(refused, out, tmp_path, name):
    array, reason = ARRAYS[name]
    path = tmp_path / "x.npy"
    np.save(path, array, allow_pickle=True)
    numerics = (path, "--format", "se8", "--scale", "1", "-o", out / "y.npy")
    sentence = refused("quantize", *numerics)
    if reason == "dtype":
        floats = "float16, bfloat16, float32, float64, int8, int16, int32"
        assert sentence.startswith(f"Array dtype must be one of {floats}, not ")
        assert refused("dequantize", *numerics).startswith("Codes of format se8 must have dtype uint8, not ")
    else:
        assert sentence.startswith(f"Array file {path} must be a complete .npy file of plain numbers, and is not")
        assert refused("dequantize", *numerics) == sentence


def test_codes_that_a_format_does_not_have(refused, out, tmp_path):
    np.save(tmp_path / "x.npy", np.array([0, 600], np.uint16))
    arguments = (tmp_path / "x.npy", "--format", "se9-paper", "--scale", "1", "-o", out / "y.npy")
    assert refused("dequantize", *arguments) == "Codes must be ones that format se9-paper assigns, not 600"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--exponent", "1"), "Exponent must be 0 for floating-point inputs, not 1"),
        (("--exponent", "x"), "argument --exponent: must be an integer, not 'x'"),
        (("--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
    ],
)
def test_quantize_options(refused, out, tmp_path, arguments, sentence):
    np.save(tmp_path / "x.npy", np.zeros(3, np.float32))
    command = ("quantize", tmp_path / "x.npy", "--format", "se8", "--scale", "1", "-o", out / "y.npy")
    assert refused(*command, *arguments).startswith(sentence)


@pytest.mark.parametrize("content", [None, b"", b"x", 128, 140])
def test_array_files(refused, out, tmp_path, content):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(30, np.float32))
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[:content] if isinstance(content, int) else content)
    for command in ("quantize", "dequantize"):
        arguments = (path, "--format", "se8", "--scale", "1", "-o", out / "y.npy")
        assert refused(command, *arguments).startswith(f"Array file {path} ")
