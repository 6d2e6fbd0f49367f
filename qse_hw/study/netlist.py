"""A synthesized netlist in place of a unit's Verilog, for simulations that check netlists."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig

NETLIST_HELP = "simulate the netlist for this target, not the Verilog: ecp5, ice40:hx8k, ice40:up5k, gowin or cells"


def netlists(name: str | None) -> Callable[[UnitConfig], Emitted]:
    """The function that makes a unit's Verilog: the generator, or the generator and a target's synthesis.

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
