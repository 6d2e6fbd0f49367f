"""Writes the computed parts of docs/pytorch.md from docs/results/bench-*.json: python docs/pytorch.py [--check].

The JSON files are what `bench --parts P --json` wrote, for P tensors, decode and decode-integer.
"""

import json
import sys
from pathlib import Path
from typing import Any

import age
from blocks import fill, markdown
from renamed import renamed

DOCS = Path(__file__).parent
PAGE = DOCS / "pytorch.md"


def load(name: str) -> dict[str, Any]:
    """One report."""
    document: dict[str, Any] = json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return document


def work(tensors: dict[str, Any]) -> str:
    """Bytes and instructions of each kernel."""
    counted = tensors["instructions_per_value"]
    capability = counted["compute_capability"]
    rows = [[renamed(kernel), str(_bytes(kernel)), f"{count:.0f}"] for kernel, count in counted["kernels"].items()]
    return "\n\n".join(
        [
            "Bytes moved, and instructions of the kernel as Triton compiles it for compute capability "
            f"{capability // 10}.{capability % 10}, disassembled, per value (all that a thread does, over its values):",
            markdown(["kernel", "bytes", "instructions"], rows),
            "The floor of a kernel is the longer of bytes over bandwidth and instructions over issue rate. For "
            "orientation, by the data sheet of the H100 SXM (3.35 TB/s, 132 multiprocessors of 128 lanes, up to "
            "1.98 GHz) 3 bytes take as long as 30 instructions: quantizing bfloat16 should be bound by memory, "
            "counting by instructions.",
        ]
    )


def _bytes(kernel: str) -> int:
    wide = 4 if kernel.endswith("fp32") else 2
    return 2 * wide if kernel.startswith("fake") else wide + 1


def tensors_of(document: dict[str, Any]) -> str:
    """Times on a CPU."""
    measured, machine = document["tensors"], document["machine"]
    parts = [
        f"{machine['cores']} cores, {machine['processor']}; medians, contenders taking turns; of copy: the time of a "
        "copy of as many bytes (into memory that is there already, as the others' results are not) over theirs:"
    ]
    for name, case in measured["cases"].items():
        rows = [
            [contender, f"{spent:.1f}", f"{case['of_copy'][contender]:.2f}"]
            for contender, spent in case["milliseconds"].items()
        ]
        parts.append(markdown([f"{renamed(name)}, {case['values']:,} values", "ms", "of copy"], rows))
    parts.append("    python -m qse_hw bench --parts tensors")
    return "\n\n".join(parts)


def decode(document: dict[str, Any]) -> str:
    """Milliseconds per token and bytes."""
    run, machine = document["decode"], document["machine"]
    parts = [
        f"On {run['device']} ({machine['cores']} cores, {machine['processor']}), batch 1, random weights, median of "
        f"{run['tokens']} tokens after {run['prompt']}; `130m:4` is four layers of the 130m shape. A CPU is not "
        "what this is for: the figures show that the benchmark runs, and the bytes are the same everywhere."
    ]
    for name, of in run["shapes"].items():
        rows = [
            [
                model, f"{m['ms_per_token']:.2f}", f"{m['speed_over_float16']:.2f}", f"{m['weight_bytes'] / 1e6:,.1f}",
                f"{m['weight_bytes_over_float16']:.2f}", f"{m['state_bytes'] / 1e6:,.2f}",
            ]
            for model, m in of["models"].items()
        ]  # fmt: skip
        columns = [f"{name}", "ms/token", "speed / float16", "weights MB", "/ float16", "states MB"]
        parts.append(markdown(columns, rows))
    quoted = run["quoted"]
    parts.append(
        f"Quoted, not measured here: {quoted['what']}, {quoted['device']}: {quoted['ratio']} x ({quoted['source']})."
    )
    parts.append("    python -m qse_hw bench --parts decode")
    parts.append("    python -m qse_hw bench --parts decode --device cuda --shapes 130m,1.4b,2.8b      # not yet run")
    return "\n\n".join(parts)


def integers(document: dict[str, Any]) -> str:
    """Tokens per second of the integer models."""
    run, machine = document["decode-integer"], document["machine"]
    parts = [
        f"The bundled models, batch {run['batch']}, {run['threads']} thread ({machine['cores']} cores, "
        f"{machine['processor']}), median of {run['repeats']} times {run['tokens']} tokens, contenders taking turns. "
        "Speeds are compared by processor seconds, which hardly depend on what else the machine does:"
    ]
    for name, of in run["models"].items():
        busy = of["tokens_per_processor_second"]
        rows = [
            [contender, f"{speed:,.0f}", f"{busy[contender]:,.0f}", f"{busy['integer'] / busy[contender]:.1f} x"]
            for contender, speed in of["tokens_per_second"].items()
        ]
        parts.append(markdown([name, "tokens/s", "tokens per processor second", "integer over it"], rows))
    parts.append("    python -m qse_hw bench --parts decode-integer")
    return "\n\n".join(parts)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    check = "--check" in sys.argv[1:]
    reports = {name: load(name) for name in ("bench-tensors", "bench-decode", "bench-decode-integer")}
    speed = reports["bench-tensors"]
    blocks = {"work": work(speed["tensors"]), "tensors": tensors_of(speed), "decode": decode(reports["bench-decode"])}
    blocks["integer"] = integers(reports["bench-decode-integer"])
    now = age.digests(text, check=check)
    blocks["age"] = age.block({name: (report, age.MODELS) for name, report in reports.items()}, now)
    filled = fill(text, blocks)
    if check:
        sys.exit(0 if filled == text else "docs/pytorch.md is not what docs/pytorch.py makes")
    PAGE.write_text(filled, encoding="utf-8")
