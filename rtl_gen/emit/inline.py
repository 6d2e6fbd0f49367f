"""Wires that Amaranth invents for parts of expressions are replaced by the parts, where Verilog means the same.

Verilog computes an expression in the width of what surrounds it, so an expression may stand for a wire only where this
changes nothing:

- another name of the same signal, bits of signals side by side and constants may stand anywhere: they have a width of
  their own;
- any expression may stand where the wire for it was all that a signal of the same width took; and a sum where the
  wire's low bits were, as these depend on nothing above them;
- a condition, of one bit and with operators on single bits, comparisons and reductions alone, may stand in another one,
  in front of a question mark, or as the whole value of one bit.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping

from qse_hw.rtl_gen.emit.module import Module, Register, Wire
from qse_hw.rtl_gen.emit.signals import NAME, PRIVATE, Part, chosen, parts, spelled, substituted, trimmed, written
from qse_hw.rtl_gen.emit.statements import Assign, Choice, Statements

_LONG = 90
"""Characters: a longer condition keeps its wire."""
_SHORT = 30
"""Characters: shorter names of bits stand wherever they are read, longer ones only if that is once."""
_USE = re.compile(r"(?P<name>\\\$\d+) (?:\[(?P<high>\d+)(?::(?P<low>\d+))?\])?")
_FLAT = re.compile(r"\{[^{}]*\}")
_OPERAND = r"(?:\\\S+ (?:\[[\d:]+\])?|[\w']+(?:\[[\d:]+\])?|\{[^{}]*\}|\$signed\([^()]*\))"
_COMPARED = re.compile(rf"{_OPERAND} *(?:==|!=|<|<=|>|>=) *{_OPERAND} *")
_REDUCED = re.compile(rf"[|&^!] {_OPERAND} *")
_NOT = re.compile(r"~ (?P<operand>[^~]+)")
_SUM = re.compile(rf"{_OPERAND} *[-+*] *{_OPERAND} *")
_GATE = re.compile(r"(?P<left>[^&|^]+) [&|^] (?P<right>[^&|^]+)")


def inlined(module: Module) -> None:
    """Change the module so."""
    for step in (_rename, _side_by_side, _conditions, _whole, _chains):
        step(module)
        _unused(module)


def _values(module: Module) -> dict[str, str]:
    """Of each wire that Amaranth invented and that is the target of an assignment, the value, if this is one line."""
    return {
        item.target.strip(): item.value[0]
        for item in module.items
        if isinstance(item, Wire) and PRIVATE.fullmatch(item.target.strip()) and len(item.value) == 1
    }


def _rename(module: Module) -> None:
    """An invented wire that a named one is assigned from is called like this one."""
    new: dict[str, str] = {}
    for item in list(module.items):
        if isinstance(item, Wire) and item.target.strip() in module.signals and len(item.value) == 1:
            name, value = item.target.strip(), item.value[0].strip()
            invented = PRIVATE.fullmatch(value) is not None and module.signals[value].kind == "wire"
            if invented and not PRIVATE.fullmatch(name) and value not in new:
                new[value] = name
                module.items.remove(item)
    if not new:
        return
    module.substitute(lambda name: spelled(new[name]) if name in new else None)
    for item in module.items:
        if isinstance(item, Wire):
            item.target = substituted(item.target, lambda name: spelled(new[name]) if name in new else None)
    for name in new:
        del module.signals[name]


def _side_by_side(module: Module) -> None:
    """Bits of signals and constants stand where an invented wire for them was read."""
    widths, uses = module.widths, module.uses()
    known: dict[str, list[Part]] = {}
    for name, value in _values(module).items():
        found = parts(value, widths)
        if found is not None and (uses[name] == 1 or len(value) <= _SHORT):
            known[name] = found

    def whole(found: list[Part]) -> list[Part]:
        """With what its parts are made of in turn."""
        return [
            inner
            for part in found
            for inner in (chosen(whole(known[part.source]), part.low, part.width) if part.source in known else [part])
        ]

    resolved = {name: whole(found) for name, found in known.items()}

    def use(match: re.Match[str]) -> str:
        found = resolved.get(match["name"])
        if found is None:
            return match[0]
        if match["high"] is not None:
            low = int(match["low"] or match["high"])
            found = chosen(found, low, int(match["high"]) - low + 1)
        return written(found, widths) + " " * match[0].endswith(" ")

    def used(text: str) -> str:
        new = _USE.sub(use, text)
        return text if new == text else _FLAT.sub(flat, _nested(new))

    def flat(match: re.Match[str]) -> str:
        found = parts(match[0], widths)
        return match[0] if found is None else written(found, widths)

    for item in module.items:
        item.map(used)


def _nested(text: str) -> str:
    """Concatenations within one are parts of it."""
    while (new := re.sub(r"(\{[^{}]*)\{([^{}]*)\}", r"\1\2", text)) != text:
        text = new
    return text


def _conditions(module: Module) -> None:
    """Conditions of one bit stand where the wire for them was read, if that is once and they are short."""
    widths, uses = module.widths, module.uses()
    known = {
        name: value
        for name, value in _values(module).items()
        if widths[name] == 1 and uses[name] == 1 and _is_condition(value, widths)
    }
    done: dict[str, str] = {}

    def full(name: str) -> str:
        """The condition with those that it is made of; they keep their wires if it would become long."""
        if name not in done:
            done[name] = known[name]
            longer = _in_condition(known[name], known, full)
            done[name] = longer if len(longer) <= _LONG else known[name]
        return done[name]

    for item in module.items:
        if isinstance(item, Wire):
            name = item.target.strip()
            if widths.get(name) == 1 and len(item.value) == 1 and _is_condition(item.value[0], widths):
                item.value = [full(name) if name in known else _limited(item.value[0], known, full)]
            else:
                item.value = [_asked(line, known, full) for line in item.value]
        elif isinstance(item, Register):
            item.body = _in_statements(item.body, widths, known, full)


Full = Callable[[str], str]


def _limited(value: str, known: Mapping[str, str], full: Full) -> str:
    longer = _in_condition(value, known, full)
    return longer if len(longer) <= _LONG else value


def _in_condition(value: str, known: Mapping[str, str], full: Full) -> str:
    """A condition, with conditions in the place of its operands of one bit; what is compared or reduced stays."""
    if _COMPARED.fullmatch(value) or _REDUCED.fullmatch(value):
        return value
    return substituted(value, lambda name: f"({trimmed(full(name))})" if name in known else None)


def _asked(line: str, known: Mapping[str, str], full: Full) -> str:
    """A line of a conditional expression, with a condition in the place of the wire in front of the question mark."""
    match = re.match(r"(\\\$\d+) \?", line)
    if match is None or match[1] not in known or len(full(match[1])) > _LONG:
        return line
    return f"({trimmed(full(match[1]))}) ?{line[match.end() :]}"


def _in_statements(body: Statements, widths: Mapping[str, int], known: Mapping[str, str], full: Full) -> Statements:
    def alone(text: str) -> str:
        name = text.strip()
        return trimmed(full(name)) if name in known else text

    found: list[Assign | Choice] = []
    for one in body:
        if isinstance(one, Choice):
            found.append(
                Choice(
                    one.selector,
                    tuple(
                        (label if one.selector else alone(label), _in_statements(inner, widths, known, full))
                        for label, inner in one.branches
                    ),
                )
            )
        elif one.place or widths[one.name] != 1:
            found.append(one)
        else:
            found.append(Assign(one.name, "", alone(one.value)))
    return tuple(found)


def _whole(module: Module) -> None:
    """An expression stands where its wire, or the low bits of a sum, was all that a signal of this width took."""
    widths, uses = module.widths, module.uses()
    known = {name: value for name, value in _values(module).items() if uses[name] == 1}

    def taken(name: str, value: str) -> str:
        match = _USE.fullmatch(trimmed(value))
        if match is None or match["name"] not in known or name not in widths:
            return value
        inner, width = known[match["name"]], widths[match["name"]]
        if match["high"] is not None:
            width = int(match["high"]) + 1
            if match["low"] not in ("0", None if width == 1 else "0") or not _SUM.fullmatch(inner):
                return value
        return taken(name, inner) if width == widths[name] else value

    for item in module.items:
        if isinstance(item, Wire) and len(item.value) == 1:
            item.value = [taken(item.target.strip(), item.value[0])]
        elif isinstance(item, Register):
            item.body = _taken(item.body, taken)


def _chains(module: Module) -> None:
    """A choice between signals, all of one width, follows the choice whose last alternative it was."""
    widths, uses = module.widths, module.uses()
    choices: dict[str, Wire] = {}
    for item in module.items:
        if isinstance(item, Wire) and len(item.value) == 1:
            condition, asks, values = item.value[0].partition(" ? ")
            yes, chooses, no = values.partition(" : ")
            if asks and chooses and None not in (parts(yes, widths), parts(no, widths)):
                item.value = [f"{condition} ? {yes.rstrip()} :", no]
                if PRIVATE.fullmatch(item.target.strip()):
                    choices[item.target.strip()] = item
    for item in module.items:
        while isinstance(item, Wire) and len(item.value) > 1:
            target, last = item.target.strip(), item.value[-1].strip()
            if last not in choices or uses[last] != 1 or widths[last] != widths.get(target):
                break
            item.value = [*item.value[:-1], *choices[last].value]
            uses[last] = 0


def _taken(body: Statements, taken: Callable[[str, str], str]) -> Statements:
    return tuple(
        Choice(one.selector, tuple((label, _taken(inner, taken)) for label, inner in one.branches))
        if isinstance(one, Choice)
        else one
        if one.place
        else Assign(one.name, "", taken(one.name, one.value))
        for one in body
    )


def _is_condition(value: str, widths: Mapping[str, int]) -> bool:
    """Whether the text has one bit, whatever surrounds it."""
    if _COMPARED.fullmatch(value) or _REDUCED.fullmatch(value):
        return True
    if (inverted := _NOT.fullmatch(value)) is not None:
        return _is_bit(inverted["operand"], widths)
    gate = _GATE.fullmatch(value)
    return gate is not None and _is_bit(gate["left"], widths) and _is_bit(gate["right"], widths)


def _is_bit(text: str, widths: Mapping[str, int]) -> bool:
    found = parts(text, widths)
    return found is not None and len(found) == 1 and found[0].width == 1


def _unused(module: Module) -> None:
    """Remove invented wires that nothing reads, and what only they read."""
    uses = module.uses()
    drivers: dict[str, Wire] = {}
    for item in module.items:
        if isinstance(item, Wire) and PRIVATE.fullmatch(item.target.strip()):
            drivers[item.target.strip()] = item
    gone = [name for name in drivers if not uses[name]]
    removed: set[int] = set()
    while gone:
        name = gone.pop()
        removed.add(id(drivers[name]))
        del module.signals[name]
        for read, count in Counter(NAME.findall("\n".join(drivers[name].value))).items():
            uses[read] -= count
            if read in drivers and not uses[read]:
                gone.append(read)
    module.items = [item for item in module.items if id(item) not in removed]
