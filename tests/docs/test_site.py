"""The documentation site: it builds, and a dead link or a page outside the menu is an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")

ROOT = Path(__file__).parents[2]


def build(checkout, folder):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=checkout, env=quiet, capture_output=True, text=True, check=False)


@pytest.mark.full
def test_the_site_builds(tmp_path):
    done = build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(tmp_path / "site") for path in (tmp_path / "site").rglob("*.html")}
    assert built - {Path("404.html")} == pages
    assert not list((tmp_path / "site").rglob("*.py"))


@pytest.mark.full
def test_what_is_an_error(tmp_path):
    (tmp_path / "docs").mkdir()
    links = ["two.md#third", "three.md", "../two.md", "/two.md", "results/a.json"]
    (tmp_path / "docs" / "one.md").write_text("# One\n\n" + "\n".join(f"[{link}]({link})" for link in links))
    for name in ("two", "outside"):
        (tmp_path / "docs" / f"{name}.md").write_text("# Two\n\n## Second\n")
    settings, _, _ = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")
    (tmp_path / "mkdocs.yml").write_text(f"{settings}\nnav: [one.md, two.md]\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 1
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    for link in links:
        assert any(f"'{link}'" in line for line in warnings), link
    assert "outside.md" in done.stderr
    assert "WARNING -  The following pages exist" in done.stderr
