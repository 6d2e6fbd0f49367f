"""Compiles every kernel for a GPU that need not be there, and prints facts about them, as JSON; not interpreted."""

import json
import re
import sys

from qse_hw.study.bench.instructions import compiled, instructions


def facts(kernel):
    ptx = kernel.asm["ptx"]
    return {
        "instructions": len(instructions(kernel)),
        "wide_loads": len(re.findall(r"ld\.global\S*\.v4\.b32", ptx)),
        "wide_stores": len(re.findall(r"st\.global\S*\.v4\.b32", ptx)),
        "float64": len(re.findall(r"(mul|fma|add)\S*\.f64", ptx)),
        "matrix": len(re.findall(r"mma\S*\.s32\.s8\.s8", ptx)),
        "spilled": ".local" in ptx,
        "flushing": sorted(set(re.findall(r"\S+\.ftz\S*", ptx))),
    }


if __name__ == "__main__":
    print(json.dumps({name: facts(kernel) for name, kernel in compiled(int(sys.argv[1])).items()}))
