import gzip
import time

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells import liberty_file
from qse_hw.synth.cells.liberty_file import read_file, without

TEXT = b"library (x) {\n}\n" * 100


def test_plain_and_gzipped(tmp_path):
    """By what is in the file, not by its name; gzip files may have several members, and zeros behind them."""
    members = gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:]) + bytes(7)
    for number, data in enumerate((TEXT, gzip.compress(TEXT), members)):
        path = tmp_path / f"{number}.lib"
        path.write_bytes(data)
        assert read_file(path) == TEXT
    (tmp_path / "empty.lib.gz").write_bytes(gzip.compress(b""))
    assert read_file(tmp_path / "empty.lib.gz") == b""


def test_damaged(tmp_path):
    packed = gzip.compress(TEXT)
    bads = (packed[:-9], "ended before"), (packed[:-8] + bytes(8), "CRC"), (packed[:10] + b"\xff" * 99, "Error")
    for bad, why in (*bads, (packed + b"more", "Not a gzipped file")):
        (tmp_path / "x.lib.gz").write_bytes(bad)
        with pytest.raises(InputError, match=rf"^Liberty file .*x\.lib\.gz must be a whole gzip file: .*{why}"):
            read_file(tmp_path / "x.lib.gz")


@pytest.mark.parametrize("members", [1, 40])
def test_large(members, tmp_path, monkeypatch):
    """A small file may unpack to a large one, in one piece or in many: never more than the limit is unpacked."""
    monkeypatch.setattr(liberty_file, "SIZE_LIMIT", 1 << 20)
    packed = gzip.compress(bytes((2 << 20) // members)) * members
    assert len(packed) < 1 << 16
    (tmp_path / "x.lib.gz").write_bytes(packed)
    with pytest.raises(InputError, match=r"x.lib.gz must have at most 1 MiB; choose the library's NLDM file$"):
        read_file(tmp_path / "x.lib.gz")
    (tmp_path / "x.lib").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(InputError, match=r"x.lib must have at most 1 MiB"):
        read_file(tmp_path / "x.lib")
    (tmp_path / "x.lib").write_bytes(b" " * (1 << 20))
    assert len(read_file(tmp_path / "x.lib")) == 1 << 20


def test_many_members_take_no_time(tmp_path):
    (tmp_path / "x.lib.gz").write_bytes(gzip.compress(b"") * 100_000 + gzip.compress(TEXT))
    begun = time.process_time()
    assert read_file(tmp_path / "x.lib.gz") == TEXT
    assert time.process_time() - begun < 10


def test_without():
    """Lines keep their numbers."""
    assert without("a b\nc d\ne", [(6, 7), (2, 5)]) == "a \n \ne"
    assert without("abc", []) == "abc"
