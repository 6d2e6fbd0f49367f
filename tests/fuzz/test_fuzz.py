"""No input makes a command fail otherwise than in one sentence: some cases of each kind here, more by tests.fuzz."""

import pytest
from hypothesis import HealthCheck, given, settings

from qse_hw.cli import COMMANDS
from tests.fuzz.arguments import LEFT_OUT, SOUND, actions, parser
from tests.fuzz.oracle import PHASES, check
from tests.fuzz.targets import TARGETS

FULL, ALL = 8, 50  # times as many cases in the long run, and with all cases


def run(name, times):
    target = TARGETS[name]

    @settings(max_examples=target.quick * times, suppress_health_check=list(HealthCheck), phases=PHASES)
    @given(target.cases)
    def every_case(case):
        check(case)

    every_case()


@pytest.mark.every(6)
@pytest.mark.parametrize("name", TARGETS)
def test_some_cases(name):
    run(name, 1)


@pytest.mark.full
@pytest.mark.parametrize("name", TARGETS)
def test_many_cases(name, request):
    run(name, ALL if request.config.getoption("all_cases") else FULL)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_fuzzed(command):
    options = {action.dest for action in actions(parser(command))} - set(LEFT_OUT)
    assert options <= SOUND.keys(), "values for the option are missing in tests/fuzz/arguments.py"
