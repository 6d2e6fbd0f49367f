"""What is synthesized of a unit, in its place: for simulations that check netlists."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig

NETLIST_HELP = "not the Verilog but what is synthesized of it for ecp5, ice40:hx8k, ice40:up5k, gowin or cells"


def netlists(name: str | None) -> Callable[[UnitConfig], Emitted]:
    """What makes Verilog of a unit: the generator, or a target's synthesis after it.

    Raises:
        InputError: if there is no such target, or one of its tools is missing.
    """
    if name is None:
        return emit
    from qse_hw.synth import yosys as tools
    from qse_hw.synth.targets import target

    chosen = target(name)
    for program in chosen.programs:
        tools.check_version(program)

    def build(config: UnitConfig) -> Emitted:
        with tempfile.TemporaryDirectory(prefix="qse-netlist-") as folder:
            return chosen.netlist(emit(config), Path(folder))

    return build
