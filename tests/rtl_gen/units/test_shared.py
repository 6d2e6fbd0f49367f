"""The options that several units have."""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.units.shared import LANES, TARGET, TARGETS


def test_limits_of_lanes():
    assert [LANES.kind.check("lanes", number) for number in (1, 1024, np.int8(3))] == [1, 1024, 3]


def test_targets():
    assert [TARGET.kind.check("target", name) for name in TARGETS] == ["generic", "ecp5"]
    with pytest.raises(InputError, match=r"^Target must be one of generic, ecp5, not 'ice40'$"):
        TARGET.kind.check("target", "ice40")
