"""Names, constants, slices and concatenations in the Verilog that Yosys writes: their parts, and parts of these."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

NAME = re.compile(r"(?<!\.)\\\S+(?= )|(?<![\w'$.\\])[A-Za-z_]\w*")
"""A name that is no pin's. Escaped names begin with a backslash, and a space, which is no part of them, ends them."""
PRIVATE = re.compile(r"\\\$\d+")
"""A name that Amaranth gave to a part of an expression."""
_PART = re.compile(
    r"(?:(?P<width>\d+)'(?P<base>[hbd])(?P<digits>[0-9a-fxz]+)"
    r"|(?P<name>\\\S+(?= )|[A-Za-z_]\w*) ?(?:\[(?P<high>\d+)(?::(?P<low>\d+))?\])?) *"
)
_RUN = re.compile(r"(?<=[{,] )((?:\\\S+ |\w+)(?:\[\d+\])?)(?:, \1){2,}(?=[ ,}])")
_BITS = {"h": 4, "b": 1}


class Part(NamedTuple):
    """Bits side by side: of the signal ``source``, from its bit ``low`` on; or, without one, ``bits`` as text."""

    source: str
    low: int
    width: int
    bits: str = ""

    def part(self, low: int, width: int) -> "Part":
        """``width`` bits of it, from its bit ``low`` on."""
        end = self.width - low
        return Part(self.source, self.low + low, width, self.bits[end - width : end])


def spelled(name: str) -> str:
    """The name as it stands in a text."""
    return f"{name} " if name.startswith("\\") else name


def parts(text: str, widths: Mapping[str, int]) -> list[Part] | None:
    """What ``text`` is made of, the top bits first; None if it is an expression with operators or unknown signals."""
    text = text.strip()
    elements = text[1:-1].split(",") if text.startswith("{") and text.endswith("}") else [text]
    found = [_part(element.strip(), widths) for element in elements]
    return None if None in found else [one for one in found if one is not None]


def _part(text: str, widths: Mapping[str, int]) -> Part | None:
    match = _PART.fullmatch(f"{text} ")
    if match is None:
        return None
    if match["name"] is None:
        width, digits = int(match["width"]), match["digits"]
        if match["base"] == "d":
            return Part("", 0, width, f"{int(digits):0{width}b}") if digits.isdecimal() else None
        each = _BITS[match["base"]]
        bits = "".join(d * each if d in "xz" else f"{int(d, 16):0{each}b}" for d in digits)
        return Part("", 0, width, bits.rjust(width, "0")[-width:])
    name = match["name"]
    if name not in widths:
        return None
    if match["high"] is None:
        return Part(name, 0, widths[name])
    high = int(match["high"])
    low = int(match["low"] or high)
    return Part(name, low, high - low + 1)


def chosen(whole: list[Part], low: int, width: int) -> list[Part]:
    """``width`` bits of the parts, from bit ``low`` on."""
    found: list[Part] = []
    for part in reversed(whole):
        begin, end = max(low, 0), min(low + width, part.width)
        if begin < end:
            found.insert(0, part.part(begin, end - begin))
        low -= part.width
    return found


def written(whole: list[Part], widths: Mapping[str, int]) -> str:
    """The parts as text; constants side by side are one."""
    joined: list[Part] = []
    for part in whole:
        if joined and not part.source and not joined[-1].source:
            bits = joined.pop().bits + part.bits
            part = Part("", 0, len(bits), bits)
        joined.append(part)
    texts = [_text(part, widths) for part in joined]
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"


def _text(part: Part, widths: Mapping[str, int]) -> str:
    if not part.source:
        if set(part.bits) <= {"0", "1"}:
            return f"{part.width}'h{int(part.bits, 2):0{-(-part.width // 4)}x}"
        return f"{part.width}'b{part.bits}"
    name = spelled(part.source)
    if part.width == widths[part.source]:
        return name
    high = part.low + part.width - 1
    return f"{name}[{high}]" if part.width == 1 else f"{name}[{high}:{part.low}]"


def neat(text: str) -> str:
    """With a repetition instead of equal elements of a concatenation, and no space behind a name that needs none."""
    text = _RUN.sub(lambda run: f"{{{run[0].count(',') + 1}{{{run[1]}}}}}", text)
    text = re.sub(r"\{ (\{\d+\{[^{}]*\}\}) ?\}", r"\1", text)
    return re.sub(r"(?<![\\\w$.\[\]])(\w+(?:\[[\d:]+\])?) (?=[,)])", r"\1", text)


def trimmed(text: str) -> str:
    """Without spaces around it, and with one, no more, behind each escaped name."""
    text = re.sub(r"(\\\S+) +", r"\1 ", text.strip())
    return f"{text} " if re.search(r"\\\S+$", text) else text


def substituted(text: str, new: Callable[[str], str | None]) -> str:
    """``text`` with each name for which ``new`` gives a text replaced by this."""

    def one(match: re.Match[str]) -> str:
        found = new(match[0])
        return spelled(match[0]).strip() if found is None else found

    return NAME.sub(one, text)
