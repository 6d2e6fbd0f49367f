"""The indented Python in README.md and docs/ runs as it is written (tests/docs/walkthrough.py runs fenced blocks)."""

import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qse_hw.golden.models.mamba.model import MambaConfig  # noqa: E402
from tests.golden.models.quamba.conftest import random_model  # noqa: E402

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?:^(?:    .*)?\n)+", re.M)


def examples(page):
    """Indented blocks that begin with an import."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    blocks = (re.sub("^    ", "", block, flags=re.M).strip() for block in found)
    return [block for block in blocks if re.match(r"(import|from) \w", block)]


CASES = [(page, number) for page in PAGES for number in range(len(examples(page)))]


@pytest.mark.every(2)
@pytest.mark.parametrize(("page", "number"), CASES, ids=lambda value: value.stem if isinstance(value, Path) else value)
def test_examples_run(page, number):
    """With an x, a small Mamba-1 and tokens for it, as the pages suppose them."""
    ids = torch.randint(61, (1024,), generator=torch.Generator().manual_seed(3))
    model = random_model(MambaConfig(d_model=48, n_layer=2, vocab_size=61, d_state=8, dt_rank=5))
    names = {"x": np.linspace(-1, 1, 99, dtype=np.float32), "model": model, "ids": ids}
    exec(compile(examples(page)[number], f"{page.name}, example {number}", "exec"), names)
    if "text" in names:
        assert names["text"].shape[-1] in (20, 28)


def test_the_pages_have_examples():
    assert {page.name for page, _ in CASES} >= {"pytorch.md"}
    assert len(CASES) >= 2
