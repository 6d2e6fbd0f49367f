"""Makes emitted Verilog readable: one module for all equal lanes instead of one per lane, plain names."""

import re

MODULE = re.compile(r"^module (?P<name>\S+) ?\(.*?^endmodule\n", re.DOTALL | re.MULTILINE)
_INSTANCE = re.compile(r"^  (?P<module>\S+) +\S+ +\(\n.*?^  \);\n", re.DOTALL | re.MULTILINE)
_FIRST_WORD = re.compile(r"^(module |  )(\S+)(?= )", re.MULTILINE)
_TRIGGER = re.compile(
    r"^  reg \\\$auto\$verilog_backend\S+  = 0;\n|^ +if \(\\\$auto\$verilog_backend\S+ \) begin end\n", re.MULTILINE
)
_ELEMENT = re.compile(r"\\(\w+)\[(\d+)\] ")
_PORT = re.compile(r"(?<!\.)\\port\$\d+\$\d+ ")
_PIN = re.compile(r"\.(\\port\$\d+\$\d+ )")
_DECLARATIONS = re.compile(r"(?:^  (?:input|output|wire|reg) (?:\[\d+:0\] )?port_\d+ ;\n)+", re.MULTILINE)
_PINS = re.compile(r"(?:^    \.port_\d+ \([^\n]*\),?\n)+", re.MULTILINE)
_NUMBER = re.compile(r"port_(\d+) ")
_NUMBERS = re.compile(r"\d+(?=_|$)")


def tidy(text: str, top: str = "") -> str:
    """The same design with equal modules merged, and hierarchical module names made plain identifiers.

    Modules are merged if their texts differ only in their own names and in the names of equal modules inside; all
    instances then use the first. Names such as ``\\top.lane0`` become ``top_lane``: without escape, and without the
    number if all modules that differed in it have been merged. Numbers in ``top``, with which all begin, stay.
    """
    # The back end adds a register to each module, numbered across the whole design, which starts combinational
    # processes at time 0. There are none in the end: wires have expressions.
    text = _TRIGGER.sub("", text)
    # Yosys would read the name of an array element as a bit of the array.
    text = _ELEMENT.sub(r"\1_\2 ", text)
    text = _number_ports(text)
    while same := _equal(text):
        text = MODULE.sub(lambda match: "" if match["name"] in same else match[0], text)
        text = _FIRST_WORD.sub(lambda match: match[1] + same.get(match[2], match[2]), text)
    names = [match["name"] for match in MODULE.finditer(text)]
    bare = [top + _NUMBERS.sub("", _plain(name).removeprefix(top)).rstrip("_") for name in names]
    numbered = {name for name in bare if bare.count(name) > 1}
    new = {
        name: _plain(name) if short in numbered or not name.startswith("\\") else short
        for name, short in zip(names, bare, strict=True)
    }
    text = _FIRST_WORD.sub(lambda match: match[1] + new.get(match[2], match[2]), text)
    return re.sub(r"\n{3,}", "\n\n", text)


def _equal(text: str) -> dict[str, str]:
    """For each module whose text an earlier module has, the name of the first such module."""
    kinds: dict[str, str] = {}
    same = {}
    for match in MODULE.finditer(text):
        name = match["name"]
        first = kinds.setdefault(match[0].replace(f"module {name} ", "module ", 1), name)
        if first != name:
            same[name] = first
    return same


def _number_ports(text: str) -> str:
    """Number unnamed ports within their module instead of across the whole design."""
    new: dict[str, dict[str, str]] = {}
    for match in MODULE.finditer(text):
        ports = dict.fromkeys(_PORT.findall(match[0]))
        new[match["name"]] = {port: f"port_{number} " for number, port in enumerate(ports)}

    def pins(match: re.Match[str]) -> str:
        names = new.get(match["module"], {})
        return _PIN.sub(lambda pin: f".{names.get(pin[1], pin[1])}", match[0])

    def body(match: re.Match[str]) -> str:
        names = new[match["name"]]
        return _INSTANCE.sub(pins, _PORT.sub(lambda port: names[port[0]], match[0]))

    text = MODULE.sub(body, text)
    return _PINS.sub(lambda run: _in_order(run[0]), _DECLARATIONS.sub(lambda run: _in_order(run[0]), text))


def _in_order(lines: str) -> str:
    """Sort lines of numbered ports by number: the back end sorts the old names as text, 10 before 9."""
    last = "," if lines.endswith(",\n") else ""
    ordered = sorted(lines.removesuffix("\n").split("\n"), key=lambda line: int(_NUMBER.findall(line)[0]))
    if not lines.startswith("    ."):
        return "\n".join(ordered) + "\n"
    return ",\n".join(line.removesuffix(",") for line in ordered) + f"{last}\n"


def _plain(name: str) -> str:
    return name.lstrip("\\").replace(".", "_").replace("$", "_")
