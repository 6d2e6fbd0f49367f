"""Command lines made from each command's own options, with hostile values among sound ones."""

import argparse
from collections.abc import Iterator, Mapping
from importlib import import_module

from hypothesis import strategies as st

from qse_hw.rtl_gen.emit.unit import UNITS, WHOLE
from tests.fuzz.oracle import Case
from tests.fuzz.sound import files

NUMBERS = (
    "-1", "0", "2", "3", "7", "1000000000", "-9223372036854775809", "1" * 400, "1" * 5000, "1.5", "1_6", "\u0663",
    "0x10", " 4", "", "nan", "inf", "-inf", "1e308", "1e-320", "1e400", "-0.0", "x", "None",
)  # fmt: skip
WORDS = (
    "", " ", "x", "-", "--", "-x", "--help", "\0", "\n", "a\nb", "\u2028", "\ud800", "\U0001f4a5", "%s", "{}",
    "[red]x[/red]", "a" * 300, "a" * 5000, ",", ",,", "a,b", ":", "=", "*", "~", "$HOME", "None", "random:mamba-130m",
    "random:x",
)  # fmt: skip
PATHS = (
    "", ".", "/", "/dev/null", "/dev/null/x", "/proc/self/mem", "/proc/nowhere/x", "IN/", "IN/nowhere", "IN/x.npy",
    "IN/codes.npy", "IN/a.safetensors", "IN/c.json", "IN/f.json", "IN/q.json", "IN/text.txt", "IN/ck", "IN/bin",
    "IN/m2", "IN/ck/config.json", "OUT/x", "OUT/new/x.json", "OUT/x.safetensors", "a" * 300, "a\0b", "\ud800",
)  # fmt: skip
FORMATS = (
    "se8", "se8:L=12", "se8:L=99", "se8:L=", "se8:L=1,L=2", "se8:=", "se8:K=1", "int8", "int8:narrow_range=1",
    "int8-asym", "int8-asym:zero_point=300", "se8-silu", "se8-silu:K=40,zero_point=24,f=1,g=2", "se8-silu:f=99",
    "se8-silu:K=127,g=60", "se8-silu:f=1000000000", "se8-silu:g=-1000000000", "se9-paper", "se9-paper:x=1", "tuned",
    "tuned:segments=0", "tuned:segments=99", "tuned:bits=99", "tuned:sign=2", "tuned:headroom=1.25",
    "tuned:headroom=nan", "tuned:headroom=1e9", "IN/f.json", "IN/c.json",
    "nowhere.json", "fp8-e4m3", "quamba", "quamba:alpha=2", "lloyd-max", "SE8",
)  # fmt: skip

# By destination: values that are taken, which reach further than hostile ones; every option has to be here.
SOUND: dict[str, tuple[str, ...]] = {
    "unit": (*UNITS, *WHOLE),
    "units": UNITS,
    "on": ("ecp5", "ice40:up5k", "gowin", "cells", "x"),
    "netlist": ("ecp5", "cells", "x"),
    "liberty": ("IN/cells.lib", "IN/f.json", "IN/nowhere"),
    "energy": ("IN/a.safetensors", ""),
    "no_cache": (),
    "cache": ("OUT/cache",),
    "spec": ("IN/sweep.toml", "IN/f.json"),
    "scheduler": ("127.0.0.1:1", "x"),
    "format": FORMATS,
    "formats": (*FORMATS, "int8,se8", "se8,se8", "quamba,lloyd-max"),
    "baseline": ("none", *FORMATS),
    "reference": ("int8", "se8", "calibration"),
    "input": ("fp32", "bf16", "fp16", "s8", "s16e-8", "s32e64", "s33", "s1", "s16e-99", "S8"),
    "array": ("IN/x.npy", "IN/v.npy"),
    "codes": ("IN/codes.npy", "IN/x.npy"),
    "scale": ("0.02", "1", "runtime", "1e-30", "1e31", "0", "-1", "0x1p-3", "1/3"),
    "dtype": ("float8_e4m3fn", "float8_e5m2", "bfloat16", "int8"),
    "scales": ("IN/q.json", "OUT/q.json"),
    "headroom": ("1", "1.5", "0.9", "9", "nan", "x"),
    "scale_bits": ("16", "1", "20", "21"),
    "exponent": ("0", "3", "-64", "65"),
    "counter_width": ("0", "1", "32", "64", "65"),
    "arch": ("fused", "parallel"),
    "target": ("generic", "ecp5"),
    "pipeline": ("0", "3", "99"),
    "lanes": ("1", "3", "1025"),
    "layer": ("0", "1", "9"),
    "inputs": ("16", "6", "65537"),
    "outputs": ("8", "3", "65537"),
    "rows": ("1", "4"),
    "latency": ("1", "40", "0"),
    "columns": ("1", "4"),
    "address_bits": ("32", "40", "65"),
    "burst_beats": ("1", "16", "12", "256"),
    "bursts": ("2", "4", "1"),
    "scan_lanes": ("1", "4", "3"),
    "norm_lanes": ("1", "4", "3"),
    "hadamard_lanes": ("1", "4", "3"),
    "size": ("8", "12", "96", "7"),
    "width": ("8", "1", "33"),
    "channels": ("12", "3", "65537"),
    "taps": ("2", "4", "5"),
    "layers": ("1", "3", "0"),
    "states": ("16", "3", "257"),
    "sequences": ("1", "3", "257"),
    "x_bits": ("13", "17"),
    "d_bits": ("32", "36"),
    "a_bits": ("18", "1"),
    "state_bits": ("16", "24", "8"),
    "decay_shift": ("0", "5", "16"),
    "sizes": ("8", "8,30", "0", "7,"),
    "tag_bits": ("4", "17"),
    "eps": ("1", "8053", "0"),
    "transpose": (),
    "backlog": (),
    "function": ("softplus", "exp2", "tanh"),
    "error": ("2^-8", "1/64", "2^-40", "0"),
    "low": ("0", "-2", "1/16"),
    "high": ("0", "4"),
    "degree": ("1", "2", "3"),
    "borders": ("auto", "free", "power-of-two", "equal"),
    "segments": ("8", "0", "4096"),
    "direct": (),
    "multiplier": ("dsp", "gates", "logic"),
    "calibration": ("IN/c.json", "IN/i.json"),
    "activations": ("IN/a.safetensors",),
    "held_out": ("IN/a.safetensors", "IN/b.safetensors", "IN/c.json"),
    "evaluation": ("IN/c.json", "IN/i.json"),
    "model": ("IN/ck", "IN/m2", "IN/bin", "mamba-130m", "mamba2-130m", "random:mamba-130m"),
    "text": ("IN/text.txt",),
    "calibration_text": ("IN/f.json",),
    "tokens": ("16", "1", "512"),
    "calibration_tokens": ("512",),
    "mode": ("free", "runtime", "shared"),
    "objective": ("x", "output", "loss", "model"),
    "alpha": ("0.9995", "1", "1e-9"),
    "recipe": ("x-only", "quamba", "integer"),
    "local_bits": ("8", "16", "12"),
    "bits": ("6", "norm=9,gate=16", "16", "norm=16", "h=8", "norm", ""),
    "rounding": ("nearest", "stochastic", "up"),
    "weights": ("row", "tensor", "column"),
    "residual_fraction": ("10", "0", "22", "23"),
    "rounded_model": ("OUT/rounded", "IN/ck", "IN/text.txt"),
    "without": ("rotate_residual", "rotate_y", "x", ""),
    "x_proj_input": ("code", "int8"),
    "state": ("fp32", "fp16", "int8", "s16", "s24", "se8"),
    "tasks": ("",),
    "task_path": ("IN/",),
    "limit": ("1",),
    "clock": ("200", "0.001", "1e308"),
    "bus_bits": ("64", "128", "1", "0"),
    "prompt": ("512", "1", "The ", ""),
    "simulator": ("verilator", "icarus"),
    "wave": ("OUT/w.vcd", "OUT/w.fst"),
    "whole_model": ("mamba-130m", "mamba2-130m"),
    "parts": ("generate", "quantize,cycle", "tensors", "baselines,parts", "", "1", "4"),
    "device": ("cpu", "cuda"),
    "shapes": ("130m:1", "9b", ""),
    "verilog": ("IN/unit", "IN/ck", "IN/nowhere"),
    "freq": ("400",),
    "seeds": ("3", "1"),
    "all": (),
    "all_patterns": (),
    "random": ("1000",),
    "quick": (),
    "faults": (),
    "property": ("latency", "function"),
    "jobs": ("1",),
    "level": ("word", "gate"),
    "name": ("enc", "enc_3"),
    "mutants": ("5", "0"),
    "seed": ("1",),
    "timeout": ("60",),
    "keep": ("OUT/kept",),
    "json": ("OUT/j.json",),
    "markdown": ("OUT/m.md",),
    "png": ("OUT/p.png",),
    "output": ("OUT/o", "OUT/o.npy", "OUT/new/o"),
    "directory": ("OUT/o", "OUT/new/o"),
}
# never a path that could be written to outside the folder
OUTPUTS = ("json", "markdown", "png", "output", "directory", "wave", "keep", "cache")
# Loading the harness takes long, and its tasks' files hold code by design; compiling an accelerator takes minutes.
LEFT_OUT = ("tasks", "task_path", "rtl", "help")


def parser(command: str) -> argparse.ArgumentParser:
    """The command's own."""
    made = argparse.ArgumentParser(command)
    import_module(f"qse_hw.cli.{command}").add_arguments(made)
    return made


def actions(made: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Options and positional arguments, those of subcommands included."""
    for action in made._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for one in dict.values(action.choices):
                yield from actions(one)


@st.composite
def _value(draw: st.DrawFn, destination: str) -> str:
    kind = draw(st.integers(0, 9))
    if kind < 6 and SOUND.get(destination):
        return draw(st.sampled_from(SOUND[destination]))
    if destination in OUTPUTS:
        return draw(
            st.sampled_from([path for path in PATHS if not path.startswith("IN/") and path != "/proc/self/mem"])
        )
    return draw(st.one_of(st.sampled_from((NUMBERS, WORDS, PATHS)[kind % 3]), st.text(max_size=6)))


@st.composite
def _words(draw: st.DrawFn, made: argparse.ArgumentParser) -> list[str]:
    words: list[str] = []
    for action in made._actions:
        if action.dest in LEFT_OUT:
            continue
        chosen = draw(st.integers(0, 9))
        if isinstance(action, argparse._SubParsersAction):
            unit = draw(st.sampled_from(SOUND["unit"])) if chosen < 9 else draw(st.sampled_from(WORDS))
            words.append(unit)
            one = dict.get(action.choices, unit)
            if one is not None:
                words += draw(_words(one))
        elif not action.option_strings:
            words += [draw(_value(action.dest))] if chosen < 9 else []
        elif chosen < (9 if action.required else 3):
            option = draw(st.sampled_from(action.option_strings))
            if action.nargs == 0:
                words.append(option)
            elif draw(st.booleans()):
                words += [option, draw(_value(action.dest))]
            elif option.startswith("--"):
                words.append(f"{option}={draw(_value(action.dest))}")
            else:
                words.append(f"{option}{draw(_value(action.dest))}")
    return words


@st.composite
def command_lines(draw: st.DrawFn, parsers: Mapping[str, argparse.ArgumentParser]) -> Case:
    """A command with some of its options, in order or not, and now and then something else.

    ``parsers``, by command, are made before cases are drawn: what they import draws random numbers, which Hypothesis
    does not allow a strategy.
    """
    command = draw(st.sampled_from(list(parsers)))
    words = draw(_words(parsers[command]))
    extra = draw(st.integers(0, 19))
    if extra == 0:
        words = draw(st.permutations(words))
    elif extra == 1:
        words = [*words, draw(st.sampled_from(WORDS))]
    elif extra == 2:
        command = draw(st.sampled_from(WORDS))
    needed = {
        path: content
        for path, content in files().items()
        if path.startswith("ck/") or any(f"IN/{path.partition('/')[0]}" in word for word in words)
    }
    return Case(argv=(command, *words), files=needed)
