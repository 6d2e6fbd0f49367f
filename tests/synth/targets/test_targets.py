import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth.targets import DEVICES, target
from tests.synth.units import SMALL, encoder


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("ecp5", "ecp5:45k-6"),
        ("ecp5:85k-8", "ecp5:85k-8"),
        ("ice40", "ice40:hx8k"),
        ("ice40:up5k", "ice40:up5k"),
        ("gowin", "gowin:gw1nr-9"),
        ("gowin:gw2ar-18", "gowin:gw2ar-18"),
    ],
)
def test_names(name, full):
    chosen = target(name)
    assert chosen.name == full == chosen.describe()["name"]
    assert target(full) == chosen


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("ecp6", "Target must be one of ecp5, ice40, gowin, cells, with a device as in ecp5:45k-8, not 'ecp6'"),
        ("", "Target must be one of"),
        ("ecp5:", "Device of ecp5 must be one of 25k-6, .*, not ''"),
        ("ecp5:45k", "Device of ecp5 must be one of 25k-6, .* not '45k'"),
        ("ice40:lp1k", "Device of ice40 must be one of hx8k, up5k, not 'lp1k'"),
        ("gowin:x", "Device of gowin must be one of gw1nr-9, gw2ar-18, not 'x'"),
        ("cells:osu", "Target cells has no devices, not 'cells:osu'; choose a library by its Liberty file"),
    ],
)
def test_unknown_names(name, match):
    with pytest.raises(InputError, match=match):
        target(name)


@pytest.mark.parametrize("freq", [0.0, 2001.0, float("nan")])
def test_wrong_frequencies(freq):
    with pytest.raises(InputError, match="Frequency must be from 1 to 2000 MHz, not"):
        target("ecp5", freq=freq)


def test_only_the_ecp5_has_its_cells():
    other = encoder(target="ecp5")
    assert [name for name in DEVICES if name != "cells" and target(name).can_build(other)] == ["ecp5"]
    assert all(target(name).can_build(SMALL) for name in DEVICES if name != "cells")
