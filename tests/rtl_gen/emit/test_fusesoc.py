"""The core file, as FuseSoC reads it."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from fusesoc.capi2.coreparser import Core2Parser

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import companions, emit, write
from qse_hw.rtl_gen.emit.fusesoc import core
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.simulators.simulators import search_path
from tests.rtl_gen.formats import make
from tests.rtl_gen.verilog import environment

ECP5 = EncoderConfig(format=make("se8"), input=input_type("s16"), scale=Scale.from_step(0.7), target="ecp5", lanes=2)
ICARUS = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
FUSESOC = str(Path(sys.executable).with_name("fusesoc"))


def read(text, folder):
    """The core file as FuseSoC's own parser reads it, checked against its schema."""
    path = folder / "x.core"
    path.write_text(text)
    return Core2Parser().read(str(path))


def test_with_a_testbench(tmp_path):
    document = read(companions(emit(DecoderConfig(format=make("se8"))))["qse_decoder.core"], tmp_path)
    assert document["name"] == f"::qse_decoder:{version('qse-hw')}"
    assert document["description"] == "decoder se8"
    data = {name: {"file_type": "user", "copyto": name} for name in ("tb_qse_decoder_i.hex", "tb_qse_decoder_o.hex")}
    assert [fileset["files"] for fileset in document["filesets"].values()] == [
        ["qse_decoder.v"],
        ["qse_decoder.vlt"],
        ["tb_qse_decoder.v", *({name: attributes} for name, attributes in data.items())],
    ]
    languages = {name: fileset["file_type"] for name, fileset in document["filesets"].items()}
    assert languages == {"rtl": "verilogSource-2005", "waivers": "vlt", "tb": "systemVerilogSource"}  # $fatal
    targets = document["targets"]
    assert list(targets) == ["default", "lint", "sim", "sim_icarus"]
    assert {name: (target["filesets"], target["toplevel"]) for name, target in targets.items()} == {
        "default": (["rtl"], "qse_decoder"),
        "lint": (["rtl", "waivers"], "qse_decoder"),
        "sim": (["rtl", "tb"], "tb_qse_decoder"),
        "sim_icarus": (["rtl", "tb"], "tb_qse_decoder"),
    }
    options = targets["sim"]["flow_options"]
    assert (options["tool"], options["mode"]) == ("verilator", "binary")
    assert "--timing" in options["verilator_options"]
    assert targets["sim_icarus"]["flow_options"] == {"tool": "icarus", "iverilog_options": ["-g2005"]}


def test_models_are_for_simulators_and_linters(tmp_path):
    targets = read(companions(emit(ECP5))["qse_encoder.core"], tmp_path)["targets"]
    assert {name: target["filesets"] for name, target in targets.items()} == {
        "default": ["rtl"], "lint": ["rtl", "models", "waivers"], "sim": ["rtl", "models", "tb"],
        "sim_icarus": ["rtl", "models", "tb"],
    }  # fmt: skip


def test_without_a_testbench(tmp_path):
    document = read(core("qse_x", "1.2.3", 'a: "b" # c', models=[], testbench=[]), tmp_path)
    assert (document["name"], document["description"]) == ("::qse_x:1.2.3", 'a: "b" # c')
    assert list(document["targets"]) == ["default", "lint"]
    assert list(document["filesets"]) == ["rtl", "waivers"]


@pytest.mark.full
@pytest.mark.parametrize("target", ["lint", "sim", pytest.param("sim_icarus", marks=ICARUS)])
def test_as_written_in_the_core_file(target, tmp_path):
    """The lines of its head, in an environment that has nothing but the packages."""
    write(DecoderConfig(format=make("se8")), tmp_path)
    words = [line.removeprefix("# ") for line in (tmp_path / "qse_decoder.core").read_text().splitlines()]
    (path,) = (line for line in words if line.startswith("export PATH="))
    (command,) = (line for line in words if line.startswith("fusesoc ") and f"--target {target} " in line)
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    home = {"HOME": str(tmp_path), "PATH": here, "CCACHE_DISABLE": "1"}
    done = subprocess.run(
        ["bash", "-ec", f"{path}\n{command}"], cwd=tmp_path, env=home, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert target == "lint" or re.search(r"^PASS \d+ beats", done.stdout, re.M)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The files of an encoder as gen writes them, and how to call FuseSoC on them."""
    folder = tmp_path_factory.mktemp("fusesoc")
    write(ECP5, folder / "unit")
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    path = os.pathsep.join([search_path(), str(Path(sys.executable).parent)])

    def fusesoc(*words):
        command = [FUSESOC, "--cores-root", str(folder / "unit"), *words]
        changed = environment("-O1") | home | {"PATH": path}
        return subprocess.run(command, cwd=folder, env=changed, capture_output=True, text=True, timeout=300)

    return fusesoc


def test_lint(library):
    done = library("run", "--target", "lint", "qse_encoder")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "%Error" not in done.stdout + done.stderr
    assert "%Warning" not in done.stdout + done.stderr


@pytest.mark.full
@pytest.mark.parametrize(
    "tool",
    [
        "verilator",
        pytest.param("icarus", marks=ICARUS),
    ],
)
def test_sim(library, tool):
    done = library("run", "--target", "sim" if tool == "verilator" else "sim_icarus", "qse_encoder")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"PASS {1 << 16} beats" in done.stdout
