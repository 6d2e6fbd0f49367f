"""An accelerator's memory path: proved as it is built for its bus; every property catches a fault."""

import re

import pytest

from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from qse_hw.synth.formal import memory
from qse_hw.synth.formal.task import run
from tests.golden.models.integer import small
from tests.synth.formal.units import decoder

TASKS = ("memory_reader", "memory_bus", "memory_fifo", "memory_reader_cover", "memory_bus_cover")
FAULTS = 21


@pytest.fixture(scope="module")
def accelerator(tmp_path_factory):
    return AcceleratorConfig(**small.saved(tmp_path_factory.mktemp("small")), rows=4, columns=4)


@pytest.fixture(scope="module")
def tasks(accelerator):
    return memory.tasks(accelerator)


@pytest.fixture(scope="module")
def faults(accelerator):
    return memory.faults(accelerator)


@pytest.mark.parametrize(
    "number", [0, *(pytest.param(number, marks=pytest.mark.full) for number in range(1, len(TASKS)))], ids=TASKS
)
def test_proved(tasks, number, tmp_path):
    result = run(tasks[number], tmp_path)
    assert result.passed, result.tail


@pytest.mark.full
@pytest.mark.parametrize("options", [{"bus_bits": 64, "burst_beats": 256}, {"address_bits": 64, "burst_beats": 1}])
def test_other_buses(accelerator, options, tmp_path):
    config = AcceleratorConfig(model=accelerator.model, calibration=accelerator.calibration, **options)
    for task in memory.tasks(config)[:2]:
        result = run(task, tmp_path)
        assert result.passed, (task.name, result.tail)


@pytest.mark.full
@pytest.mark.parametrize("number", range(FAULTS))
def test_faults_are_found(faults, number, tmp_path):
    result = run(faults[number].task, tmp_path)
    assert faults[number].caught(result), result.tail


def test_every_property_has_its_fault(tasks, faults):
    assert tuple(task.name for task in tasks) == TASKS
    assert len(faults) == FAULTS
    labels = set(re.findall(r"^ +(\w+): assert", tasks[0].files["memory.sv"], re.M))
    assert {fault.catches for fault in faults} == {label for label in labels if not label.startswith("helper_")}


def test_other_units_have_none():
    assert memory.tasks(decoder()) == memory.faults(decoder()) == []
