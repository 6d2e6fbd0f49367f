"""The generated testbench passes a correct unit and fails every faulty one."""

import re
import subprocess

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit import testbench as module
from qse_hw.rtl_gen.emit.emit import emit, write
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from tests.rtl_gen import toy
from tests.rtl_gen.formats import make
from tests.rtl_gen.verilog import commands, environment, off_by_one
from tests.simulators import icarus

SIMULATORS = pytest.mark.parametrize("simulator", ["verilator", icarus])

# fault: what is said, the pass in which it shows, and roughly which output beat
FAULTS = {
    "wrong": ("[0-9a-f]{3}, not [0-9a-f]{3}", "full speed", 49),
    "wrong after a stall": ("a waiting beat left or changed", "stalls", None),
    "lost": ("[0-9a-f]{3}, not [0-9a-f]{3}", "full speed", 50),
    "lost at the end": ("nothing moves: 200 of 200 beats accepted, 199 of 200 left", "full speed", 199),
    "repeated": ("[0-9a-f]{3}, not [0-9a-f]{3}", "full speed", 50),
    "extra": ("more than the 200 beats expected: [0-9a-f]{3}", "full speed", 200),
    "withdrawn": ("a waiting beat left or changed: valid 0", "stalls", None),
    "changed": ("a waiting beat left or changed: valid 1", "stalls", None),
    "silent": ("nothing moves: 1 of 200 beats accepted, 0 of 200 left", "full speed", 0),
    "accepts nothing": ("nothing moves: 0 of 200 beats accepted, 0 of 200 left", "full speed", 0),
    "accepts no weights": ("nothing moves: 0 of 200 beats accepted, 0 of 200 left", "full speed", 0),
    "count": ("count is 5[01], not 200\n", "full speed", 200),
    "count keeps": ("count is 200, not 0 after clear", "full speed", 200),
    "valid is unknown": ("o__valid is x", "full speed", 49),  # of no consequence where there are two states
}


def run(command, folder):
    return subprocess.run(command, cwd=folder, env=environment("-O0"), capture_output=True, text=True, timeout=300)


def compiled(simulator, name, sources, folder):
    """The command that runs the testbench."""
    build, simulate = commands(simulator, name, sources, folder)
    done = run(build, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    about_the_bench = rf"%Warning-\w+: {name}\.v"
    assert not re.search(about_the_bench, done.stderr), done.stderr[-3000:]
    return simulate


def check_files(config, simulator, folder, beats, damage=None):
    """A unit's own testbench passes, at full speed and with stalls; it fails on Verilog that ``damage`` has changed."""
    write(config, folder)
    unit, bench = folder / f"{config.top}.v", folder / f"tb_{config.top}.v"
    sources = [unit, *(folder / name for name in emit(config).models), bench]
    good = run(compiled(simulator, bench.stem, sources, folder), folder)
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, f"PASS {beats} beats")
    if damage is not None:
        unit.write_text(damage(unit.read_text()))
        bad = run(compiled(simulator, bench.stem, sources, folder), folder)
        assert bad.returncode != 0
        assert bad.stdout.startswith("FAIL ")


@pytest.mark.full
@SIMULATORS
def test_every_fault_is_found(simulator, tmp_path):
    assert set(FAULTS) == set(toy.FAULTS) - {"none"}
    files = {"qse_toy.v": toy.TEXT}
    files |= module.testbench("qse_toy", toy.PORTS, toy.beats(), toy.LATENCY, sources=["qse_toy.v"])
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = compiled(simulator, "tb_qse_toy", [tmp_path / "qse_toy.v", tmp_path / "tb_qse_toy.v"], tmp_path)
    good = run(command, tmp_path)
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "PASS 400 beats")
    assert "FAIL" not in good.stdout
    for number, fault in enumerate(toy.FAULTS[1:], 1):
        if (fault, simulator) == ("valid is unknown", "verilator"):
            continue
        sentence, speed, beat = FAULTS[fault]
        bad = run([*command, f"+fault={number}"], tmp_path)
        assert bad.returncode != 0, fault
        assert "PASS" not in bad.stdout, fault
        assert re.match(rf"FAIL {sentence}", bad.stdout), (fault, bad.stdout)
        report = re.search(r"^pass \d \((.*)\), cycle \d+, output beat (\d+)$", bad.stdout, re.MULTILINE)
        assert report[1] == speed, fault
        if beat is not None:
            assert abs(int(report[2]) - beat) <= 1, fault


@pytest.mark.full
@SIMULATORS
def test_a_unit_as_it_is_written(simulator, tmp_path):
    """The files of gen pass, in the folder where they are; with one wrong value they fail."""
    config = DecoderConfig(format=make("se9-paper"))
    write(config, tmp_path)
    unit, bench = tmp_path / "qse_decoder.v", tmp_path / "tb_qse_decoder.v"
    good = run(compiled(simulator, bench.stem, [unit, bench], tmp_path), tmp_path)
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "PASS 1024 beats")
    unit.write_text(off_by_one(unit.read_text()))
    bad = run(compiled(simulator, bench.stem, [unit, bench], tmp_path), tmp_path)
    assert bad.returncode != 0
    assert bad.stdout.startswith("FAIL ")


UNITS = [
    LinearConfig(format=make("se8"), inputs=10, outputs=6, rows=2, columns=4),
    HadamardConfig(size=48, width=8, lanes=2),
    QuantizerConfig(format=make("se8"), input=input_type("s8"), scale=Scale.from_step(0.7), lanes=3),
]


@pytest.mark.full
@pytest.mark.every(4)
@SIMULATORS
@pytest.mark.parametrize("config", UNITS, ids=lambda config: config.unit)
def test_other_units(config, simulator, tmp_path):
    """Units with memories to load, vectors of many beats, AXI4-Stream."""
    write(config, tmp_path)
    sources = [tmp_path / f"{config.top}.v", tmp_path / f"tb_{config.top}.v"]
    done = run(compiled(simulator, f"tb_{config.top}", sources, tmp_path), tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"PASS {2 * len(config.beats().outputs.beats)} beats")


def test_all_but_fatal_is_verilog_2005(tmp_path):
    made = module.testbench("qse_toy", toy.PORTS, toy.beats(), 1, sources=[])
    assert made["tb_qse_toy.v"].count("$fatal(1);") == 1
    for name, text in {"qse_toy.v": toy.TEXT, **made}.items():
        (tmp_path / name).write_text(text.replace("$fatal(1);", "$stop;"))
    lint = ["verilator", "--lint-only", "--timing", "-Wno-fatal", "--language", "1364-2005", "--top-module"]
    done = run([*lint, "tb_qse_toy", "tb_qse_toy.v", "qse_toy.v"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_plain_ascii_and_the_same_every_time():
    made = [module.testbench("qse_toy", toy.PORTS, toy.beats(), 1, sources=["a.v", "b.v"]) for _ in range(2)]
    assert made[0] == made[1]
    assert list(made[0]) == ["tb_qse_toy.v", "tb_qse_toy_weights.hex", "tb_qse_toy_i.hex", "tb_qse_toy_o.hex"]
    assert all(text.isascii() for text in made[0].values())
    assert "tb_qse_toy.v a.v b.v" in made[0]["tb_qse_toy.v"]


def test_memory_files_are_the_beats():
    beats = toy.beats()
    made = module.testbench("qse_toy", toy.PORTS, beats, 1, sources=[])
    for stream, digits in ((beats.first[0], 3), (beats.inputs, 3), (beats.outputs, 3)):
        lines = made[f"tb_qse_toy_{stream.name}.hex"].splitlines()
        assert [int(line, 16) for line in lines] == stream.beats
        assert {len(line) for line in lines} == {digits}


def test_patience_grows_with_the_latency():
    def patience(latency):
        text = module.testbench("qse_toy", toy.PORTS, toy.beats(), latency, sources=[])["tb_qse_toy.v"]
        return [int(number) for number in re.findall(r"quiet > (\d+)", text)]

    assert patience(1) == [2020, 42]
    assert patience(1000) == [22000, 2040]
