"""The integer model of every configuration, on arrays."""

import pytest

from tests.golden.models.integer.cases import CASES, MAMBA2_CASES, Parts, parts_of


@pytest.fixture(scope="session", params=CASES | MAMBA2_CASES, ids=str)
def parts(request) -> Parts:
    return parts_of(request.param)
