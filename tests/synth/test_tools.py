import re
from importlib.metadata import PackageNotFoundError

import pytest

from golden.errors import InputError
from synth import tools


def test_complaints():
    assert tools.complaint("Info: x\nERROR: no room\nlast\n") == "ERROR: no room"
    assert tools.complaint("one\n  two \n\n") == "two"
    assert tools.complaint("\n") == "it said nothing"


@pytest.mark.parametrize("tool", tools.OLDEST)
def test_versions(tool):
    assert re.match(r"\d+\.\d+", tools.check_version(tool))


def test_the_version_of_a_program_that_is_no_package(monkeypatch):
    """As distributions install them: Yosys and nextpnr say who they are, each in its way."""

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(tools, "package_version", missing)
    said = {
        tools.YOSYS: "Yosys 0.70 (git sha1 abc)\n",
        tools.NEXTPNR: '"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-0.11.1)\n',
        tools.NEXTPNR_ICE40: "no number\n",
    }
    monkeypatch.setattr(tools, "run", lambda tool, arguments, folder: said[tool])
    assert [tools.version(tool) for tool in said] == ["0.70", "0.11.1", "unknown"]
    with pytest.raises(InputError, match="Package pyosys is not installed; get it with"):
        tools.version(tools.NATIVE_YOSYS)
    with pytest.raises(InputError, match=r"must be of version 0\.8 or newer, not unknown"):
        tools.check_version(tools.NEXTPNR_ICE40)


def test_native_yosys(tmp_path):
    said = tools.run_native_yosys("help stat\n", tmp_path, "a.log")
    assert "stat" in said
    assert (tmp_path / "a.log").read_text() == said
    with pytest.raises(InputError, match=r"Tool pyosys failed with status \d+: .*"):
        tools.run_native_yosys("no_such_command\n", tmp_path, "b.log")


def test_the_library_of_yosys():
    text = tools.library("ecp5/cells_sim.v")
    assert "module CCU2C" in text  # from a file that it includes
    assert "`include" not in text
    with pytest.raises(InputError, match=r"File ice40/no\.v of Yosys is not installed"):
        tools.library("ice40/no.v")
