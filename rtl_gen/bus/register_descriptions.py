"""The register map for other tools: SystemRDL 2.0 (Accellera) and CMSIS-SVD 1.3 (Arm)."""

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH, Access, Field, Register, RegisterMap

WORD = 32
_RDL: Mapping[Access, str] = {
    "read-only": "sw = r; hw = na;",
    "read-write": "sw = rw; hw = r;",
    "command": "sw = w; hw = r;",
    "status": "sw = r; hw = w;",
    "counter": "sw = rw; onwrite = wclr; hw = rw;",
}
_RDL_STICKY = "sw = rw; onwrite = woclr; hw = rw;"
_SVD: Mapping[Access, str] = {
    "read-only": "read-only", "read-write": "read-write", "command": "write-only", "status": "read-only",
    "counter": "read-write",
}  # fmt: skip


def bits(field: Field) -> tuple[int, int]:
    """The highest and the lowest bit of a field as it is read and written: signed ones are extended to the word."""
    return (WORD - 1 if field.signed else field.low + field.width - 1), field.low


def systemrdl(registers: RegisterMap, prefix: str) -> str:
    """An ``addrmap`` of the name ``prefix``."""
    lines = [f"// {_title(prefix)}", f"addrmap {prefix} {{", f"  default regwidth = {WORD};"]
    for register in registers.registers:
        lines += ["  reg {", f"    desc = {_quoted(register.meaning)};"]
        for field in register.fields:
            high, low = bits(field)
            access = _RDL_STICKY if field.sticky else _RDL[register.access]
            value = (register.reset >> low) & ((1 << (high - low + 1)) - 1)
            reset = f" = {value:#x}" if register.access != "command" else ""
            about = f"desc = {_quoted(field.meaning)}; {access}"
            lines.append(f"    field {{ {about} }} \\{field.name}[{high}:{low}]{reset};")
        lines.append(f"  }} \\{register.name} @ {register.offset:#x};")
    return "\n".join([*lines, "};", ""])


def _title(prefix: str) -> str:
    return f"Registers of {prefix}; generated, do not edit."


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def svd(registers: RegisterMap, prefix: str) -> str:
    """A device of one peripheral at address 0, both of the name ``prefix``."""
    device = ElementTree.Element("device", schemaVersion="1.3")
    _add(device, ("name", prefix), ("version", "1.0"), ("description", _title(prefix)))
    _add(device, ("addressUnitBits", "8"), ("width", str(WORD)), ("size", str(WORD)))
    peripheral = ElementTree.SubElement(ElementTree.SubElement(device, "peripherals"), "peripheral")
    _add(peripheral, ("name", prefix), ("baseAddress", "0x0"))
    block = ElementTree.SubElement(peripheral, "addressBlock")
    _add(block, ("offset", "0x0"), ("size", f"{1 << ADDRESS_WIDTH:#x}"), ("usage", "registers"))
    described = ElementTree.SubElement(peripheral, "registers")
    for register in registers.registers:
        one = ElementTree.SubElement(described, "register")
        _add(one, ("name", register.name), ("description", register.meaning))
        _add(one, ("addressOffset", f"{register.offset:#x}"), ("access", _SVD[register.access]))
        _add(one, ("resetValue", f"{register.reset:#x}"))
        fields = ElementTree.SubElement(one, "fields")
        for field in register.fields:
            _add(ElementTree.SubElement(fields, "field"), *_field(register, field))
    ElementTree.indent(device)
    return ElementTree.tostring(device, encoding="unicode", xml_declaration=True) + "\n"


def _field(register: Register, field: Field) -> Iterator[tuple[str, str]]:
    high, low = bits(field)
    yield from (("name", field.name), ("description", field.meaning), ("bitRange", f"[{high}:{low}]"))
    yield "access", "read-write" if field.sticky else _SVD[register.access]
    if field.sticky:
        yield "modifiedWriteValues", "oneToClear"
    elif register.access == "counter":
        yield "modifiedWriteValues", "clear"


def _add(parent: ElementTree.Element, *children: tuple[str, str]) -> None:
    for name, text in children:
        ElementTree.SubElement(parent, name).text = text
