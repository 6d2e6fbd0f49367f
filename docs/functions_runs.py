"""The measurements of docs/functions.md: python docs/functions_runs.py [--seeds N] [NAME ...], all if none is named.

Each makes docs/results/functions-NAME.json: units and what they are compared with, built by the same flow in one run,
each placed with the seeds 1 to N (default: 3).
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.accuracy import accuracy
from qse_hw.golden.io.environment import environment
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.synth.cache import Cache, default_folder
from qse_hw.synth.flow import Point, check_tools, measure
from qse_hw.synth.function_table import TableConfig
from qse_hw.synth.targets import targets

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
SCHEMA = "qse-hw/functions/1"
FIRST = ("ecp5", "cells")
MORE = ("ice40:hx8k", "ice40:up5k", "gowin")
MULTIPLIERS = {"dsp": ("ecp5", "ice40:up5k", "gowin"), "logic": ("ice40:hx8k",), "gates": ("cells",)}
"""Of what the targets' multipliers are made."""
SEEDS = 3
JOBS = 1  # tools at a time
DOMAIN: dict[str, dict[str, Fraction]] = {
    "softplus": {}, "silu": {}, "exp2": {"high": Fraction(0)}, "rsqrt": {"low": Fraction(1, 16)},
}  # fmt: skip
INTEGER_BITS = {"softplus": 5, "silu": 5, "exp2": 2, "rsqrt": 4}  # of the output, sign included
INPUT = "s16e-11"


def unit(function: str, bits: int, **others: Any) -> FunctionConfig:
    """Within ``2**-bits``, with an output of half that step."""
    return FunctionConfig(
        function=function, input=input_type(INPUT), output=output(function, bits), error=Fraction(1, 1 << bits),
        **DOMAIN[function], **others,
    )  # fmt: skip


def output(function: str, bits: int) -> Any:
    """The type of the outputs."""
    return input_type(f"s{INTEGER_BITS[function] + bits + 1}e-{bits + 1}")


def table(function: str, bits: int, *, entries: int | None = None) -> TableConfig:
    """The smallest table within ``2**-bits``, at most that of all inputs; or one of so many entries over [-8, 8)."""
    types = {"function": function, "input": input_type(INPUT), "output": output(function, bits)}
    if entries is not None:
        return TableConfig(**types, low=-8 << 11, high=8 << 11, address_bits=entries.bit_length() - 1)
    for address_bits in range(6, 17):
        made = TableConfig(**types, low=-1 << 15, high=1 << 15, address_bits=address_bits)
        if made.error <= 2.0**-bits:
            break
    return made


def beside(function: str, bits: int, degrees: tuple[int, ...] = (1,), **others: Any) -> Iterator[FunctionConfig]:
    """A unit and those with equal segments, as it is and without symmetry and range reduction.

    Those of more than 1,024 segments are left out: there is no such unit.
    """
    for degree in degrees:
        yield unit(function, bits, degree=degree, **others)
        for direct in (False, True):
            try:
                yield unit(function, bits, degree=degree, borders="equal", direct=direct, **others)
            except InputError as error:
                print(f"{function}, 2^-{bits}: {error}", flush=True)


Pairs = list[tuple[UnitConfig, tuple[str, ...]]]


def compared(function: str, bits: int, on: tuple[str, ...]) -> Pairs:
    """A unit and what it is compared with, each with the multiplier that suits the target."""
    pairs: Pairs = []
    for multiplier, wanted in MULTIPLIERS.items():
        those = tuple(name for name in on if name in wanted)
        if those:
            pairs += [(one, those) for one in beside(function, bits, multiplier=multiplier)]
    # all 65,536 inputs, which the smallest table has for smaller errors and for rsqrt, are too many for the tools
    if bits == 8 and (smallest := table(function, bits)).address_bits < 16:
        pairs.append((smallest, on))
    return [*pairs, (table(function, bits, entries=1024), on)]


RUNS: dict[str, Callable[[], Pairs]] = {
    f"{name}-{bits}{part}": lambda name=name, bits=bits, on=on: compared(name, bits, on)  # type: ignore[misc]
    for part, on in (("", FIRST), ("-more", MORE)) for bits in (12, 8, 16) for name in DOMAIN
}  # fmt: skip
RUNS |= {
    "dsp": lambda: [(one, ("ecp5",)) for name in DOMAIN for one in beside(name, 12, target="ecp5")],
    "degree-2": lambda: [(one, ("ecp5",)) for one in beside("softplus", 16, (2,))],
}
"""Units and targets of each run, the most wanted first."""


def main(names: list[str], seeds: int) -> None:
    """Measure what is named."""
    for name in names or RUNS:
        print(name, flush=True)
        pairs = RUNS[name]()
        began = time.monotonic()
        emitted = {config: emit(config) for config, _ in pairs}
        made = {on: targets([on])[0] for _, ons in pairs for on in ons}
        points = [Point(emitted[config], made[on]) for config, ons in pairs for on in ons]
        measured = measure(points, seeds=seeds, cache=Cache(default_folder()), jobs=JOBS)
        document = {
            "schema": SCHEMA,
            "command": f"python docs/functions_runs.py {'' if seeds == SEEDS else f'--seeds {seeds} '}{name}",
            "seeds": list(range(1, seeds + 1)),
            "seconds": round(time.monotonic() - began, 1),
            **environment(),
            "tools": check_tools(list(made.values())),
            "results": [result(one) for one in measured],
        }
        path = RESULTS / f"functions-{name}.json"
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(path, flush=True)


def result(one: Any) -> dict[str, Any]:
    """A unit on a target; ``seeds``: how many placements ``fmax`` is the median of, 1 where nothing is placed."""
    config, area = one.unit.config, one.area
    row: dict[str, Any] = {"label": config.label, "target": one.target, "parameters": config.parameters()}
    if isinstance(config, FunctionConfig):
        row["segments"] = config.arithmetic.polynomial.segments
        row["error"] = float(accuracy(config.arithmetic).error) * 2.0**config.output.exponent
    else:
        row["error"] = config.error
    row["latency"] = one.unit.latency
    row["seeds"] = len(one.timing)
    row["area"] = {name: getattr(area, name) for name in ("comb", "ff", "dsp", "bram", "nand2")}
    row["fmax"] = one.median
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The measurements of docs/functions.md.")
    parser.add_argument("names", nargs="*", choices=[*RUNS, []], metavar="NAME", help=", ".join(RUNS))
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="placements of each point (default: 3)")
    options = parser.parse_args()
    main(options.names, options.seeds)
