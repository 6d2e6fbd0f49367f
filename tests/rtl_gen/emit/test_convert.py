"""What is emitted is what Amaranth writes, bit for bit, and every tool reads it without a word."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import verilog

from qse_hw.cli import main
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.convert import convert
from qse_hw.rtl_gen.emit.emit import VerilogPlatform, emit, part
from qse_hw.rtl_gen.emit.emit import write as write_unit
from qse_hw.rtl_gen.scan.state import StateLane
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from qse_hw.rtl_gen.units.argmax import ArgmaxConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.synth import yosys as tools
from tests.golden.models.integer import small
from tests.reproducibility.artefacts import UNITS
from tests.rtl_gen.verilog import environment

SAME = """read_verilog {0}.v
hierarchy -check -top unit
proc
flatten
memory -nordff
dffunmap
opt_clean
rename unit {0}
design -stash {0}
"""
EQUAL = """design -copy-from amaranth -as amaranth amaranth
design -copy-from emitted -as emitted emitted
equiv_make amaranth emitted equal
hierarchy -top equal
opt_clean
equiv_simple -undef
equiv_induct -undef -seq 1
equiv_status -assert
"""
SLANG = """
import sys
from pyslang import driver
slang = driver.Driver()
slang.addStandardArgs()
assert slang.parseCommandLine(sys.argv[1]) and slang.processOptions() and slang.parseAllSources()
slang.reportCompilation(slang.createCompilation(), True)
sys.exit(not slang.reportDiagnostics(True))
"""  # in a process of its own, as it says at its end what Python's garbage collector left
CONFIGS = {
    "decoder": DecoderConfig(format=load_format("se8"), lanes=2),
    "encoder": EncoderConfig(format=load_format("se8"), input=input_type("fp16"), scale=None, scale_bits=4),
    "argmax": ArgmaxConfig(size=6, lanes=2, width=5),
    "hadamard": HadamardConfig(size=24, lanes=2, width=3),
    "quantizer": QuantizerConfig(format=load_format("se8"), input=input_type("s8"), scale=Scale.from_step(4.0, 4)),
}


def equal(config, tmp_path, change=lambda text: text):
    """Whether Yosys proves that what is emitted, with a change, is what Amaranth writes."""
    component = config.component()
    raw = verilog.convert(component, name="unit", platform=VerilogPlatform(), emit_src=False)
    ports = [port["name"] for port in emit(config).ports]
    (tmp_path / "amaranth.v").write_text(str(raw))
    (tmp_path / "emitted.v").write_text(change(convert(config.component(), "unit", VerilogPlatform(), ports)))
    script = SAME.format("amaranth") + SAME.format("emitted") + EQUAL
    (tmp_path / "equal.ys").write_text(script)
    try:
        tools.run(tools.YOSYS, ["-q", "equal.ys"], tmp_path, log="equal.log")
    except InputError:
        assert "unproven" in (tmp_path / "equal.log").read_text()
        return False
    return True


@pytest.mark.full
@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_hardware(name, tmp_path):
    assert equal(CONFIGS[name], tmp_path)


@pytest.mark.full
def test_a_changed_bit_is_noticed(tmp_path):
    def changed(text):
        edited = text.replace("valid <= { valid[0], i__valid }", "valid <= { valid[0], valid[0] | i__valid }")
        assert edited != text
        return edited

    assert not equal(CONFIGS["decoder"], tmp_path, changed)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder with the files of one of the units, and the unit's name; each is written once."""
    made = {}

    def write(name):
        if name == "accelerator" and name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            files = small.saved(tmp_path_factory.mktemp("small"))
            write_unit(AcceleratorConfig(**files, rows=4, columns=4), made[name])
        elif name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            with contextlib.redirect_stdout(io.StringIO()):
                assert main(["gen", *UNITS[name].split(), "-o", str(made[name])]) == 0
        return made[name], f"qse_{UNITS.get(name, name).split()[0]}"

    return write


def sources(folder, top):
    return [str(folder / f"{top}.v"), *sorted(map(str, folder.glob("[A-Z]*.v")))]


NAMES = pytest.mark.parametrize("name", [*UNITS, "accelerator"])


def every(test):
    """One in so many of the units is enough in the quick tests."""
    return pytest.mark.every(12)(NAMES(test))


@every
def test_plain_verilog(name, written):
    """No processes that must be started, no ranges below 0, ports in one list; what is declared is used."""
    folder, top = written(name)
    text = (folder / f"{top}.v").read_text()
    assert not re.search(r"always @\*|\$trigger|\[-1:0\]|\(\* init|^  (?:input|output).*;$", text, re.M)
    for module in re.findall(r"^module .*?^endmodule", text, re.S | re.M):
        for wire in re.findall(r"^  wire (?:\[\d+:0\] )?(\\\$\d+) ;$", module, re.M):
            assert module.count(f"{wire} ") > 2, wire


@every
def test_verilator_says_nothing(name, written):
    folder, top = written(name)
    command = ["verilator", "--lint-only", "-Wall", "--top-module", top, str(folder / f"{top}.vlt")]
    done = subprocess.run(
        [*command, *sources(folder, top)], env=environment("-O0"), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[:2000]
    assert "%" not in done.stderr


@every
def test_slang_says_nothing(name, written):
    folder, top = written(name)
    unconnected = "-Wno-unconnected-input-port -Wno-unconnected-output-port"  # of the targets' cells
    words = f"slang -Werror {unconnected} --top {top} {' '.join(sources(folder, top))}"
    done = subprocess.run([sys.executable, "-c", SLANG, words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@every
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_icarus_says_nothing(name, written):
    folder, top = written(name)
    command = ["iverilog", "-g2005", "-Wall", "-t", "null", "-s", top, *sources(folder, top)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    left = [line for line in done.stderr.splitlines() if "dangling input port" not in line]  # of the targets' cells
    assert (done.returncode, left) == (0, [])


@pytest.mark.full(3)
@NAMES
def test_yosys_check(name, written):
    folder, top = written(name)
    own, *models = (Path(path).name for path in sources(folder, top))
    script = [*(f"read_verilog -lib {path}" for path in models), f"read_verilog {own}", f"hierarchy -check -top {top}"]
    tools.run(tools.YOSYS, ["-q", "-p", "; ".join([*script, "proc", "check -assert"])], folder, log="check.log")


def test_a_port_that_is_called_by_a_keyword():
    """Of a part that is proved by itself: its name is escaped, and in its place."""
    config = ScanConfig(channels=8, states=4)
    text = part(config, "part", StateLane(config.widths, target="generic")).text
    names = re.findall(r"^  (?:input |output) (?:wire|reg ) (?:\[\d+:0\] )?(\S+)", text.partition(");")[0], re.M)
    assert [name.rstrip(",") for name in names[-4:]] == ["C", "\\new", "saturated", "term"]
