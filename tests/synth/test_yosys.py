import os
import re
from importlib.metadata import PackageNotFoundError

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth import yosys as tools
from tests.synth.small import SMALL


def test_complaints():
    assert tools.complaint("Info: x\nERROR: no room\nlast\n") == "ERROR: no room"
    assert tools.complaint("one\n  two \n\n") == "two"
    assert tools.complaint("\n") == "no message"


LOG = """ABC: ======== ABC command line "source <abc-temp-dir>/abc.script"
ABC: + read_lib -w cells.lib
ABC: Parsing finished successfully.  Parsing time =     0.00 sec
ABC: Memory =    0.03 MB. Time =     0.00 sec
{}
"""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "ABC: There are two standard cells with the same name (NAND2).\nABC: ** cmd error: aborting 'source'\n"
            "ERROR: Can't open ABC output file `/tmp/x/output.blif'.",
            "ABC failed: There are two standard cells with the same name (NAND2).",
        ),
        (
            "ABC: yosys-abc: /a/b/scl.c:983: abc::Vec_Str_t* abc::F(SC_Lib*, int*): Assertion `Delay > 0' failed.\n"
            "ABC: Aborted\nERROR: ABC: execution of script failed: return code 134 (errno=0).",
            "ABC failed: it stopped on an assertion of its own, Delay > 0 (scl.c:983)",
        ),
        (
            "ABC: Cannot find buffer in the current library. Quitting.\nABC: Segmentation fault\n"
            "ERROR: ABC: execution of script failed: return code 139 (errno=0).",
            "ABC failed: Cannot find buffer in the current library. Quitting. it crashed (segmentation fault)",
        ),
        ("ERROR: Can't open ABC output file `/tmp/x/output.blif'.", "ABC failed: no message"),
        ("ERROR: No such command: x", "ERROR: No such command: x"),
    ],
)
def test_what_abc_says(said, reason):
    assert tools.complaint(LOG.format(said)) == reason


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


ADDER = "module t(input [3:0] a, b, output [3:0] y); assign y = a + b; endmodule\n"
MAP = "read_verilog t.v\nsynth -top t\nabc -liberty cells.lib\n"


def test_abc_speaks_for_itself(tmp_path):
    """Whatever the reason is: here a cell that is twice in the library, and a table cut short."""
    text = SMALL.read_text()
    (tmp_path / "t.v").write_text(ADDER)
    (tmp_path / "cells.lib").write_text(text.replace("cell (NOR2)", "cell (NAND2)"))
    with pytest.raises(InputError, match=r"^Tool pyosys failed .*: ABC failed: .*same name \(NAND2\)") as why:
        tools.run_native_yosys(MAP, tmp_path, "a.log")
    assert str(tmp_path) not in str(why.value)
    (tmp_path / "cells.lib").write_text(text.replace('values ("0.02434, ', 'values ("'))
    with pytest.raises(InputError, match=r"ABC failed: it stopped on an assertion of its own, .*\(\w+\.c:\d+\)$"):
        tools.run_native_yosys(MAP, tmp_path, "b.log")


def test_yosys_remembers_no_library(tmp_path):
    """What it made of a library does not serve for another one with the same name and an old date; nothing is left."""
    (tmp_path / "t.v").write_text(ADDER)
    text = SMALL.read_text()
    begin, end = text.index("  cell (XOR2)"), text.index("  cell (AOI21)")
    for library, mapped in ((text, True), (text[:begin] + text[end:], False)):
        (tmp_path / "cells.lib").write_text(library)
        os.utime(tmp_path / "cells.lib", (1e9, 1e9))
        said = tools.run_native_yosys(MAP, tmp_path, "a.log")
        assert (re.search(r"ABC RESULTS: +XOR2 cells", said) is not None) == mapped
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.log.ys", "cells.lib", "t.v"]
