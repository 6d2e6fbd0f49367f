"""An accelerator's configuration: its buses, its image, its registers, what it refuses; its files."""

import importlib.util
import json

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.bus.registers import ACCESS, ADDRESS_WIDTH
from qse_hw.rtl_gen.emit.emit import ports
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from qse_hw.rtl_gen.units.model import ModelConfig
from tests.golden.models.integer import small


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model's folder and its formats."""
    return small.saved(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rows": 5, "columns": 6}, "Bus bits must be a multiple or a divisor of the 240 bits of weights that"),
        ({"rows": 3, "columns": 4, "bus_bits": 64}, "of the 96 bits .* engine of 3 x 4 takes per cycle, not 64"),
        ({"bus_bits": 96}, "Bus bits must be 64 or 128, not 96"),
        ({"bus_bits": 32}, "Bus bits must be 64 or 128, not 32"),
        ({"burst_beats": 24}, "Burst beats must be a power of two up to 256"),
        ({"bursts": 65}, "Bursts must be from 2 to 64, not 65"),
        ({"scan_lanes": 3}, "^Scan lanes must divide the 4 states, not be 3$"),
        ({"hadamard_lanes": 3}, "Hadamard lanes must divide the 4 columns of the engine, not be 3"),
    ],
)
def test_refused(files, options, sentence):
    with pytest.raises(InputError, match=sentence):
        AcceleratorConfig(**files, **options)


def test_what_is_built(files):
    unit = AcceleratorConfig(**files, rows=4, columns=2, scan_lanes=2, address_bits=40)
    assert unit.mixer == ModelConfig(**files, rows=4, columns=2, scan_lanes=2).mixer
    assert unit.label == "accelerator se8 24,48,4,3 layers=2 4x2 scan=2 bus=128"
    assert unit.initiation_interval == unit.mixer.product_cycles
    vectors = unit.vectors()
    assert np.array_equal(vectors["next"], vectors["logits"].argmax(axis=1))
    registers = unit.registers
    offsets = [register.offset for register in registers.registers]
    assert offsets == sorted(set(offsets))
    assert all(offset % 4 == 0 and offset < 1 << ADDRESS_WIDTH for offset in offsets)
    for register in registers.registers:
        assert register.access in ACCESS
        used = 0
        for field in register.fields:
            assert field.low + field.width <= 32
            assert not used & field.mask, register.name
            used |= field.mask
        assert register.reset & ~used == 0
    assert registers["LAYERS"].reset == 2
    assert registers["IMAGE_HARDWARE"].reset == unit.facts()["image"]["hardware"]
    assert (registers["BASE"].fields[0].low, registers["BASE_HIGH"].fields[0].width) == (6, 8)
    narrow = AcceleratorConfig(**files, rows=4, columns=2)
    assert "BASE_HIGH" not in {register.name for register in narrow.registers.registers}


def test_registers_and_ports_of_several_sequences(files):
    """They are there for several only."""
    one, several = (AcceleratorConfig(**files, rows=4, columns=2, sequences=count) for count in (1, 5))
    names = [{register.name for register in unit.registers.registers} for unit in (one, several)]
    assert names[1] - names[0] == {"SEQUENCES"}
    assert several.registers["SEQUENCES"].reset == 5
    fields = [
        {field.name for name in ("CONTROL", "STATUS") for field in unit.registers[name].fields}
        for unit in (one, several)
    ]
    assert fields[1] - fields[0] == {"SEQUENCE", "SEQUENCE_ERROR"}
    assert several.registers["CONTROL"].field("SEQUENCE").mask == 0xFF << 3
    vectors = several.vectors()
    assert {"sequence", "first"} <= set(vectors)
    made, plain = ({port["name"]: port for port in ports(unit, unit.component())} for unit in (several, one))
    assert set(made) - set(plain) == {"s_axis_tid", "m_axis_tid"}
    assert made["s_axis_tid"]["width"] == made["m_axis_tid"]["width"] == 3
    assert made["s_axis_tid"]["meaning"] == "the token's sequence, below 5"


@pytest.mark.full
def test_files(files, tmp_path):
    words = [word for name, value in files.items() for word in (f"--{name}", value)]
    assert main(["gen", "accelerator", *words, "--bus-bits", "64", "-o", str(tmp_path)]) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["top"] == "qse_accelerator"
    assert manifest["parameters"]["bus_bits"] == 64
    assert manifest["image"]["parts"]["header"]["offset"] == 0
    ports = {port["name"]: port for port in manifest["ports"]}
    assert ports["m_axi_rdata"]["width"] == 64
    assert all(port["meaning"] for port in ports.values())
    assert "m_axi_awaddr" not in ports
    spec = importlib.util.spec_from_file_location("registers", tmp_path / "qse_accelerator_registers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.CONTROL_OFFSET, module.STATE_READY, module.STATUS_STATE_MASK) == (0x10, 2, 3)
    assert {one["name"]: one["offset"] for one in manifest["registers"]}["STATUS"] == module.STATUS_OFFSET
    assert "| `0x014` | `STATUS` |" in (tmp_path / "qse_accelerator_registers.md").read_text()
