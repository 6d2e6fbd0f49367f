"""Verilog whose ports cocotb can reach in Verilator, which hides what is not declared public."""

import re

from qse_hw.rtl_gen.emit.emit import Emitted


def with_public_ports(unit: Emitted) -> str:
    """The unit's Verilog with every port declared public."""
    text = unit.text
    for port in unit.ports:
        pattern = rf"^(  (?:input |output) (?:wire|reg) (?:\[\d+:0\] )?{port['name']})(,?)$"
        text, count = re.subn(pattern, r"\1 /* verilator public_flat_rw */\2", text, count=1, flags=re.MULTILINE)
        assert count == 1, port
    return text
