"""A matrix-vector engine loses and mixes up no sum: proved for small engines; every property catches a fault."""

import re

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.matvec import MatvecConfig
from qse_hw.synth import formal
from qse_hw.synth.formal import matvec
from qse_hw.synth.formal.harness import cut
from qse_hw.synth.formal.task import run
from tests.synth.formal.units import decoder


def engine(rows, columns, **others):
    return MatvecConfig(sizes=(4, 9), rows=rows, columns=columns, width=4, tag_bits=1, **others)


# one row; more rows than cycles from a tile's end to its totals; fewer
ENGINES = [engine(1, 1), engine(8, 1), engine(3, 2), engine(4, 4, target="ecp5")]
BACKLOG = engine(2, 1, backlog=True)


@pytest.mark.every(4)
@pytest.mark.parametrize("config", ENGINES, ids=lambda config: config.label)
def test_no_sum_is_lost(config, tmp_path):
    for task in formal.tasks(config)[:1]:
        result = run(task, tmp_path)
        assert result.passed, result.tail


@pytest.mark.full
@pytest.mark.parametrize("config", [*ENGINES, BACKLOG, engine(1, 1, backlog=True)], ids=lambda config: config.label)
def test_sums_keep_their_order(config, tmp_path):
    task = formal.tasks(config)[1]
    result = run(task, tmp_path)
    assert result.passed, result.tail


@pytest.mark.full
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_backlog_loses_none(rows, tmp_path):
    task = formal.tasks(engine(rows, 1, backlog=True))[0]
    result = run(task, tmp_path)
    assert result.passed, result.tail


@pytest.mark.full
@pytest.mark.parametrize(
    ("config", "number"), [*((engine(3, 2), n) for n in range(4)), *((BACKLOG, n) for n in range(7))]
)
def test_faults_are_found(config, number, tmp_path):
    fault = matvec.faults(config)[number]
    result = run(fault.task, tmp_path)
    assert fault.caught(result), result.tail


def test_every_property_has_its_fault():
    tasks = matvec.tasks(BACKLOG)
    assert [task.name for task in tasks] == ["sums_are_kept", "sums_in_order"]
    labels = re.findall(r"^ +(\w+): assert", tasks[0].files["matvec.sv"], re.M)
    proved = {label for label in labels if not label.startswith("helper_")}
    assert {fault.catches for fault in matvec.faults(BACKLOG)} == proved


def test_other_units_have_none():
    assert matvec.tasks(decoder()) == matvec.faults(decoder()) == []


def test_only_an_instance_can_be_cut():
    text = emit(engine(1, 1)).text
    assert "next_o__payload" in cut(text, "operands")
    with pytest.raises(InputError, match=r"^Verilog must have an instance operand$"):
        cut(text, "operand")
