"""Arrays of a user's own: read only if they are plain numbers, complete."""

import os
import pickle
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.npy import FLOAT8, numbers, read_array, write_array

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "uint8", "uint16", ">f4", ">i2"]
INCOMPLETE = r"must be a complete \.npy file of plain numbers, and is not; save the array again$"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5), (7,), (), (0,), (2, 0, 3)])
def test_round_trip(tmp_path, rng, dtype, shape):
    array = (100 * rng.standard_normal(shape)).astype("f8").astype(dtype, casting="unsafe")
    path = tmp_path / "new" / "a.npy"
    write_array(path, array)
    got = read_array(path)
    assert (got.shape, got.dtype) == (array.shape, array.dtype)
    assert np.array_equal(got, array)
    assert os.listdir(path.parent) == ["a.npy"]


def test_the_order_in_memory_does_not_matter(tmp_path, rng):
    array = np.asfortranarray(rng.standard_normal((4, 6)))
    write_array(tmp_path / "a.npy", array)
    assert np.array_equal(read_array(tmp_path / "a.npy"), array)


def test_objects_are_neither_read_nor_written(tmp_path):
    objects = np.array([1, {}], dtype=object)
    path = tmp_path / "a.npy"
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_array(path, objects)
    assert os.listdir(tmp_path) == []
    np.save(path, objects, allow_pickle=True)
    with pytest.raises(InputError, match=INCOMPLETE):
        read_array(path)


class Hostile:
    """Unpickled, it makes a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("bare", [False, True])
def test_a_hostile_pickle_is_not_run(tmp_path, bare):
    path, mark = tmp_path / "a.npy", tmp_path / "mark"
    if bare:
        path.write_bytes(pickle.dumps(Hostile(mark)))
    else:
        np.save(path, np.array([Hostile(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"must be a .*\.npy file"):
        read_array(path)
    assert not mark.exists()
    np.load(path, allow_pickle=True)
    assert mark.exists()  # it would have been run


@pytest.fixture
def whole(tmp_path):
    """A sound file's bytes, and a function from other bytes to a file."""
    path = tmp_path / "a.npy"
    np.save(path, np.arange(35, dtype=np.float32).reshape(5, 7))
    return path.read_bytes(), path


@pytest.mark.parametrize("kept", [6, 7, 9, 20, 127, 128, -1])
def test_truncated(whole, kept):
    content, path = whole
    path.write_bytes(content[:kept])
    with pytest.raises(InputError, match=INCOMPLETE):
        read_array(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(5, 7), }           ", b"(500000000000, 7), }"),  # larger than any memory
        (b"(5, 7), }  ", b"(9**9, 7), }"),
        (b"(5, 7), }", b"(5, 7),  "),
        (b"(5, 7)", b"(-5,7)"),
        (b"(5, 7)", b"(5, 8)"),
        (b"'<f4'", b"'<f8'"),
        (b"'<f4'", b"'|O' "),
        (b"'<f4'", b"'zzz'"),
        (b"'shape'", b"'shapo'"),
        (b"{", b"("),
        (b"\x93NUMPY\x01", b"\x93NUMPY\x09"),
        (b"\x93NUMPY\x01\x00v\x00", b"\x93NUMPY\x02\x00\xff\xff"),  # a header of gigabytes
    ],
)  # fmt: skip
def test_lying_header(whole, old, new):
    content, path = whole
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=INCOMPLETE):
        read_array(path)


def test_a_header_that_is_too_long_to_be_parsed_safely(whole):
    """Python's parser may not survive it; NumPy takes up to 10000 bytes unless told that the file is trusted."""
    content, path = whole
    header, data = content[10:128], content[128:]
    for length in (len(header), 1014, 9974, 10102, 65526):
        padded = header.rstrip().ljust(length - 1) + b"\n"
        path.write_bytes(content[:8] + length.to_bytes(2, "little") + padded + data)
        if length <= 10_000:
            assert read_array(path).tolist() == np.arange(35).reshape(5, 7).tolist()
            continue
        with pytest.raises(InputError, match=INCOMPLETE):
            read_array(path)


def test_empty_arrays_of_too_large_a_shape_are_refused(whole):
    """NumPy reads them, but cannot make a float64 array of their shape."""
    content, path = whole
    for length in (2**60 - 1, 2**60, 2**62):
        shape = b"(0, %d), }" % length
        path.write_bytes(content.replace(b"(5, 7), }".ljust(len(shape)), shape))
        if length < 2**60:
            assert read_array(path).shape == (0, length)
            continue
        with pytest.raises(InputError, match=INCOMPLETE):
            read_array(path)


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04 an archive", b"\x93NUMPX\x01\x00"])
def test_another_kind_of_file(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npy must be a \.npy file, and it does not begin like one$"):
        read_array(tmp_path / "a.npy")


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"^Array file .*nowhere cannot be read: No such file or directory$"):
        read_array(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"^Array file .* cannot be read: Is a directory$"):
        read_array(tmp_path)


def test_nothing_is_copied_into_memory(tmp_path):
    write_array(tmp_path / "a.npy", np.zeros(10))
    assert isinstance(read_array(tmp_path / "a.npy"), np.memmap)


def test_bfloat16_is_read_as_it_was_saved(tmp_path, rng):
    x = rng.standard_normal((5, 7)).astype(ml_dtypes.bfloat16)
    np.save(tmp_path / "a.npy", x)
    read = read_array(tmp_path / "a.npy")
    for dtype in (None, "bfloat16"):
        values = numbers(read, dtype, "Array")
        assert values.dtype == ml_dtypes.bfloat16
        assert np.array_equal(values.view(np.uint16), x.view(np.uint16))
    said = r"^Array must be given no dtype, as its own is bfloat16, not 'float8_e4m3fn'$"
    with pytest.raises(InputError, match=said):
        numbers(read, "float8_e4m3fn", "Array")


def test_two_bytes_without_a_type_are_bfloat16_only_if_told_so(tmp_path):
    x = np.arange(16256, 16263, dtype=np.uint16)
    np.save(tmp_path / "a.npy", x.view("V2"))
    read = read_array(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"^Array must be given its dtype, .* 2 bytes: --dtype with one of bfloat16$"):
        numbers(read, None, "Array")
    assert np.array_equal(numbers(read, "bfloat16", "Array"), x.view(ml_dtypes.bfloat16))
    with pytest.raises(InputError, match=r"^Array must have a dtype of 2 bytes, one of bfloat16, not 'float8_e4m3fn'$"):
        numbers(read, "float8_e4m3fn", "Array")


def test_float8_e5m2_has_a_header_that_numpy_does_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3, ml_dtypes.float8_e5m2))
    said = r"holds float8_e5m2, of which NumPy reads no \.npy file; convert the array to float32 and save that$"
    with pytest.raises(InputError, match=said):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", FLOAT8)
def test_float8_is_read_by_its_name(tmp_path, dtype):
    x = np.arange(256, dtype=np.uint8).view(getattr(ml_dtypes, dtype))
    np.save(tmp_path / "a.npy", x)
    read = read_array(tmp_path / "a.npy")
    assert read.dtype.name == "void8"
    values = numbers(read, dtype, "Array")
    assert values.dtype == np.float32
    assert np.array_equal(values, x.astype(np.float32), equal_nan=True)
    with pytest.raises(InputError, match=r"^Array must be given its dtype, .*: --dtype with one of float8_e3m4, "):
        numbers(read, None, "Array")
    with pytest.raises(InputError, match=r"^Array must have a dtype of 1 byte, one of float8_.*, not 'bfloat16'$"):
        numbers(read, "bfloat16", "Array")


@pytest.mark.parametrize("dtype", ["float32", "int8", "V3", "V4", [("a", "f2")], [("a", "u1")]])
def test_other_arrays_are_as_they_are(dtype):
    array = np.zeros(3, dtype)
    assert numbers(array, None, "Array") is array
    with pytest.raises(InputError, match=r"^Array must be given no dtype, as its own is .*, not 'bfloat16'$"):
        numbers(array, "bfloat16", "Array")
