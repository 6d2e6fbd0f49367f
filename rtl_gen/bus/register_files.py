"""The register map as files: C and Verilog headers, a Python module, a Markdown table, SystemRDL, CMSIS-SVD."""

from collections.abc import Iterator
from typing import NamedTuple

from qse_hw.rtl_gen.bus.register_descriptions import svd, systemrdl
from qse_hw.rtl_gen.bus.registers import ACCESS, ADDRESS_WIDTH, RegisterMap


class Constant(NamedTuple):
    """A name, its value (unsigned, 32 bits) and a comment, empty if the register's first constant has told it."""

    name: str
    value: int
    comment: str


def constants(registers: RegisterMap) -> Iterator[Constant]:
    """Per register ``NAME_OFFSET`` and ``NAME_RESET``; per field ``NAME_FIELD_SHIFT``, ``NAME_FIELD_MASK`` (shifted)
    and, for signed fields, ``NAME_FIELD_SIGNED``; at the end the values of the field with codes.
    """
    for register in registers.registers:
        yield Constant(f"{register.name}_OFFSET", register.offset, f"{register.access}: {register.meaning}")
        yield Constant(f"{register.name}_RESET", register.reset, "")
        for field in register.fields:
            name = f"{register.name}_{field.name}"
            yield Constant(f"{name}_SHIFT", field.low, field.meaning if field.meaning != register.meaning else "")
            yield Constant(f"{name}_MASK", field.mask, "")
            if field.signed:
                yield Constant(f"{name}_SIGNED", 1, "")
    for number, (name, meaning) in enumerate(registers.codes.meanings.items()):
        yield Constant(f"{registers.codes.name}_{name}", number, meaning)


def c_header(registers: RegisterMap, prefix: str) -> str:
    """A C header of ``#define``s, whose names begin with ``prefix`` in capitals."""
    big = prefix.upper()
    lines = [f"/* Registers of {prefix}; offsets in bytes. Generated, do not edit. */", f"#ifndef {big}_REGISTERS_H"]
    lines += [f"#define {big}_REGISTERS_H", ""]
    for name, value, comment in constants(registers):
        lines += [f"/* {comment} */"] if comment else []
        lines.append(f"#define {big}_{name} {value:#x}u")
    return "\n".join([*lines, "", "#endif", ""])


def verilog_header(registers: RegisterMap, prefix: str) -> str:
    """``localparam``s to include in a module, whose names begin with ``prefix`` in capitals."""
    big = prefix.upper()
    lines = [f"// Registers of {prefix}; offsets in bytes. Generated, do not edit."]
    for name, value, comment in constants(registers):
        lines += [f"// {comment}"] if comment else []
        width = ADDRESS_WIDTH if name.endswith("_OFFSET") else 32
        lines.append(f"localparam [{width - 1}:0] {big}_{name} = {width}'h{value:x};")
    return "\n".join([*lines, ""])


def python_module(registers: RegisterMap, prefix: str) -> str:
    """A Python module of constants."""
    lines = [f'"""Registers of {prefix}; offsets in bytes. Generated, do not edit."""', ""]
    for name, value, comment in constants(registers):
        lines += [f"# {comment}"] if comment else []
        lines.append(f"{name} = {value:#x}")
    return "\n".join([*lines, ""])


def markdown(registers: RegisterMap, prefix: str) -> str:
    """A Markdown table of registers and their fields."""
    lines = [
        f"# Registers of `{prefix}`",
        "",
        f"AXI4-Lite, {ADDRESS_WIDTH} address bits, registers of 32 bits at multiples of 4. Refused accesses, unknown "
        "addresses and addresses that are not multiples of 4 are answered with SLVERR and change nothing. Bits without "
        "a meaning read as 0, those above a signed field as its sign; they must be written so.",
        "",
        "| Offset | Register | Access | Reset | Bits | Field | Meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for register in registers.registers:
        start = f"`{register.offset:#05x}` | `{register.name}` | {register.access} | `{register.reset:#x}`"
        for field in register.fields:
            high = field.low + field.width - 1
            bits = f"{high}:{field.low}" if field.width > 1 else f"{field.low}"
            sticky = ", sticky" if field.sticky else ""
            lines.append(f"| {start} | {bits} | `{field.name}` | {field.meaning}{sticky} |")
            start = " | | | "
    access = ACCESS | {"read-write": f"{registers.effect} {ACCESS['read-write']}"}
    lines += ["", *(f"- **{name}**: {text}" for name, text in access.items()), ""]
    lines += [registers.codes.title, ""]
    return "\n".join([*lines, *(f"{n}. `{k}`: {v}" for n, (k, v) in enumerate(registers.codes.meanings.items())), ""])


def register_files(registers: RegisterMap, prefix: str) -> dict[str, str]:
    """All register files, text by name."""
    makers = {
        ".h": c_header, ".vh": verilog_header, ".py": python_module, ".md": markdown, ".rdl": systemrdl, ".svd": svd,
    }  # fmt: skip
    return {f"{prefix}_registers{suffix}": make(registers, prefix) for suffix, make in makers.items()}
