"""Writes the figures of docs/accelerator.md from docs/results/generate.json: python docs/accelerator.py [--check]."""

import json
import sys
from pathlib import Path
from typing import Any

from blocks import fill

PAGE = Path(__file__).parent / "accelerator.md"
REPORT = Path(__file__).parent / "results" / "generate.json"


def measured(report: dict[str, Any]) -> str:
    """What a run on the bundled model gave."""
    forms = report["forms"]
    same = "the same as" if forms["verilog"]["tokens"] == forms["float32"]["tokens"] else "another text than"
    machine, commit = report["machine"]["processor"], report["commit"][:7]
    return "\n".join([
        f"The bundled Mamba-1 (`{report['unit']}`) went on with \"{report['prompt']}\":",
        "",
        f"> {report['prompt']}{report['text']}",
        "",
        f"That is {same} the unquantized model's, and token for token the integer model's: of",
        f"{report['values_compared']:,} values of all tensors, states and logits included,",
        f"{report['mismatches']} differ.",
        f"A token takes {report['cycles_per_token']:,.0f} cycles, {report['over_bound']:.3f} times the bound of",
        f"{report['bound_cycles_per_token']:,.0f} that the weights set, one per multiplier and cycle; the multipliers",
        f"are busy in {report['busy']:.1%} of them. Compiled with optimization, Verilator simulates",
        f"{report['simulated_tokens_per_second']:.1f} tokens per second ({machine}, commit {commit}).",
        "",
        f"    {report['command']}",
    ])  # fmt: skip


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    filled = fill(text, {"measured": measured(json.loads(REPORT.read_text(encoding="utf-8")))})
    if "--check" in sys.argv[1:]:
        sys.exit(0 if filled == text else "accelerator.md is not what docs/accelerator.py makes")
    PAGE.write_text(filled, encoding="utf-8")
