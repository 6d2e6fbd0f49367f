"""The formal harness of a unit: a top module with the unit, free inputs, and checkers.

For proofs that do not depend on the lanes' arithmetic, the lanes are cut out of the Verilog.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted

TOP = "formal_top"
_LANE = re.compile(r"^  (\S+)  lane0 \($", re.M)


def shipped(name: str) -> str:
    """The text of the properties in the file ``name`` of this package."""
    return (files("qse_hw.synth.formal") / name).read_text(encoding="utf-8")


def harness(
    unit: Emitted, checks: Sequence[str], free: Sequence[str] = (), probes: Mapping[str, int] | None = None
) -> str:
    """Verilog of the module :data:`TOP`: the unit as ``dut``, wires called like its ports, then ``checks``.

    Args:
        unit: the unit.
        checks: Verilog that uses the wires.
        free: further inputs of one bit, which the solver chooses.
        probes: the outputs that :func:`probed` added.
    """
    probes = probes or {}
    inputs = [port for port in unit.ports if port["direction"] == "input"]
    lines = [
        f"module {TOP}(",
        ",\n".join(
            [*(f"  input {bits(port['width'])}{port['name']}" for port in inputs), *map("  input ".__add__, free)]
        ),
        ");",
        *(f"  wire {bits(port['width'])}{port['name']};" for port in unit.ports if port["direction"] == "output"),
        *(f"  wire {bits(width)}{probe(name)};" for name, width in probes.items()),
        f"  {unit.config.top} dut (",
        ",\n".join(f"    .{name}({name})" for name in (*(port["name"] for port in unit.ports), *map(probe, probes))),
        "  );",
        *checks,
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def instance(module: str, name: str, parameters: dict[str, int], ports: dict[str, str]) -> str:
    """Verilog of an instance."""
    given = ", ".join(f".{key}({value})" for key, value in parameters.items())
    wired = ", ".join(f".{key}({value})" for key, value in ports.items())
    return f"  {module} #({given}) {name} ({wired});"


def checker(properties: str, module: str, name: str, sizes: Mapping[str, int], wires: Mapping[str, str]) -> str:
    """An instance of a module of ``properties``, with its own of the parameters and ports that are given."""
    place = re.search(rf"\nmodule {module} (#?\(.*?\n?\);)\n", properties, re.S)
    if place is None:
        raise InputError(f"Properties must have a module {module}")
    names = set(re.findall(r"(\w+)\s*[,)=\n]", re.sub("//.*", "", place[1])))
    return instance(
        module, name, {key: size for key, size in sizes.items() if key in names},
        {key: wire for key, wire in wires.items() if key in names},
    )  # fmt: skip


def joined(wires: Sequence[str]) -> str:
    """Verilog of wires side by side, the first in the low bits."""
    return f"{{{', '.join(reversed(wires))}}}"


def without_lanes(text: str, events: Sequence[str] = (), value: str = "") -> str:
    """``text`` with every lane's module replaced by one with arbitrary outputs in every cycle.

    What is proved so holds for any arithmetic.

    Args:
        text: a unit's Verilog.
        events: outputs of one bit that become visible: output ``events[n]`` is bit ``n`` of ``value``.
        value: the lane's output that leaves the unit.

    Raises:
        InputError: if the Verilog has no lane.
    """
    called, lane = _lane(text)
    declared = _ports(lane)
    body = []
    for direction, bits, name in declared:
        if direction == "output":
            source = f"any_{value}[{events.index(name)}]" if name in events else f"any_{name}"
            if name not in events:
                # registered, so that the solver's choice has a single name, which the replay of a trace needs
                body.append(f"  (* anyseq, keep *) wire {bits}next_{name};\n  reg {bits}any_{name};")
                body.append(f"  always @(posedge clk) any_{name} <= next_{name};")
            body.append(f"  assign {name} = {source};")
    return _replaced(text, lane, called, body)


def cut(text: str, name: str) -> str:
    """``text`` with the module of the instance ``name``, which has a clock, replaced by one with arbitrary outputs in
    every cycle.

    Raises:
        InputError: if there is no such instance.
    """
    place = re.search(rf"^  (\S+)  {_instance(name)} \($", text, re.M)
    if place is None:
        raise InputError(f"Verilog must have an instance {name}")
    module = _module(text, place[1])
    body = []
    for direction, width, port in _ports(module):
        if direction == "output":
            # registered, so that the solver's choice has a single name, which the replay of a trace needs
            plain = port.strip("\\ ")
            body.append(f"  (* anyseq, keep *) wire {width}next_{plain};\n  reg {width}any_{plain};")
            body.append(f"  always @(posedge clk) any_{plain} <= next_{plain};\n  assign {port} = any_{plain};")
    return _replaced(text, module, place[1], body)


def _replaced(text: str, module: re.Match[str], name: str, body: Sequence[str]) -> str:
    """``text`` with the body of the module ``name`` replaced; its outputs are wires."""
    ports = ",\n".join(f"  {direction} {width}{port}" for direction, width, port in _ports(module))
    new = "\n".join([f"module {name} (\n{ports}\n);", *body, "endmodule\n"])
    return text[: module.start()] + new + text[module.end() :]


def lane_outputs(text: str) -> list[str]:
    """A lane's outputs; outputs for events exist only if format and input allow the event.

    Raises:
        InputError: if the Verilog has no lane.
    """
    return [name for direction, _, name in _ports(_lane(text)[1]) if direction == "output"]


def has_lanes(text: str) -> bool:
    """Whether the Verilog has a lane."""
    return _LANE.search(text) is not None


def _lane(text: str) -> tuple[str, re.Match[str]]:
    match = _LANE.search(text)
    if match is None:
        raise InputError("Verilog must have an instance lane0")
    return match[1], _module(text, match[1])


def _ports(module: re.Match[str]) -> list[tuple[str, str, str]]:
    """Direction, range and name of each port."""
    return re.findall(r"^  (input|output) +(?:wire|reg) +(\[\d+:0\] )?(\\\S+ |\w+)(?: = \S+?)?,?$", module[1], re.M)


def module_ports(text: str, name: str) -> list[tuple[str, int, str]]:
    """Direction, width and name of the ports of a module.

    Raises:
        InputError: if there is no such module.
    """
    return [
        (direction, int(width[1:].partition(":")[0]) + 1 if width else 1, port.strip("\\ "))
        for direction, width, port in _ports(_module(text, name))
    ]


def probed(text: str, module: str, signals: Mapping[str, int]) -> str:
    """``text`` with signals of ``module``, or, as ``INSTANCE.NAME``, of an instance in it, as further outputs.

    Behaviour does not change; assertions on these outputs help the induction. ``signals``: widths by name; the output
    of ``INSTANCE.NAME`` is ``probe_INSTANCE_NAME``.

    Raises:
        InputError: if there is no such signal.
    """
    inner: dict[str, dict[str, int]] = {}
    for path, width in signals.items():
        instance_name, _, name = path.rpartition(".")
        if instance_name:
            inner.setdefault(instance_name, {})[name] = width
    for instance_name, widths in inner.items():
        place = re.search(rf"^  (\S+)  {_instance(instance_name)} \(\n", text, re.M)
        if place is None:
            raise InputError(f"Verilog must have an instance {instance_name}")
        wires = "".join(f"    .probe_{name}(probe_{instance_name}_{name}),\n" for name in widths)
        text = text[: place.end()] + wires + text[place.end() :]
        body = _module(text, place[1])[2]  # several instances may share it
        text = probed(text, place[1], {name: width for name, width in widths.items() if f" {probe(name)};" not in body})
    head = _module(text, module)
    ports, lines = "", ""
    for path, width in signals.items():
        output = probe(path)
        ports += f"\n  output wire {bits(width)}{output},"
        if "." in path:
            continue
        vector = rf"\[{width - 1}:0\] " if width > 1 else ""
        # names that are keywords of SystemVerilog are escaped
        declared = re.search(
            rf"^  (?:input +|output +)?(?:reg|wire) +{vector}({re.escape(path)}|\\{re.escape(path)} )( = \S+?)?[,;]?$",
            head[0],
            re.M,
        )
        if not declared:
            raise InputError(f"Verilog must have a signal {path} of {width} bits in module {module}")
        lines += f"  assign {output} = {declared[1]};\n"
    return f"{text[: head.start(1)]}{ports}{text[head.start(1) : head.start(2)]}{lines}{text[head.start(2) :]}"


def probe(path: str) -> str:
    """The name of the output for a signal."""
    return f"probe_{path.replace('.', '_')}"


def _instance(name: str) -> str:
    """A pattern for the instance's name, to which a number is added where a signal is called so, too."""
    return rf"\\?{re.escape(name)}(?:\$\d+ )?"


def _module(text: str, name: str) -> re.Match[str]:
    """Groups: ports, body."""
    match = re.search(rf"^module {re.escape(name)} ?\(([^;]*)\);\n(.*?)^endmodule\n", text, re.M | re.S)
    if match is None:
        raise InputError(f"Verilog must have a module {name}")
    return match


def bits(width: int) -> str:
    """The range of a vector in a declaration, with a space after it; "" for one bit."""
    return f"[{width - 1}:0] " if width > 1 else ""
