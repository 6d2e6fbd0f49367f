"""Verilator's warnings that a unit's Verilog causes on purpose, each with the reason, as a configuration file."""

from collections.abc import Sequence

_OWN = {
    "DECLFILENAME": "all modules of the unit are in one file",
    "PROCASSINIT": "registers have a value before the first reset, with which an FPGA starts",
    "UNUSEDSIGNAL": "fields, elements and ports of submodules have names that only waveforms show; modules "
    "without state have a reset, too",
    "WIDTHEXPAND": "an operand is as wide as its range needs, and extended by its sign, as Verilog says",
    "WIDTHTRUNC": "a sum is cut to what its register holds: a counter wraps, or the range fits; ! asks whether a "
    "vector is 0",
    "PINMISSING": "pins of the target's cells that the unit does not use",
    "VARHIDDEN": "the array of a memory is called like the instance of its module",
    "SYMRSVDWORD": "a signal is called by a word of C++, which Verilator writes",
}
_MODELS = {
    "PROCASSINIT": "registers have a value before the first reset",
    "UNUSEDPARAM": "parameters of the target's cell that the model does not need",
    "UNUSEDSIGNAL": "pins of the target's cell that the model does not need",
    "WIDTHEXPAND": "constants are extended as Verilog says",
    "WIDTHTRUNC": "an address has more bits than the model's memory needs",
}


def waivers(top: str, models: Sequence[str]) -> str:
    """The text of ``TOP.vlt``: with it, ``verilator --lint-only -Wall`` says nothing about ``TOP.v``.

    Args:
        top: the unit's module.
        models: the files of its cells' models.
    """
    files = [top + ".v", *models]
    lines = [f"// For verilator --lint-only -Wall --top-module {top} {top}.vlt {' '.join(files)}", "`verilator_config"]
    for file in files:
        for rule, reason in (_OWN if file == files[0] else _MODELS).items():
            lines += [f"// {reason}", f'lint_off -rule {rule} -file "*{file}"']
    return "\n".join(lines) + "\n"
