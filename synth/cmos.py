"""Area without a device: the transistors of a static CMOS netlist, as Yosys estimates them."""

import re
from pathlib import Path

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth.memories import has_macros
from qse_hw.synth.yosys import YOSYS, run

_SCRIPT = (
    "read_verilog {top}.v; synth -flatten -top {top}; async2sync; dfflegalize -cell $_DFF_P_ 01; "
    "abc -g AND,OR,XOR,MUX; opt_clean; delete t:$scopeinfo; tee -q -o cmos.txt stat -tech cmos"
)


def transistors(unit: Emitted, folder: Path) -> int | None:
    """Transistors of the bare unit in AND, OR, XOR, MUX and flops; None if it contains cells of a target or large
    memories (:mod:`qse_hw.synth.memories`), which nobody makes of flops.

    Raises:
        InputError: if Yosys is missing or fails.
    """
    if unit.models or has_macros(unit.text):
        return None
    top = unit.config.top
    (folder / f"{top}.v").write_text(unit.text, encoding="utf-8")
    run(YOSYS, ["-q", "-p", _SCRIPT.format(top=top)], folder, log="cmos.log")
    match = re.search(r"Estimated number of transistors: +(\d+)(\+?)", (folder / "cmos.txt").read_text())
    if match is None:
        raise InputError(f"Tool {YOSYS} must estimate the transistors of {top}, but its report has no estimate")
    # a plus sign: there are cells that it cannot count, such as memories
    return None if match[2] else int(match[1])
