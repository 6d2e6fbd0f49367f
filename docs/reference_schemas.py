"""The files that commands read and write, from the schemas that check them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blocks import markdown

from qse_hw.golden.calibration import calibration
from qse_hw.golden.formats import presets
from qse_hw.golden.formats.scale import SCALE_SCHEMA
from qse_hw.golden.io.sources import FLOORS
from qse_hw.golden.models.integer import document
from qse_hw.golden.models.quamba import calibration as quamba
from qse_hw.golden.models.quamba import calibration_mamba2 as quamba2
from qse_hw.study import written_unit
from qse_hw.study.sweep import spec

ROOT = Path(__file__).parents[1]
FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "A format": ("A JSON file for `--format FILE.json`.", presets.SCHEMA),
    "A calibration": ("What `calibrate` writes and `--calibration FILE` takes.", calibration.SCHEMA),
    "Formats of an integer model": (
        "What `calibrate --recipe integer` writes. A layer has a type for every tensor of its architecture.",
        document.SCHEMA,
    ),
    "Scales of a Mamba-1": ("What `eval --recipe quamba --scales FILE` keeps.", quamba.SCHEMA),
    "Scales of a Mamba-2": ("The same for a Mamba-2.", quamba2.SCHEMA),
    "A manifest": (
        "What `gen` writes beside the Verilog; further properties tell each unit's own facts.", written_unit.SCHEMA
    ),
    "A sweep": ("The SPEC of `sweep`, in TOML.", spec.SCHEMA),
}  # fmt: skip
_SCHEMA = re.compile(r"\"(qse-hw/[\w-]+)/(\d+)\"")


def schemas() -> str:
    """A section per file: its properties, what they must be, and whether they must be there."""
    parts = []
    for title, (words, schema) in FILES.items():
        parts += [f"## {title}", words, markdown(["property", "must be", "needed"], list(rows(schema)))]
    return "\n\n".join(parts)


def rows(schema: dict[str, Any], path: str = "") -> Iterator[list[str]]:
    """The properties of an object and of what is in it, by path; ``[]`` is an item of an array."""
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        place = f"{path}{name}"
        yield [f"`{place}`", rule(inner), "yes" if name in required else ""]
        if inner != SCALE_SCHEMA:
            yield from rows(inner, f"{place}.")
        items = inner.get("items", {})
        if items.get("properties") and items != SCALE_SCHEMA:
            yield from rows(items, f"{place}[].")


def rule(schema: dict[str, Any]) -> str:
    """What a value must be, in words."""
    if schema == SCALE_SCHEMA:
        return "a scale"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(rule(one) for one in schema["anyOf"]))
    types = schema.get("type", "any")
    words = " or ".join(types) if isinstance(types, list) else types
    if "items" in schema and (schema["items"] == SCALE_SCHEMA or "properties" not in schema["items"]):
        words += f" of {rule(schema['items'])}"
    if schema.get("additionalProperties"):
        words += f" of {rule(schema['additionalProperties'])}"
    limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "pattern": "that matches"}
    said = [f"{word} `{schema[name]}`" for name, word in limits.items() if name in schema]
    for kind, unit in (("Items", "items"), ("Length", "characters")):
        least, most = schema.get(f"min{kind}"), schema.get(f"max{kind}")
        if (least, most) != (None, None):
            said.append(f"of {least or 0} or more {unit}" if most is None else f"of {least or 0} to {most} {unit}")
    return " ".join([words, *said])


def reports() -> str:
    """The schemas that documents name, of each the latest version, and the module that names it."""
    found: dict[str, tuple[int, str]] = {}
    for folder in FLOORS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name, version in _SCHEMA.findall(path.read_text(encoding="utf-8")):
                found[name] = max(found.get(name, (0, "")), (int(version), str(path.relative_to(ROOT))))
    rows = [[f"`{name}/{version}`", f"`{path}`"] for name, (version, path) in sorted(found.items())]
    return markdown(["schema", "named in"], rows)
