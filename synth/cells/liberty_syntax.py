"""The syntax of Liberty files: text to nested groups, with line numbers, as Yosys reads them.

Written here because the existing package, ``liberty-parser``, is GPL-3.0-or-later and needs SymPy and Lark.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"(?P<skip>[ \t\r\f\v]+|\\\r?\n|/\*.*?\*/|//[^\n]*)"
    r'|"(?P<string>[^"]*)"'
    r"|(?P<word>[^\s\"(){}:;,\\/@$?`~#\x00-\x1f\x7f-\x9f]+|/(?![/*]))"
    r"|(?P<mark>[(){}:;,\n])",
    re.DOTALL,
)
_ENDS = ("\n", ";")
_DEPTH = 100  # groups within groups; real files have about 7


class LibertyError(Exception):
    """A problem in a Liberty file, with its line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {' '.join(problem.split())}")


@dataclass
class Group:
    """``kind (arguments) { ... }``; also a list ``kind (arguments);``, which has nothing inside.

    Attributes:
        kind: e.g. ``cell``.
        arguments: without quotes and blanks around them.
        line: of its beginning, from 1.
        start, end: its place in the text.
        values: the simple attributes ``name : value;`` with their lines; if a name occurs twice the last, as in Yosys.
        groups: the groups inside, in order.
    """

    kind: str
    arguments: list[str]
    line: int
    values: dict[str, tuple[str, int]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)
    start: int = 0
    end: int = 0

    @property
    def name(self) -> str:
        """The first argument; "" if there is none."""
        return self.arguments[0] if self.arguments else ""

    def all(self, *kinds: str) -> Iterator["Group"]:
        """The groups of these kinds, in order."""
        return (group for group in self.groups if group.kind in kinds)

    def text(self, name: str, default: str = "") -> str:
        """A simple attribute's value."""
        return self.values.get(name, (default, 0))[0]

    def number(self, name: str) -> float | None:
        """A simple attribute's value; None if the attribute is missing.

        Raises:
            LibertyError: if it is no number.
        """
        return real(*self.values[name], name) if name in self.values else None


def real(text: str, line: int, name: str) -> float:
    """``text``, the value of ``name``, as a finite number.

    Raises:
        LibertyError: if it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise LibertyError(line, f"{name} must be a number, not {text!r}")
    return number


def parse(text: str) -> Group:
    """The groups of a file, in one without a name; time and memory are linear in the length of the text.

    Raises:
        LibertyError: for what Yosys 0.70 calls a syntax error, and for braces or quotes without their partners.
    """
    tokens = _tokens(text)
    root = Group("", [], 1)
    stack = [root]
    for mark, word, line, start in tokens:
        if mark == "}" and len(stack) > 1:
            stack.pop().end = start + 1
        elif mark == "word":
            mark, _, at, _ = next(tokens)
            if mark == ":":
                stack[-1].values[word] = (_value(tokens, word), line)
                continue
            if mark != "(":
                raise LibertyError(at, f"{word} must be followed by ':' or '('")
            group = Group(word, _arguments(tokens), line, start=start)
            stack[-1].groups.append(group)
            mark, _, at, group.end = next(tokens)
            if mark == "{":
                stack.append(group)
                if len(stack) > _DEPTH:
                    raise LibertyError(line, f"groups are nested more than {_DEPTH} deep")
            elif mark not in _ENDS:
                raise LibertyError(at, f"unexpected {mark!r} after {word} (...)")
        elif mark not in _ENDS:
            raise LibertyError(line, f"unexpected {mark!r}")
    if len(stack) > 1:
        raise LibertyError(stack[-1].line, f"{stack[-1].kind} ({stack[-1].name}) is never closed")
    return root


_Token = tuple[str, str, int, int]


def _tokens(text: str) -> Iterator[_Token]:
    """(mark, word, line, place), with a line break at the end; words and strings have the mark ``word``."""
    line, at = 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = {'"': "a quote", "/": "a comment"}.get(text[at])
            raise LibertyError(line, f"{what} is never closed" if what else f"unexpected {text[at]!r}")
        start, at, kind, token = at, match.end(), match.lastgroup, match[match.lastgroup or 0]
        if kind == "mark":
            yield token, "", line, start
        elif kind != "skip":
            yield "word", token, line, start
        line += token.count("\n")
    yield "\n", "", line, at


def _value(tokens: Iterator[_Token], name: str) -> str:
    """The value after a colon; it ends with a semicolon or, as some files have it, with the line."""
    parts: list[str] = []
    for mark, word, line, _ in tokens:
        if mark in _ENDS:
            break
        if mark in "{}":
            raise LibertyError(line, f"the value of {name} must end with ';'")
        parts.append(word if mark == "word" else mark)
    return " ".join(parts).strip()


def _arguments(tokens: Iterator[_Token]) -> list[str]:
    arguments: list[str] = []
    parts: list[str] = []
    for mark, word, line, _ in tokens:
        if mark in (",", ")"):
            arguments.append(" ".join(parts).strip())
            parts.clear()
            if mark == ")":
                return [argument for argument in arguments if argument]
        elif mark in ("{", "}", ";", "("):
            raise LibertyError(line, f"unexpected {mark!r} between brackets")
        elif mark != "\n":
            parts.append(word if mark == "word" else mark)
    raise LibertyError(line, "a bracket is never closed")
