"""A Verilog module as Yosys writes it: read into signals and items, changed, and written with its ports in one list."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from qse_hw.rtl_gen.emit import statements as process
from qse_hw.rtl_gen.emit.signals import NAME, PRIVATE, neat, spelled, substituted, trimmed
from qse_hw.rtl_gen.emit.statements import Statements
from qse_hw.rtl_gen.emit.values import Table, expressions, table

_HEAD = re.compile(r"module (?P<name>\S+) ?\((?P<ports>[^;]*)\);")
_DECLARED = re.compile(
    r"  (?P<kind>input|output|wire|reg) (?:\[(?P<high>\d+):0\] )?(?P<name>\\\S+|\w+) ?(?: = (?P<first>\S+))?;"
)
_ASSIGN = re.compile(r"  assign (?P<target>.*?) = (?P<value>.*);")
_EDGE = re.compile(r"  always @\((?P<edge>(?:pos|neg)edge [^)]*)\)")
_LOAD = re.compile(r"    (?P<name>\\\S+|\w+) ? *<= (?P<value>.*);")
_WIDTH = 100
_NOTHING = re.compile(r"  (?:wire|reg) \[-1:0\] \S+ ?(?: = \S+)?;")  # no bits, which Verilog cannot say
_INIT = re.compile(r"  \(\* init = \S+ \*\)")


@dataclass
class Signal:
    """A declared name; ``direction`` is "" inside, ``first`` what a register is at the start."""

    name: str
    width: int
    kind: str = "wire"
    direction: str = ""
    first: str = ""
    attributes: list[str] = field(default_factory=list)

    @property
    def range(self) -> str:
        """As in a declaration, with a space after it; "" for one bit."""
        return f"[{self.width - 1}:0] " if self.width > 1 else ""

    @property
    def start(self) -> str:
        """What follows the name in a declaration."""
        return f" = {self.first}" if self.first else ""


@dataclass
class Wire:
    """``target``, a signal or a part of one, is ``value``: one line, or several of a conditional expression."""

    target: str
    value: list[str]

    def map(self, change: Callable[[str], str]) -> None:
        self.value = [change(line) for line in self.value]

    def lines(self) -> Iterator[str]:
        self.value = [trimmed(line) for line in self.value]
        one = f"  assign {self.target.rstrip()} = {' '.join(self.value)};"
        if len(self.value) == 1 or len(one) <= _WIDTH:
            yield one
        else:
            *most, last = self.value
            yield f"  assign {self.target.rstrip()} ="
            yield from (f"    {line}" for line in [*most, f"{last};"])


@dataclass
class Register:
    """``name`` takes a new value at each ``edge``."""

    name: str
    edge: str
    body: Statements

    def map(self, change: Callable[[str], str]) -> None:
        self.body = process.mapped(self.body, change)

    def lines(self) -> Iterator[str]:
        several = len(self.body) > 1
        yield f"  always @({self.edge})" + (" begin" if several else "")
        yield from process.lines(self.body, "    ")
        if several:
            yield "  end"


@dataclass
class Raw:
    """Anything else: instances, memories."""

    text: list[str]

    def map(self, change: Callable[[str], str]) -> None:
        self.text = [change(line) for line in self.text]

    def lines(self) -> Iterator[str]:
        yield from self.text


Item = Wire | Register | Raw


class Module:
    """A module's name, ports in order, signals by name and items."""

    def __init__(self, text: str) -> None:
        first, *lines = text.rstrip("\n").split("\n")
        while not first.endswith(");"):
            first += lines.pop(0)
        head = _HEAD.fullmatch(first)
        assert head is not None, first
        self.name: str = head["name"]
        self.ports = [port.strip() for port in head["ports"].split(",") if port.strip()]
        self.signals: dict[str, Signal] = {}
        self.items: list[Item] = []
        self._read(lines[:-1])  # without endmodule

    @property
    def widths(self) -> dict[str, int]:
        """Of all signals."""
        return {name: signal.width for name, signal in self.signals.items()}

    def _read(self, lines: list[str]) -> None:
        attributes: list[str] = []
        processes: list[Statements] = []
        place = 0
        while place < len(lines):
            line = lines[place]
            place += 1
            if _NOTHING.fullmatch(line):
                attributes = []
            elif line.startswith("  (*"):
                if not _INIT.fullmatch(line):  # of a wire; that of a register is part of its declaration
                    attributes.append(line)
            elif (match := _DECLARED.fullmatch(line)) is not None:
                self._declare(match, attributes)
                attributes = []
            elif (match := _ASSIGN.fullmatch(line)) is not None:
                self.items.append(Wire(trimmed(match["target"]), [trimmed(match["value"])]))
            elif line == "  always @* begin":
                end = lines.index("  end", place)
                processes.append(process.parsed("\n".join(lines[place:end]), self.widths))
                place = end + 1
            elif line == "  always @*":  # a process that only passes bits on
                for one in process.assigns(process.parsed(lines[place], self.widths)):
                    self.items.append(Wire(f"{spelled(one.name)}{one.place}", [one.value]))
                    self._is_wire(one.name)
                place += 1
            elif (edge := _EDGE.fullmatch(line)) and (load := _LOAD.fullmatch(lines[place])):
                body = (process.Assign(load["name"], "", trimmed(load["value"])),)
                self.items.append(Register(load["name"], edge["edge"], body))
                place += 1
            else:
                end = place
                while end < len(lines) and not line.endswith(";") and lines[end - 1] not in ("  end", "  );"):
                    end += 1
                self.items.append(Raw([*attributes, *lines[place - 1 : end]]))
                attributes, place = [], end
        self._join(processes)

    def _declare(self, match: re.Match[str], attributes: Sequence[str]) -> None:
        width = int(match["high"] or 0) + 1
        signal = self.signals.setdefault(match["name"], Signal(match["name"], width))
        signal.attributes += attributes
        if match["kind"] in ("input", "output"):
            signal.direction = match["kind"]
        else:
            signal.kind, signal.first = match["kind"], match["first"] or ""

    def _join(self, processes: Sequence[Statements]) -> None:
        """Put the process that computes a register's next value into the register, and write others as expressions."""
        uses = self.uses()
        for body in processes:
            uses.update(NAME.findall("\n".join(_texts(body))))
        loads = {item.body[0].value.strip(): item for item in self.items
                 if isinstance(item, Register) and isinstance(item.body[0], process.Assign)}  # fmt: skip
        elsewhere = {NAME.findall(f"{item.target} ")[0] for item in self.items if isinstance(item, Wire)}
        for body in processes:
            targets = {one.name for one in process.assigns(body)}
            target = targets.pop()
            register = loads.get(target)
            alone = not targets and uses[target] == 1 and target not in elsewhere
            if alone and register is not None and PRIVATE.fullmatch(target):
                register.body = process.reset_first(process.held(process.renamed(body, register.name)))
                if not register.body:  # it never changes
                    self.items.remove(register)
                del self.signals[target]
            else:
                self._express(body)

    def _express(self, body: Statements) -> None:
        found = table(body)
        if found is not None:
            self._table(found)
            return
        for target, lines in expressions(body, self.widths):
            self.items.append(Wire(target, lines))
        for one in process.assigns(body):
            self._is_wire(one.name)

    def _table(self, found: Table) -> None:
        function = "table_" + re.sub(r"\W", "", found.name)
        while function in self.signals:
            function += "_"
        self.items.append(Raw(list(found.lines(function, self.signals[found.name].range))))
        self._is_wire(found.name)

    def _is_wire(self, name: str) -> None:
        self.signals[name].kind, self.signals[name].first = "wire", ""

    def uses(self) -> Counter[str]:
        """How often each name is read; what a wire or a register is called does not count."""
        found: Counter[str] = Counter()
        for item in self.items:
            for text in _read_by(item):
                found.update(NAME.findall(text))
        return found

    def substitute(self, new: Callable[[str], str | None]) -> None:
        """Replace names wherever they are read."""
        for item in self.items:
            item.map(lambda text: substituted(text, new))

    def text(self, ports: Sequence[str] = ()) -> str:
        """The module; its ports in this order, or clock and reset, inputs, outputs."""
        plain = {name.strip("\\ "): name for name in self.ports}  # a keyword's name is escaped
        order = [plain[name] for name in ports]
        if not ports:
            order = sorted(self.ports, key=lambda name: (*map(name.__ne__, ("clk", "rst")), self._output(name)))
        assert sorted(order) == sorted(self.ports), self.name
        lines = [f"module {self.name} ("]
        for number, name in enumerate(order, 1):
            signal = self.signals[name]
            declared = f"  {signal.direction:6} {signal.kind:4} {signal.range}{spelled(name)}{signal.start}"
            lines += [*signal.attributes, declared + "," * (number < len(order))]
        lines.append(");")
        for signal in self.signals.values():
            if not signal.direction:
                declared = f"  {signal.kind} {signal.range}{spelled(signal.name)}{signal.start}"
                lines += [*signal.attributes, f"{declared};"]
        before: type[Item] | None = None
        for item in self.items:
            if type(item) is not before or not isinstance(item, Wire):
                lines.append("")
            before = type(item)
            lines += map(neat, item.lines())
        return "\n".join([*lines, "endmodule", ""])

    def _output(self, name: str) -> bool:
        return self.signals[name].direction == "output"


def _texts(body: Statements) -> Iterator[str]:
    """What the statements read."""
    for one in body:
        if isinstance(one, process.Assign):
            yield one.value
        else:
            yield one.selector
            for label, inner in one.branches:
                yield label
                yield from _texts(inner)


def _read_by(item: Item) -> Iterator[str]:
    if isinstance(item, Wire):
        yield from item.value
    elif isinstance(item, Register):
        yield from _texts(item.body)
    else:
        yield from item.text
