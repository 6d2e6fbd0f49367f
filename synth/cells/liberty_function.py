"""Boolean functions as Liberty files write them: ``(A B) + !C``, ``A' * (B ^ C)``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_][\w\[\]]*)|(?P<constant>[01])|(?P<mark>['!&*+|^()]))")
_BINDS = {"!": 4, "^": 3, "&": 2, "|": 1, "(": 0}  # the postfix ' becomes !
_SAME = {"*": "&", "+": "|"}


@dataclass(frozen=True)
class Function:
    """A function of pins.

    Attributes:
        steps: names, constants and operators in postfix order.
    """

    steps: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """The pins that it depends on."""
        return frozenset(step for step in self.steps if step not in _BINDS and step not in "01")

    def __call__(self, values: Mapping[str, int], ones: int = 1) -> int:
        """Its value; bitwise if ``values`` are words, of which ``ones`` is the one with all bits set."""
        stack: list[int] = []
        for step in self.steps:
            if step == "!":
                stack[-1] ^= ones
            elif step in _BINDS:
                b, a = stack.pop(), stack.pop()
                stack.append(a ^ b if step == "^" else a & b if step == "&" else a | b)
            else:
                stack.append({"0": 0, "1": ones}[step] if step in "01" else values[step])
        return stack[0]


def function(text: str) -> Function:
    """Read a function; blanks between names mean "and".

    Raises:
        ValueError: if the text is no function.
    """
    steps: list[str] = []
    waiting: list[str] = []  # operators
    complete = False  # whether the text so far ends with an operand
    at, text = 0, text.strip()

    def settle(binds: int) -> None:
        while waiting and _BINDS[waiting[-1]] >= binds:
            steps.append(waiting.pop())

    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"unexpected {text[at:].strip()[0]!r} in {text!r}")
        at, token = match.end(), match[match.lastgroup or 0]
        token = _SAME.get(token, token)
        operand = token == "(" or token == "!" or match.lastgroup != "mark"
        if complete and operand:
            settle(_BINDS["&"])
            waiting.append("&")
        elif not complete and not operand:
            raise ValueError(f"unexpected {token!r} in {text!r}")
        complete = match.lastgroup != "mark" or token in "')"
        if match.lastgroup != "mark":
            steps.append(token)
        elif token == "'":
            steps.append("!")
        elif token == ")":
            settle(_BINDS["|"])
            if not waiting:
                raise ValueError(f"a bracket is not opened in {text!r}")
            waiting.pop()
        else:
            if not operand:
                settle(_BINDS[token])
            waiting.append(token)
    settle(_BINDS["|"])
    if waiting or not complete:
        raise ValueError(f"{text!r} is not complete")
    return Function(tuple(steps))
