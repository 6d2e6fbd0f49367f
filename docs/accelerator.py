"""Writes the figures of docs/accelerator.md from docs/results/: python docs/accelerator.py [--check]."""

import json
import sys
from pathlib import Path
from typing import Any

from blocks import fill, markdown

from qse_hw.cli.generate import OPTIMIZED
from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.accelerator.image_words import ImageMap
from qse_hw.rtl_gen.accelerator.registers import accelerator_registers
from qse_hw.rtl_gen.memory.config import BusConfig
from qse_hw.rtl_gen.mixer.config import MixerConfig

PAGE = Path(__file__).parent / "accelerator.md"
RESULTS = Path(__file__).parent / "results"
AREAS = ("comb", "ff", "dsp", "bram")
LANES = ("scan", "norm", "hadamard")
MOST_OVER_BOUND, LEAST_BUSY = 1.1, 0.9
"""What is aimed at."""


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
        f"are busy in {report['busy']:.1%} of them. Compiled without optimization, as `generate` does below",
        f"{OPTIMIZED} tokens, Verilator simulates {report['simulated_tokens_per_second']:.1f} tokens per second",
        f"({machine}, commit {commit}).",
        "",
        f"    {report['command']}",
    ])  # fmt: skip


def behind(report: dict[str, Any]) -> str:
    """What a run on the bundled model behind its buses gave."""
    memory, machine, commit = report["memory"], report["machine"]["processor"], report["commit"][:7]
    cycles = report["cycles_per_token"]
    return "\n".join([
        f"The bundled Mamba-1 (`{report['unit']}`) behind its buses: of",
        f"{report['values_compared']:,} values of all tensors {report['mismatches']} differ from the integer model's.",
        f"A token needs {memory['bytes_per_token']:,} bytes of the memory, which take",
        f"{memory['bound_cycles_per_token']:,.0f} cycles on {memory['bus_bits']} bits; it takes {cycles:,.0f} cycles,",
        f"{memory['over_bound']:.3f} times as many, with a memory that gives a burst's first word",
        f"{memory['latency']} cycles after the burst's address. The multipliers are busy in {report['busy']:.1%}",
        f"of the cycles ({machine}, commit {commit}).",
        "",
        f"    {report['command']}",
    ])  # fmt: skip


def planned(report: dict[str, Any]) -> str:
    """What plan says of published models."""
    rows = [
        "| model | engine | lanes | cycles per token | over the bound | busy | per cycle | at 200 MHz |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for plan in report["plans"]:
        alone, memory = plan["one_token"], plan["memory"]
        lanes = ", ".join(str(plan[f"{unit}_lanes"]) for unit in LANES)
        total = sum(memory["bytes_per_token"].values())
        reached = alone["over_bound"] <= MOST_OVER_BOUND and alone["busy"] >= LEAST_BUSY
        rows.append(
            f"| {plan['model']} | {plan['rows']} x {plan['columns']} | {lanes} | {alone['cycles']:,} | "
            f"{alone['over_bound']:.3f}{'' if reached else ' *'} | {alone['busy']:.1%} | "
            f"{total / alone['cycles']:.1f} bytes | {alone['tokens_per_second']:.1f} tokens/s |"
        )
    return "\n".join([*rows, "", f"    {report['command']}"])


def registers() -> str:
    """The registers of any accelerator with more than 32 bits of address and several sequences."""
    formats = {f"{name}_format": load_format("se8") for name in ("norm", "x", "dt_low", "y")}
    sizes = {"d_model": 256, "d_inner": 512, "dt_rank": 16, "layers": 6, "vocabulary": 256, "sequences": 2}
    config = MixerConfig(eps=1, **sizes, **formats)
    rows = []
    for register in accelerator_registers(ImageMap(config), BusConfig(address_bits=64)).registers:
        start = [f"`{register.offset:#05x}`", f"`{register.name}`", register.access]
        fields = [field for field in register.fields if field.name not in ("VALUE", "COUNT")]
        if not fields:
            rows.append([*start, "", register.meaning])
        for field in fields:
            high = field.low + field.width - 1
            bits = f"{high}:{field.low}" if field.width > 1 else f"{field.low}"
            rows.append([*start, f"`{field.name}` {bits}", field.meaning])
            start = ["", "", ""]
    return markdown(["offset", "register", "access", "field, bits", "meaning"], rows)


def synthesized(report: dict[str, Any]) -> str:
    """The accelerator with the soft edge beside the one with INT8, on an FPGA."""
    ours, plain = report["results"]
    rows = [
        "| operands | COMB | FF | DSP | BRAM | Fmax | cycles per token | tokens/s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in (ours, plain):
        counts = " | ".join(f"{one['area'][kind]:,}" for kind in AREAS)
        fmax, cycles = one["fmax"]["median"], one["cycles_per_token"]
        rows.append(f"| {_operands(one)} | {counts} | {fmax:.0f} | {cycles:,} | {one['tokens_per_second']:.0f} |")
    ratios = " | ".join(f"{ours['ratio'][kind]:.3f}" for kind in (*AREAS, "fmax"))
    cycles, tokens = (ours[name] / plain[name] for name in ("cycles_per_token", "tokens_per_second"))
    rows.append(f"| soft edge over INT8 | {ratios} | {cycles:.3f} | {tokens:.3f} |")
    parts = [
        "| part | COMB | over INT8 | FF | over INT8 | DSP | BRAM | over INT8 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for part, area in ours["parts"].items():
        more = {kind: area[kind] - plain["parts"].get(part, {}).get(kind, 0) for kind in AREAS}
        parts.append(
            f"| {f'`{part}`' if part else 'the rest'} | {area['comb']:,} | {more['comb']:+,} | {area['ff']:,} | "
            f"{more['ff']:+,} | {area['dsp']} | {area['bram']} | {more['bram']:+,} |"
        )
    paths = []
    for one in (ours, plain):
        path = one["critical_path"]
        hops = " > ".join(f"`{hop['signal']}`" for hop in path["hops"])
        paths.append(
            f"- {_operands(one)}: {hops}; {path['logic_ns'] + path['routing_ns']:.2f} ns, {path['routing_ns']:.2f} ns "
            f"of it in wires"
        )
    tools = ", ".join(f"{name} {number}" for name, number in report["versions"].items() if name.startswith("yowasp"))
    head = f"`{ours['label']}` on {ours['target']}:"
    return "\n".join(
        [
            head, "", *rows, "", "By part, with the difference to the same part of the accelerator with INT8:", "",
            *parts, "", "The critical paths:", "", *paths, "", f"{tools}; commit {report['commit'][:7]}.", "",
            f"    {report['command']}",
        ]
    )  # fmt: skip


def of_cells(report: dict[str, Any]) -> str:
    """The same on standard cells, with the energy of a token."""
    ours, plain = report["results"]
    (target,) = report["targets"].values()
    areas = [
        "| operands | gates | flops | area/mm2 | NAND2 equivalents | Fmax | cycles per token | macros | bits in them |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    energies = [
        "| operands | toggles per cycle | switching/uJ | internal/uJ | clock/uJ | uJ per token | leakage/uW |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    accesses = ["| operands | bits read per token | bits written per token |", "| --- | --- | --- |"]
    for one in (ours, plain):
        area, spent = one["area"], one["energy_per_token"]
        areas.append(
            f"| {_operands(one)} | {area['comb']:,} | {area['ff']:,} | {area['silicon'] / 1e6:.3f} | "
            f"{area['nand2']:,.0f} | {one['fmax']['median']:.0f} | {one['cycles_per_token']:,} | "
            f"{len(one['macros'])} | {sum(one['macros'].values()):,} |"
        )
        toggles = _pair([count / spent["cycles"] for count in spent["toggles"]], ",.0f")
        parts = " | ".join(_pair([pj / 1e6 for pj in spent[part]], ",.1f") for part in ENERGIES)
        energies.append(f"| {_operands(one)} | {toggles} | {parts} | {spent['leakage'] * 1e6:,.1f} |")
        bits = [sum(macro["bits"] * macro[way] for macro in spent["macros"]) for way in ("reads", "writes")]
        accesses.append(f"| {_operands(one)} | {bits[0]:,.0f} | {bits[1]:,.0f} |")
    ratio, shares = ours["ratio"], ours["energy_per_token"]["ratio"]
    cycles = ours["cycles_per_token"] / plain["cycles_per_token"]
    bits_over = sum(ours["macros"].values()) / sum(plain["macros"].values())
    silicon = f"{ratio['silicon']:.3f} | {ratio['silicon']:.3f}"
    areas.append(
        f"| soft edge over INT8 | {ratio['comb']:.3f} | {ratio['ff']:.3f} | {silicon} | {ratio['fmax']:.3f} | "
        f"{cycles:.3f} | | {bits_over:.3f} |"
    )
    leakage = ours["energy_per_token"]["leakage"] / plain["energy_per_token"]["leakage"]
    over = " | ".join(_pair(shares[part], ".3f") for part in ("toggles", *ENERGIES))
    energies.append(f"| soft edge over INT8 | {over} | {leakage:.3f} |")
    tokens = ours["energy_per_token"]["tokens"]
    counted = "the second token" if tokens == 1 else f"tokens 2 to {tokens + 1}"
    tools = ", ".join(f"{name} {report['versions'][name]}" for name in ("pyosys",))
    return "\n".join(
        [
            f"`{ours['label']}` on {ours['target']}, mapped for {target['freq']:.0f} MHz:", "", *areas, "",
            f"Energy of {counted} of the bundled held-out text:", "", *energies, "",
            "What the macros do meanwhile, which has no energy here:", "", *accesses, "",
            f"{tools}; commit {report['commit'][:7]}.", "", f"    {report['command']}",
        ]
    )  # fmt: skip


ENERGIES = ("switching", "internal", "clock", "energy")


def _pair(pair: list[float], form: str) -> str:
    """Without and with glitches; one figure if both are shown alike."""
    return " - ".join(dict.fromkeys(f"{number:{form}}" for number in pair))


def _operands(result: dict[str, Any]) -> str:
    """Their format, from the unit's label."""
    return str(result["label"].split()[1])


def read(name: str) -> dict[str, Any]:
    """A result."""
    document: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return document


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    blocks = {
        "measured": measured(read("generate")), "behind": behind(read("generate-memory")),
        "planned": planned(read("plans")), "registers": registers(),
        "synthesized": synthesized(read("accelerator-ecp5")), "cells": of_cells(read("accelerator-cells")),
    }  # fmt: skip
    filled = fill(text, blocks)
    if "--check" in sys.argv[1:]:
        sys.exit(0 if filled == text else "accelerator.md is not what docs/accelerator.py makes")
    PAGE.write_text(filled, encoding="utf-8")
