"""Statements of a process in Verilog: parsed as Yosys writes them, and written as one would by hand."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from qse_hw.rtl_gen.emit.signals import chosen, parts, spelled, trimmed, written

_ASSIGN = re.compile(r"(?P<name>\\\S+|\w+) *(?P<place>\[[\d:]+\])? *= (?P<value>.*);")
_SPREAD = re.compile(r"(?P<targets>\{.*?\}) = (?P<value>.*);")
_IF = re.compile(r"if \((?P<condition>.*)\) begin")
_CASE = re.compile(r"casez? \((?P<selector>.*)\)")
_LABEL = re.compile(r"(?P<label>[^:]+?):(?: begin)?")


@dataclass(frozen=True)
class Assign:
    """``name``, or the bits ``place`` of it, such as ``[3:0]``, takes ``value``."""

    name: str
    place: str
    value: str


@dataclass(frozen=True)
class Choice:
    """Of several branches the first that holds is run.

    Attributes:
        selector: what a case statement compares with the labels; "" if the labels are conditions.
        branches: labels with statements; the label "default" holds always.
    """

    selector: str
    branches: tuple[tuple[str, "Statements"], ...]


Statement = Assign | Choice
Statements = tuple[Statement, ...]


def parsed(text: str, widths: Mapping[str, int]) -> Statements:
    """The statements of ``text``, the inside of a process; ``widths``: of the signals.

    Raises:
        ValueError: if Yosys writes what it has not written so far.
    """
    lines = [line for line in map(str.strip, text.split("\n")) if line and not line.startswith(("(*", "/*"))]
    lines.reverse()  # the next one last
    statements = _statements(lines, widths)
    if lines:
        raise ValueError(f"Process must end, not go on with {lines[-1]!r}")
    return statements


def _statements(lines: list[str], widths: Mapping[str, int]) -> Statements:
    found: list[Statement] = []
    while lines:
        line = lines[-1]
        if (match := _IF.fullmatch(line)) is not None:
            found.append(_if(lines, widths))
        elif (match := _CASE.fullmatch(line)) is not None:
            lines.pop()
            found.append(_case(trimmed(match["selector"]), lines, widths))
        elif (match := _ASSIGN.fullmatch(line)) is not None:
            lines.pop()
            found.append(Assign(match["name"], match["place"] or "", trimmed(match["value"])))
        elif line == "begin":
            lines.pop()
            found += _statements(lines, widths)
            if lines.pop() != "end":
                raise ValueError("Block must end")
        elif (match := _SPREAD.fullmatch(line)) is not None:
            lines.pop()
            found += _spread(match["targets"], match["value"], widths)
        else:
            break
    return tuple(found)


def _spread(targets: str, value: str, widths: Mapping[str, int]) -> Iterator[Assign]:
    """An assignment to several signals or parts of them, as one for each."""
    to, whole = parts(targets, widths), parts(value, widths)
    if to is None or whole is None:
        raise ValueError(f"Assignment must be of signals to signals, not of {value!r} to {targets!r}")
    low = sum(part.width for part in to)
    for part in to:
        low -= part.width
        full = written([part], widths)
        place = full[full.index("[", len(part.source)) :] if part.width < widths[part.source] else ""
        yield Assign(part.source, place, written(chosen(whole, low, part.width), widths))


def _if(lines: list[str], widths: Mapping[str, int]) -> Choice:
    branches: list[tuple[str, Statements]] = []
    line = lines.pop()
    while True:
        match = _IF.fullmatch(line)
        if match is None and line != "begin":
            raise ValueError(f"Branch must begin with a condition, not {line!r}")
        branches.append(("default" if match is None else trimmed(match["condition"]), _statements(lines, widths)))
        line = lines.pop()
        if line == "end":
            return Choice("", tuple(branches))
        line = line.removeprefix("end else ")


def _case(selector: str, lines: list[str], widths: Mapping[str, int]) -> Choice:
    branches: list[tuple[str, Statements]] = []
    while (line := lines.pop()) != "endcase":
        match = _LABEL.fullmatch(line)
        if match is None:
            raise ValueError(f"Case must have labels, not {line!r}")
        begun = line.endswith("begin") or bool(lines and lines[-1] == "begin" and lines.pop())
        branches.append((match["label"].strip(), _statements(lines, widths)))
        if begun and lines.pop() != "end":
            raise ValueError(f"Branch {line!r} must end")
    return Choice(selector, tuple(branches))


def mapped(statements: Statements, change: Callable[[str], str]) -> Statements:
    """The statements with all conditions, selectors and values changed; labels of cases are constants."""
    return tuple(
        replace(one, value=change(one.value))
        if isinstance(one, Assign)
        else Choice(
            change(one.selector) if one.selector else "",
            tuple(
                (label if one.selector or label == "default" else change(label), mapped(body, change))
                for label, body in one.branches
            ),
        )
        for one in statements
    )


def renamed(statements: Statements, name: str) -> Statements:
    """The same assignments to ``name``."""
    return tuple(
        replace(one, name=name)
        if isinstance(one, Assign)
        else replace(one, branches=tuple((label, renamed(body, name)) for label, body in one.branches))
        for one in statements
    )


def assigns(statements: Statements) -> Iterator[Assign]:
    """All assignments, also those in branches."""
    for one in statements:
        if isinstance(one, Assign):
            yield one
        else:
            for _, body in one.branches:
                yield from assigns(body)


def held(statements: Statements) -> Statements:
    """The statements of a register without those at the beginning that only say that it keeps its value."""
    number = 0
    for one in statements:
        if not isinstance(one, Assign) or one.value.replace(" ", "") != f"{one.name}{one.place}":
            break
        number += 1
    return statements[number:]


def reset_first(statements: Statements) -> Statements:
    """The same with an assignment that overrides all others, if the last statement is one, before the others.

    ``if (a) x = b; if (rst) x = 0;`` becomes ``if (rst) x = 0; else if (a) x = b;``.
    """
    others, last = statements[:-1], statements[-1] if statements else None
    if not others or not isinstance(last, Choice) or last.selector or len(last.branches) != 1:
        return statements
    (label, body) = last.branches[0]
    if len(body) != 1 or not isinstance(body[0], Assign) or body[0].place:
        return statements
    return (Choice("", ((label, body), ("default", others))),)


def lines(statements: Statements, indent: str) -> Iterator[str]:
    """Verilog of the statements of a register."""
    for one in statements:
        if isinstance(one, Assign):
            target = f"{spelled(one.name)}{one.place}".rstrip()
            yield f"{indent}{target} <= {trimmed(one.value)};"
        elif one.selector:
            yield f"{indent}casez ({trimmed(one.selector)})"
            for label, body in one.branches:
                yield from _branch(f"{indent}  {label}:", body, f"{indent}  ")
            if all(label != "default" for label, _ in one.branches):
                yield f"{indent}  default: ;"
            yield f"{indent}endcase"
        else:
            yield from _ifs(one.branches, indent)


def _ifs(branches: Sequence[tuple[str, Statements]], indent: str) -> Iterator[str]:
    begin = indent
    for label, body in branches:
        if label == "default" and len(body) == 1 and isinstance(body[0], Choice) and not body[0].selector:
            first, *rest = _ifs(body[0].branches, indent)
            yield begin + first.removeprefix(indent)
            yield from rest
            return
        head = f"{begin}begin" if label == "default" else f"{begin}if ({trimmed(label)}) begin"
        yield head
        yield from lines(body, f"{indent}  ")
        begin = f"{indent}end else "
    yield f"{indent}end"


def _branch(head: str, body: Statements, indent: str) -> Iterator[str]:
    if not body:
        yield f"{head} ;"
    elif len(body) == 1 and isinstance(body[0], Assign):
        (line,) = lines(body, "")
        yield f"{head} {line}"
    else:
        yield f"{head} begin"
        yield from lines(body, f"{indent}  ")
        yield f"{indent}end"
