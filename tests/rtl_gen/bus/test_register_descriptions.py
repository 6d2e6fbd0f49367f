"""Other tools read the descriptions, and find the map's registers, fields, accesses and values."""

import pytest
from cmsis_svd.parser import SVDParser
from systemrdl import RDLCompiler
from systemrdl.rdltypes import OnWriteType

from qse_hw.rtl_gen.bus.register_descriptions import svd, systemrdl
from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH, Codes, Field, Register, RegisterMap
from tests.rtl_gen.quantizer.test_registers import registers

PREFIX = "qse_quantizer"
QUOTING = RegisterMap(
    registers=(
        Register(
            name="ID", offset=4, access="read-only", meaning='a "quoted" \\ & <word>', reset=5,
            fields=(Field(name="reg", low=0, width=8, meaning='"x" & \\y'),),
        ),
    ),
    effect="", codes=Codes("A", "", {}),
)  # fmt: skip
MAPS = pytest.mark.parametrize("register_map", [registers("se8-silu"), QUOTING], ids=["quantizer", "quoting"])


def place(field):
    """The highest and lowest bit, as the bus has them: signed fields are sign-extended."""
    return (31 if field.signed else field.low + field.width - 1), field.low


@MAPS
def test_systemrdl(register_map, tmp_path):
    path = tmp_path / "map.rdl"
    path.write_text(systemrdl(register_map, PREFIX))
    compiler = RDLCompiler()
    compiler.compile_file(str(path))
    top = compiler.elaborate().top
    assert top.inst_name == PREFIX
    nodes = list(top.registers())
    assert [(node.inst_name, node.absolute_address, node.get_property("desc")) for node in nodes] == [
        (register.name, register.offset, register.meaning) for register in register_map.registers
    ]
    for node, register in zip(nodes, register_map.registers, strict=True):
        assert [(one.inst_name, (one.high, one.low), one.get_property("desc")) for one in node.fields()] == [
            (field.name, place(field), field.meaning) for field in register.fields
        ]
        value = 0
        for one, field in zip(node.fields(), register.fields, strict=True):
            value |= (one.get_property("reset") or 0) << one.low
            writes = {"read-write", "command", "counter"}
            assert one.is_sw_writable == (register.access in writes or field.sticky)
            assert one.is_sw_readable == (register.access != "command")
            clears = OnWriteType.woclr if field.sticky else OnWriteType.wclr if register.access == "counter" else None
            assert one.get_property("onwrite") == clears
        assert value == register.reset


@MAPS
def test_svd(register_map, tmp_path):
    path = tmp_path / "map.svd"
    path.write_text(svd(register_map, PREFIX))
    device = SVDParser.for_xml_file(str(path)).get_device()
    (peripheral,) = device.peripherals
    assert (device.name, peripheral.name, peripheral.base_address) == (PREFIX, PREFIX, 0)
    assert peripheral.address_blocks[0].size == 1 << ADDRESS_WIDTH
    assert [(one.name, one.address_offset, one.description, one.reset_value) for one in peripheral.registers] == [
        (register.name, register.offset, register.meaning, register.reset) for register in register_map.registers
    ]
    for one, register in zip(peripheral.registers, register_map.registers, strict=True):
        assert [(bit.name, (bit.bit_offset + bit.bit_width - 1, bit.bit_offset)) for bit in one.fields] == [
            (field.name, place(field)) for field in register.fields
        ]
        wanted = {"command": "write-only", "read-write": "read-write", "counter": "read-write"}
        for bit, field in zip(one.fields, register.fields, strict=True):
            access = "read-write" if field.sticky else wanted.get(register.access, "read-only")
            assert getattr(bit.access, "value", bit.access) == access
            written = "oneToClear" if field.sticky else "clear" if register.access == "counter" else None
            assert getattr(bit.modified_write_values, "value", bit.modified_write_values) == written
