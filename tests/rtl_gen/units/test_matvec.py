"""A matrix-vector engine's configuration: manifest, vectors, generated files."""

import json

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.matvec import Job, multiply_scalar
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.matvec import MatvecConfig
from qse_hw.rtl_gen.units.option_kinds import Integers
from tests.rtl_gen.emit.test_testbench import check_files
from tests.simulators import icarus

PLAIN = MatvecConfig(sizes=(6,))
FULL = MatvecConfig(sizes=(70, 9, 9), rows=3, columns=4, width=9, tag_bits=5, target="ecp5")


def test_names():
    assert unit_class("matvec") is MatvecConfig
    assert (PLAIN.top, PLAIN.label) == ("qse_matvec", "matvec 6 s17 1x1")
    assert FULL.label == "matvec 70,9,9 s9 3x4 ecp5"


def test_manifest():
    document = json.loads(json.dumps(manifest(emit(FULL))))
    assert document["parameters"] == {
        "unit": "matvec", "sizes": [70, 9, 9], "rows": 3, "columns": 4, "width": 9, "tag_bits": 5,
        "backlog": False, "target": "ecp5",
    }  # fmt: skip
    assert (document["beats_per_buffer"], document["max_sum"]) == ([18, 3, 3], (1 << 31) - 1)
    assert document["latency"] == 2 + 3 + 1 + 2 + 2 + 2  # queue, multipliers, a register, their sums; totals; queue
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["jobs__payload"] == (
        30,
        "from the low bits: buffer's number in 2 bits, beats of the vector in 5, rows of the matrix in 17, tag in 5, "
        "top bit: the buffer is free afterwards",
    )
    assert ports["complete"] == (3, "a bit per buffer: it holds a vector that is not released")


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_vectors(config):
    """The jobs, followed as the description says, have the sums; all that can differ does."""
    arrays = config.vectors()
    place, first, sums, tags = 0, 0, [], []
    held = {}
    ends = np.flatnonzero(arrays["last"])
    for job in map(Job._make, arrays["jobs"].tolist()):
        if job.vector not in held:
            last = int(ends[ends >= place][0])
            assert (arrays["vector"][place : last + 1] == job.vector).all()
            held[job.vector] = arrays["values"][place : last + 1].reshape(-1)
            place = last + 1
        x = held[job.vector].tolist()
        assert len(x) == job.beats * config.columns
        tiles = -(-job.rows // config.rows)
        part = arrays["weights"][first : first + tiles * job.beats].reshape(tiles, job.beats, config.rows, -1)
        matrix = part.swapaxes(1, 2).reshape(tiles * config.rows, -1)[: job.rows]
        first += tiles * job.beats
        sums += multiply_scalar(matrix.tolist(), x)
        tags += [job.tag] * job.rows
        if job.release:
            del held[job.vector]
    assert (place, first) == (len(arrays["values"]), len(arrays["weights"]))
    assert (arrays["sums"].tolist(), arrays["tags"].tolist()) == (sums, tags)
    assert arrays["ends"].sum() == len(arrays["jobs"]) > arrays["last"].sum()
    assert len(arrays["M"]) == len(arrays["k"]) == len(sums)


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls on every stream, and fails for a wrong sum."""

    def damage(text):
        assert text.count("running <= counts ? ") == 1  # of the rows' module
        return text.replace("running <= counts ? ", "running <= !counts ? ")

    check_files(config, simulator, tmp_path, 2 * len(config.vectors()["sums"]), damage)


SIZES = Integers(1, 99, 3)


def test_integers_as_text():
    assert SIZES.parse("7", {}) == (7,)
    assert SIZES.parse("7,-1,99", {}) == (7, -1, 99)
    assert SIZES.from_json(json.loads(json.dumps(SIZES.to_json((7, 9))))) == (7, 9)
    assert SIZES.check("sizes", [np.int64(7), 9]) == (7, 9)


@pytest.mark.parametrize("text", ["", ",", "7,", "7,,9", "7 9", "7.0", "x", "\u0663", "1" * 41])
def test_integers_that_are_none(text):
    with pytest.raises(InputError, match=r"^Integers must be written like 768,1536, not "):
        SIZES.parse(text, {})


@pytest.mark.parametrize("value", [(0,), (100,), (1, 2, 3, 4), ()])
def test_integers_out_of_range(value):
    with pytest.raises(InputError, match=r"^Sizes must be 1 to 3 integers from 1 to 99, not "):
        SIZES.check("sizes", value)


@pytest.mark.parametrize("value", [7, 7.5, "7", (7.5,), ("7",), None])
def test_integers_of_another_type(value):
    with pytest.raises(TypeError):
        SIZES.check("sizes", value)
