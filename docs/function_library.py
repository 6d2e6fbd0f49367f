"""Designs the function units of golden/assets/function-units.json: python docs/function_library.py.

They are those of the finest types (qse_hw.golden.models.integer.functions), which most models have; any other is
designed when a model asks for it.
"""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.design import design
from qse_hw.golden.functions.library import FILE, key, to_json
from qse_hw.golden.functions.root import ARGUMENT, ERROR, MANTISSA
from qse_hw.golden.io.files import replacing
from qse_hw.golden.models.integer.functions import BITS, ERRORS, FINEST

ROOT = Path(__file__).parents[1]
UNITS: list[dict[str, Any]] = [
    {"function": "exp2", "input": "s22e-16", "output": "s17e-15", "error": Fraction(1, 1 << 15), "high": Fraction(0)},
    {"function": "rsqrt", "input": ARGUMENT.name, "output": MANTISSA.name, "error": ERROR, "low": Fraction(1)},
    *(
        {"function": function, "input": f"s{BITS}e{FINEST[entering]}", "output": f"s18e{FINEST[leaving]}",
         "error": ERRORS[function]}
        for function, entering, leaving in (("silu", "gate", "silu_gate"), ("softplus", "dt_sum", "delta"))
    ),
]  # fmt: skip


def designed(arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The key and the JSON of a unit."""
    arguments = arguments | {name: input_type(arguments[name]) for name in ("input", "output")}
    return key(**{"low": None, "high": None} | arguments), to_json(design(**arguments))


def main() -> None:
    """Design all; write the file, a line for each unit."""
    lines = [f"{json.dumps(name)}: {json.dumps(unit)}" for name, unit in map(designed, UNITS)]
    with replacing(ROOT / "golden" / FILE) as path:
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
