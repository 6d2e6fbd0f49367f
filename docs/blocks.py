"""Documents with computed parts, each between ``<!-- begin NAME -->`` and ``<!-- end -->``."""

import re
import sys
from collections.abc import Mapping

_BLOCK = re.compile(r"<!-- begin ([\w-]+) -->\n.*?<!-- end -->", re.DOTALL)


def fill(text: str, blocks: Mapping[str, str]) -> str:
    """``text`` with every block made anew; stops where a name is unknown or a block is not used."""
    used = _BLOCK.findall(text)
    if set(used) != set(blocks):
        sys.exit(f"blocks in the text and blocks that are made differ: {sorted(set(used) ^ set(blocks))}")
    return _BLOCK.sub(lambda block: f"<!-- begin {block[1]} -->\n\n{blocks[block[1]]}\n\n<!-- end -->", text)


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
