"""docs/pytorch.md against the reports of bench."""

import re
from collections.abc import Iterator
from statistics import median

from tests.docs.pages import DOCS, Pair, ages, blocks, report, rows, tables, today

PAGE = (DOCS / "pytorch.md").read_text(encoding="utf-8")


def work(page: str) -> Iterator[Pair]:
    kernels = report("bench-tensors")["tensors"]["instructions_per_value"]["kernels"]
    for row, (name, count) in zip(rows(blocks(page)["work"]), kernels.items(), strict=True):
        value = 4 if name.endswith("fp32") else 2
        yield Pair("kernels", row["kernel"], today(name))
        yield Pair(name, row["bytes"], 2 * value if name.startswith("fake") else value + 1)
        yield Pair(name, row["instructions"], count)


def tensors(page: str) -> Iterator[Pair]:
    cases = report("bench-tensors")["tensors"]["cases"]
    for table, (name, case) in zip(tables(blocks(page)["tensors"]), cases.items(), strict=True):
        heading = f"{today(name)}, {case['values']:,} values"
        copy = median(case["all_milliseconds"]["copy of as many bytes"])
        for row, (contender, every) in zip(table, case["all_milliseconds"].items(), strict=True):
            yield Pair("tensors", row.get(heading, "another heading"), contender)
            yield Pair(f"{name}, {contender}", row["ms"], median(every))
            yield Pair(f"{name}, {contender}", row["of copy"], copy / median(every))


def decode(page: str) -> Iterator[Pair]:
    shapes = report("bench-decode")["decode"]["shapes"]
    for table, (name, shape) in zip(tables(blocks(page)["decode"]), shapes.items(), strict=True):
        base = shape["models"]["float16"]
        for row, (model, measured) in zip(table, shape["models"].items(), strict=True):
            yield Pair("decoding", row.get(name, "another heading"), model)
            yield Pair(model, row["ms/token"], median(measured["all_ms"]))
            yield Pair(model, row["speed / float16"], median(base["all_ms"]) / median(measured["all_ms"]))
            yield Pair(model, row["weights MB"], measured["weight_bytes"] / 1e6)
            yield Pair(model, row["/ float16"], measured["weight_bytes"] / base["weight_bytes"])
            yield Pair(model, row["states MB"], measured["state_bytes"] / 1e6)
    quoted = report("bench-decode")["decode"]["quoted"]
    yield Pair("quoted", re.search(r": ([\d.]+) x \(", blocks(page)["decode"])[1], quoted["ratio"])


def integers(page: str) -> Iterator[Pair]:
    run, block = report("bench-decode-integer")["decode-integer"], blocks(page)["integer"]
    blocks_of_tokens = re.search(r"median of (\d+) times (\d+) tokens", block).groups()
    yield Pair("integer", " ".join(blocks_of_tokens), f"{run['repeats']} {run['tokens']}")
    for table, (name, of) in zip(tables(block), run["models"].items(), strict=True):
        busy = {contender: median(one["processor_seconds"]) for contender, one in of["all"].items()}
        for row, (contender, one) in zip(table, of["all"].items(), strict=True):
            yield Pair("integer", row.get(name, "another heading"), contender)
            yield Pair(contender, row["tokens/s"], run["tokens"] / median(one["seconds"]))
            yield Pair(contender, row["tokens per processor second"], run["tokens"] / busy[contender])
            yield Pair(contender, row["integer over it"].removesuffix(" x"), busy[contender] / busy["integer"])


def age(page: str) -> Iterator[Pair]:
    yield from ages(blocks(page)["age"], ["bench-tensors", "bench-decode", "bench-decode-integer"])


CHECKS = {"work": work, "tensors": tensors, "decode": decode, "integer": integers, "age": age}
