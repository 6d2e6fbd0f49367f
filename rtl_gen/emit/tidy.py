"""Making emitted Verilog fit to read: one module per kind of lane instead of one per lane, plain names."""

import re

_MODULE = re.compile(r"^module (?P<name>\S+) ?\(.*?^endmodule\n", re.DOTALL | re.MULTILINE)
_INSTANCE = re.compile(r"^  (?P<module>\S+) +\S+ +\(\n.*?^  \);\n", re.DOTALL | re.MULTILINE)
_FIRST_WORD = re.compile(r"^(module |  )(\S+)(?= )", re.MULTILINE)
_TRIGGER = re.compile(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ")
_TRIGGERED = re.compile(r"^  reg (\\\$trigger ) = 0;$", re.MULTILINE)
_ELEMENT = re.compile(r"\\(\w+)\[(\d+)\] ")
_PORT = re.compile(r"(?<!\.)\\port\$\d+\$\d+ ")
_PIN = re.compile(r"\.(\\port\$\d+\$\d+ )")
_START = r"""  reg \1;
  // verilator lint_off INITIALDLY
  initial \1<= 1'b0;
  // verilator lint_on INITIALDLY"""
_DECLARATIONS = re.compile(r"(?:^  (?:input|output|wire|reg) (?:\[\d+:0\] )?port_\d+ ;\n)+", re.MULTILINE)
_PINS = re.compile(r"(?:^    \.port_\d+ \([^\n]*\),?\n)+", re.MULTILINE)
_NUMBER = re.compile(r"port_(\d+) ")
_NUMBERS = re.compile(r"\d+(?=_|$)")


def tidy(text: str) -> str:
    """The same design with equal modules merged, and hierarchical module names made plain identifiers.

    Modules are merged if their texts are equal but for their names and those of modules in them that are equal; all
    instances then use the first. Names such as ``\\top.lane0`` become ``top_lane``: no escape, and no number where all
    that were numbered have been merged.
    """
    # a register of the back end's own in each module, numbered through the whole design
    text = _TRIGGER.sub(lambda match: r"\$trigger ", text)
    # It is there to make combinational processes run once at the beginning. In SystemVerilog a register's own initial
    # value is there before any process, and is no event that would; an assignment after all have begun is one.
    text = _TRIGGERED.sub(_START, text)
    # Names of array elements look like bits of the array, which Yosys takes them for when it reads this again.
    text = _ELEMENT.sub(r"\1_\2 ", text)
    text = _number_ports(text)
    while same := _equal(text):
        text = _MODULE.sub(lambda match: "" if match["name"] in same else match[0], text)
        text = _FIRST_WORD.sub(lambda match: match[1] + same.get(match[2], match[2]), text)
    names = [match["name"] for match in _MODULE.finditer(text)]
    bare = [_NUMBERS.sub("", _plain(name)).rstrip("_") for name in names]
    numbered = {name for name in bare if bare.count(name) > 1}
    new = {
        name: _plain(name) if short in numbered or not name.startswith("\\") else short
        for name, short in zip(names, bare, strict=True)
    }
    text = _FIRST_WORD.sub(lambda match: match[1] + new.get(match[2], match[2]), text)
    return re.sub(r"\n{3,}", "\n\n", text)


def _equal(text: str) -> dict[str, str]:
    """The first module of the same text, by the name of each that has such a one."""
    kinds: dict[str, str] = {}
    found = {}
    for match in _MODULE.finditer(text):
        name = match["name"]
        first = kinds.setdefault(match[0].replace(f"module {name} ", "module ", 1), name)
        if first != name:
            found[name] = first
    return found


def _number_ports(text: str) -> str:
    """Ports that have no name of their own, numbered within their module instead of through the whole design."""
    new: dict[str, dict[str, str]] = {}
    for match in _MODULE.finditer(text):
        ports = dict.fromkeys(_PORT.findall(match[0]))
        new[match["name"]] = {port: f"port_{number} " for number, port in enumerate(ports)}

    def pins(match: re.Match[str]) -> str:
        names = new.get(match["module"], {})
        return _PIN.sub(lambda pin: f".{names.get(pin[1], pin[1])}", match[0])

    def body(match: re.Match[str]) -> str:
        names = new[match["name"]]
        return _INSTANCE.sub(pins, _PORT.sub(lambda port: names[port[0]], match[0]))

    text = _MODULE.sub(body, text)
    return _PINS.sub(lambda run: _in_order(run[0]), _DECLARATIONS.sub(lambda run: _in_order(run[0]), text))


def _in_order(lines: str) -> str:
    """Lines about numbered ports by their numbers: the back end sorts the old ones as text, 9 behind 10."""
    last = "," if lines.endswith(",\n") else ""
    found = sorted(lines.removesuffix("\n").split("\n"), key=lambda line: int(_NUMBER.findall(line)[0]))
    if not lines.startswith("    ."):
        return "\n".join(found) + "\n"
    return ",\n".join(line.removesuffix(",") for line in found) + f"{last}\n"


def _plain(name: str) -> str:
    return name.lstrip("\\").replace(".", "_").replace("$", "_")
