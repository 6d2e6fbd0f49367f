"""Writes the computed parts of docs/reference/*.md from the sources: python docs/reference.py [--check].

No page has a figure that was measured, so none of them depends on docs/results.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import reference_codes
import reference_commands
import reference_python
import reference_schemas
from blocks import fill

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.bus.register_files import markdown
from qse_hw.rtl_gen.emit.unit import unit_class

FOLDER = Path(__file__).parent / "reference"


def registers() -> str:
    """The table that ``gen quantizer`` writes, without its heading, which the page has."""
    scale = Scale.from_step(0.0147)
    config = unit_class("quantizer")(format=load_format("se8"), input=input_type("bf16"), scale=scale, lanes=4)
    table = markdown(config.registers, config.top)  # type: ignore[attr-defined]  # a quantizer's
    return table.partition("\n")[2].strip()


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "commands": {"commands": reference_commands.commands},
    "python": {"names": reference_python.names},
    "schemas": {"schemas": reference_schemas.schemas, "reports": reference_schemas.reports},
    "registers": {"quantizer": registers},
    "formats": {
        "presets": reference_codes.presets, "codes": reference_codes.codes, "encode": reference_codes.encode,
        "decode": reference_codes.decode, "zero": reference_codes.zero,
    },
}  # fmt: skip


def main(arguments: list[str]) -> None:
    """Write the pages, or check that they are what would be written."""
    for name, makers in PAGES.items():
        page = FOLDER / f"{name}.md"
        text = page.read_text(encoding="utf-8")
        filled = fill(text, {block: make() for block, make in makers.items()})
        if arguments == ["--check"]:
            if filled != text:
                sys.exit(f"docs/reference/{page.name} is not what docs/reference.py makes")
        else:
            page.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
