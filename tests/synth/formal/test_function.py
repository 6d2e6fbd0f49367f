import re
from dataclasses import replace

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.synth.formal import cover, equivalence, function
from qse_hw.synth.formal.standard import wrong
from qse_hw.synth.formal.task import run, run_all
from tests.synth.formal.units import EXACT, OFFSET, decoder, encoder
from tests.synth.formal.units import function as unit

MODULES = (function, equivalence, cover)
KINDS = {
    "fixed": encoder(),
    "float": encoder(input="fp16", step=0.3),
    "offset": encoder(OFFSET),
    "exact end": encoder(EXACT),
    "two lanes": encoder(lanes=2),
    "nothing saturates": encoder(input="s4", step=0.9),
    "run time": encoder(step=None),
    "decoder": decoder(),
    "decoder, all codes": decoder(OFFSET, lanes=2),
    "function": unit(),
    "function, nothing saturates": unit(function="silu", output=input_type("s10e-6"), lanes=2),
}
QUICK = ("fixed", "float", "decoder", "function", "function, nothing saturates")


def proved(config, name, folder, module=function):
    (task,) = (task for task in module.tasks(config) if task.name == name)
    return run(task, folder)


def labels(task):
    """Of the properties that are written in it."""
    return {label for text in task.files.values() for label in re.findall(r"(\w+): (?:assert|cover) \(", text)}


@pytest.mark.every(6)
@pytest.mark.parametrize(
    ("config", "name"), [(encoder(), "code"), (encoder(), "hold"), (decoder(), "value"), (unit(), "value")]
)
def test_proved(tmp_path, config, name):
    result = proved(config, name, tmp_path)
    assert result.passed, result.tail


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.full) for kind in KINDS]
)
def test_every_property_has_a_fault(kind):
    config = KINDS[kind]
    for module in MODULES:
        written = {(task.name, label) for task in module.tasks(config) for label in labels(task)}
        caught = {(fault.task.name, label) for fault in module.faults(config) for label in fault.catches.split()}
        # of lanes that are alike the first is enough
        assert {pair for pair in written if not re.search(r"_[1-9]$", pair[1])} <= caught, module


@pytest.mark.every(2)
@pytest.mark.parametrize("name", ["a tie goes down", "x moves in a stall"])
def test_fault(tmp_path, name):
    fault = next(fault for fault in function.faults(encoder()) if fault.name == name)
    result = run(fault.task, tmp_path)
    assert fault.caught(result), result.tail
    assert result.trace.exists()


@pytest.mark.full
def test_one_wrong_input_of_65536(tmp_path):
    """A fault that random inputs would not find: one bf16 number gives its neighbour's code."""
    config = encoder(load_format("se8"), "bf16", 0.0147, 16)
    (fault,) = (fault for fault in function.faults(config) if fault.name.startswith("a number goes"))
    assert fault.caught(run(fault.task, tmp_path))


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_all_is_proved(tmp_path, kind):
    tasks = [task for module in MODULES for task in module.tasks(KINDS[kind])]
    assert [(r.task.name, r.status) for r in run_all(tasks, tmp_path) if not r.passed] == []


@pytest.mark.full(3)
@pytest.mark.parametrize("kind", KINDS)
def test_all_faults_are_caught(tmp_path, kind):
    faults = [fault for module in MODULES for fault in module.faults(KINDS[kind])]
    results = run_all([fault.task for fault in faults], tmp_path)
    missed = [(f.name, f.catches, r.failed) for f, r in zip(faults, results, strict=True) if not f.caught(r)]
    assert missed == []


def test_a_border_that_is_no_middle():
    """exact_end: what lies above the last fine level goes up, though that is further; ``code`` says so."""
    assert "closest" in {task.name for task in function.tasks(encoder())}
    assert "closest" not in {task.name for task in function.tasks(KINDS["exact end"])}


def test_units_of_other_kinds():
    config = HadamardConfig(size=4, width=8)
    assert [module.tasks(config) + module.faults(config) for module in MODULES] == [[], [], []]


@pytest.mark.full
def test_the_standard_faults_are_of_every_property():
    properties = {fault.task.name for config in wrong() for module in MODULES for fault in module.faults(config)}
    expected = {"hold", "code", "flags", "monotone", "closest", "value", "equivalent", "cover", "parameters"}
    assert properties == expected


def test_parallel_is_checked_as_itself():
    files = function.tasks(replace(encoder(), arch="parallel"))[1].files
    assert files["unit.v"] != function.tasks(encoder())[1].files["unit.v"]
