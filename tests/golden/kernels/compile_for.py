"""Compiles every kernel for a GPU that need not be there, without the interpreter, and prints what came out, as JSON."""

import json
import re
import sys

from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from golden.kernels.elementwise import dequantise_kernel, fake_quantise_kernel, quantise_kernel
from golden.kernels.layout import decoding, encoding
from golden.kernels.products import gemm_kernel, gemv_kernel
from golden.presets import load_format

POINTERS = {"codes_ptr": "*i8", "counts_ptr": "*i64", "weight_ptr": "*i8", "sums_ptr": "*i32", "values_ptr": "*bf16"}
FLOATS = {"factor": "i64", "M": "i32", "reciprocal": "i64", "power": "i64"}


def compiled(kernel, x, constants, warps):
    """PTX of a kernel whose x is of that type, and its sizes multiples of 16."""
    signature, divisible = {}, {}
    for place, name in enumerate(kernel.arg_names):
        known = {"x_ptr": f"*{x}"} | POINTERS | FLOATS
        signature[name] = "constexpr" if name in constants else known.get(name, "i32")
        if name.endswith("_ptr") or name in ("n", "inputs", "outputs"):
            divisible[place,] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, divisible)
    options = {"num_warps": warps, "enable_fp_fusion": False}
    binary = compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32), options=options)
    ptx = binary.asm["ptx"]
    return {
        "cubin": len(binary.asm["cubin"]),
        "wide_loads": len(re.findall(r"ld\.global\S*\.v4\.b32", ptx)),
        "wide_stores": len(re.findall(r"st\.global\S*\.v4\.b32", ptx)),
        "float64": len(re.findall(r"(mul|fma|add)\S*\.f64", ptx)),
        "matrix": len(re.findall(r"mma\S*\.s32\.s8\.s8", ptx)),
        "spilled": ".local" in ptx,
    }


def main():
    found = {}
    for name in ("int8", "se8", "se8-silu"):
        format = load_format(name)
        E, D = encoding(format), decoding(format)
        for x in ("bf16", "fp32"):
            product = {"WIDE": False, "PRODUCT_EXACT": x == "bf16", "E": E, "BLOCK": 4096}
            found[f"quantise {name} {x}"] = compiled(quantise_kernel, x, product | {"COUNT": False}, 8)
            found[f"count {name} {x}"] = compiled(quantise_kernel, x, product | {"COUNT": True}, 8)
            found[f"fake {name} {x}"] = compiled(fake_quantise_kernel, x, product | {"D": D}, 8)
        found[f"dequantise {name}"] = compiled(dequantise_kernel, "", {"D": D, "BLOCK": 4096}, 8)
        found[f"gemv {name}"] = compiled(gemv_kernel, "", {"D": D, "BLOCK_OUT": 8, "BLOCK_IN": 512}, 4)
        blocks = {"BLOCK_ROWS": 64, "BLOCK_OUT": 64, "BLOCK_IN": 64}
        found[f"gemm {name}"] = compiled(gemm_kernel, "", {"D": D} | blocks, 4)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
