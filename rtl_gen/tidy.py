"""Making emitted Verilog fit to read: one module per kind of lane instead of one per lane, plain names."""

import re

_MODULE = re.compile(r"^module (?P<name>\S+) ?\(.*?^endmodule\n", re.DOTALL | re.MULTILINE)
_TRIGGER = re.compile(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ")
_ELEMENT = re.compile(r"\\(\w+)\[(\d+)\] ")
_NUMBERED = re.compile(r"\d+$")


def tidy(text: str) -> str:
    """The same design with equal modules merged, and hierarchical module names made plain identifiers.

    Modules are merged if their texts are equal but for their names; all instances then use the first. Names such as
    ``\\top.lane0`` become ``top_lane``: no escape, and no number where all that were numbered have been merged.
    """
    # a register of the back end's own in each module, numbered through the whole design
    text = _TRIGGER.sub(lambda match: r"\$trigger ", text)
    # Names of array elements look like bits of the array, which Yosys takes them for when it reads this again.
    text = _ELEMENT.sub(r"\1_\2 ", text)
    kinds: dict[str, list[str]] = {}
    for match in _MODULE.finditer(text):
        name = match["name"]
        kinds.setdefault(match[0].replace(f"module {name} ", "module ", 1), []).append(name)
    new_names: dict[str, str] = {}
    for names in kinds.values():
        plain = _plain(names[0])
        bare = _NUMBERED.sub("", plain)
        others = {_NUMBERED.sub("", _plain(name)) for group in kinds.values() if group is not names for name in group}
        chosen = bare if names[0].startswith("\\") and bare not in others else plain
        new_names |= dict.fromkeys(names, chosen)
    kept = {names[0] for names in kinds.values()}
    text = _MODULE.sub(lambda match: match[0] if match["name"] in kept else "", text)
    for name, new in new_names.items():
        if name != new:
            text = re.sub(rf"(?<=[\s(]){re.escape(name)}(?=\s)", lambda _, new=new: new, text)  # type: ignore[misc]
    return re.sub(r"\n{3,}", "\n\n", text)


def _plain(name: str) -> str:
    return name.lstrip("\\").replace(".", "_")
