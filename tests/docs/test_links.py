"""Links in the files outside docs/ lead to files and headings that are there; mkdocs checks those of docs/."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "README.md", ROOT / "CHANGELOG.md")


def anchors(page):
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def dead(file):
    """The links of a file that lead nowhere."""
    for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text(encoding="utf-8")):
        if not re.match(r"https?://", target):
            path, _, anchor = target.partition("#")
            page = file.parent / path if path else file
            if not page.exists() or (anchor and anchor not in anchors(page)):
                yield target


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_link_is_dead(file):
    assert [*dead(file)] == []


def test_a_dead_link_is_found(tmp_path):
    (tmp_path / "one.md").write_text("# One two\n[a](#one-two) [b](#three) [c](one.md) [d](none.md) [e](one.md#one)\n")
    assert [*dead(tmp_path / "one.md")] == ["#three", "none.md", "one.md#one"]
