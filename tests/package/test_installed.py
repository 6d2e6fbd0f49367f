"""The installed package: where its modules come from, how it is called, what it says about its sources."""

import json
import sys

import pytest

from qse_hw.golden.io import sources
from tests.package.conftest import ROOT

WHERE = """
import json, qse_hw, qse_hw.golden, qse_hw.rtl_gen, qse_hw.sim, qse_hw.synth, qse_hw.study
print(json.dumps([p.__file__ for p in (qse_hw, qse_hw.golden, qse_hw.rtl_gen, qse_hw.sim, qse_hw.synth, qse_hw.study)]))
"""
WITHOUT = """
import sys
from importlib.util import find_spec
sys.path.remove(sys.argv[1])
assert find_spec("qse_hw") is None
"""
SOURCES = """
import json
from qse_hw.golden.io import environment, sources
print(json.dumps([environment.commit(), sources.digests()]))
"""


def test_modules_come_from_where_it_is_installed(run, site):
    names = ["", "golden", "rtl_gen", "sim", "synth", "study"]
    assert json.loads(run(sys.executable, "-c", WHERE)) == [
        str(site.joinpath("qse_hw", name, "__init__.py")) for name in names
    ]


def test_no_checkout_is_found_in_its_place(run, site):
    run(sys.executable, "-c", WITHOUT, site)


def test_its_sources_have_the_checkout_s_digests_and_no_commit(run):
    """So kept results and workers of a sweep serve both."""
    own = sources.read(ROOT)
    del own["tests"]
    assert json.loads(run(sys.executable, "-c", SOURCES)) == [None, own]


GEN = ("decoder", "--format", "int8", "-o")


@pytest.mark.parametrize("way", ["qse-hw", "-m qse_hw", "-m qse_hw.gen"])
def test_every_way_to_call_it(run, site, mine, way):
    program = {
        "qse-hw": (site / "bin" / "qse-hw", "gen"),
        "-m qse_hw": (sys.executable, "-m", "qse_hw", "gen"),
        "-m qse_hw.gen": (sys.executable, "-m", "qse_hw.gen"),
    }[way]
    folder = mine / f"called {way}"
    assert f"{folder}/qse_decoder.v\n" in run(*program, *GEN, folder)
    assert "decoder" in run(*program, "--help")


def test_help(run, site):
    said = run(site / "bin" / "qse-hw", "--help")
    assert said.startswith("usage: python -m qse_hw COMMAND ")
    assert said == run(sys.executable, "-m", "qse_hw", "--help")
