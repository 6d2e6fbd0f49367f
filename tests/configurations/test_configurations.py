"""Random configurations: the draw, one that is simulated, and that a wrong accelerator is noticed."""

import pytest

from tests.configurations import check as module
from tests.configurations.check import check
from tests.configurations.draw import CHOICES, draw
from tests.rtl_gen.accelerator.test_testbench import changed, other
from tests.simulators import icarus

SIMULATED = 10


def test_every_choice_is_drawn():
    drawn = [draw(number) for number in range(200)]
    for name, values in CHOICES.items():
        assert {one[name] for one in drawn} == set(values)
    assert draw(3) == draw(3) != draw(4)


@pytest.mark.parametrize("simulator", [icarus])
def test_a_configuration(simulator):
    item = check(SIMULATED)
    assert item["result"] == f"PASS {item['beats']} beats"
    assert item["passed"]


@pytest.mark.parametrize("simulator", [icarus])
def test_a_wrong_accelerator_fails(simulator, monkeypatch):
    real = module.write

    def write(config, folder):
        paths = real(config, folder)
        changed(folder / "tb_qse_accelerator_logits.hex", 0, other)
        return paths

    monkeypatch.setattr(module, "write", write)
    item = check(SIMULATED)
    assert item["result"].startswith("FAIL beat ")
    assert not item["passed"]


def test_a_refusal_has_an_expected_reason(monkeypatch):
    monkeypatch.setattr(module, "draw", lambda number: draw(SIMULATED) | {"bus_bits": 64, "rows": 3, "columns": 4})
    assert (check(0)["result"], check(0)["passed"]) == ("refused", True)
    monkeypatch.setattr(module, "draw", lambda number: draw(SIMULATED) | {"rows": 0})
    assert (check(0)["result"], check(0)["passed"]) == ("refused", False)
