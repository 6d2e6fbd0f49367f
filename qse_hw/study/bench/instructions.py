"""Instructions per value on a GPU: Triton's kernels, compiled for it (which needs no GPU) and disassembled."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.quantize.triton.elementwise import dequantize_kernel, fake_quantize_kernel, quantize_kernel
from qse_hw.golden.quantize.triton.layout import decoding, encoding
from qse_hw.golden.quantize.triton.products import gemm_kernel, gemv_kernel

FORMATS = ("int8", "se8", "se8-silu")
INPUTS = ("bf16", "fp32")
BLOCK, THREADS = 4096, 256  # as qse_hw.golden.quantize.triton launches them

_POINTERS = {"codes_ptr": "*i8", "counts_ptr": "*i64", "weight_ptr": "*i8", "sums_ptr": "*i32", "values_ptr": "*bf16"}
_NUMBERS = {"factor": "i64", "M": "i32", "reciprocal": "i64", "power": "i64"}
_INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P[0-9T]+ )?([A-Z][A-Z0-9_.]+)", re.M)


def compiled(capability: int) -> dict[str, Any]:
    """Every kernel as Triton compiled it for compute capability 80, 90, ...; not under its interpreter."""
    kernels = {}
    for name in FORMATS:
        format = load_format(name)
        codes = {"E": encoding(format), "BLOCK": BLOCK}
        values = {"D": decoding(format), "BLOCK": BLOCK}
        for x in INPUTS:
            product = codes | {"WIDE": False, "PRODUCT_EXACT": x == "bf16"}
            kernels[f"quantize {name} {x}"] = _compiled(quantize_kernel, capability, x, product | {"COUNT": False}, 8)
            kernels[f"quantize and count {name} {x}"] = _compiled(
                quantize_kernel, capability, x, product | {"COUNT": True}, 8
            )
            kernels[f"fake quantize {name} {x}"] = _compiled(
                fake_quantize_kernel, capability, x, product | values | {"KEEP_NAN": True}, 8
            )
        kernels[f"dequantize {name} bf16"] = _compiled(dequantize_kernel, capability, "", values, 8)
        few = {"D": decoding(format), "BLOCK_OUT": 8, "BLOCK_IN": 512}
        kernels[f"gemv {name}"] = _compiled(gemv_kernel, capability, "", few, 4)
        many = {"D": decoding(format), "BLOCK_ROWS": 64, "BLOCK_OUT": 64, "BLOCK_IN": 64}
        kernels[f"gemm {name}"] = _compiled(gemm_kernel, capability, "", many, 4)
    return kernels


def per_value(capability: int) -> dict[str, float]:
    """Instructions per value of the kernels that go over values once, all that a thread does included."""
    return {
        name: len(instructions(kernel)) * THREADS / BLOCK
        for name, kernel in compiled(capability).items()
        if not name.startswith("gem")
    }


def instructions(kernel: Any) -> list[str]:
    """The machine instructions of a compiled kernel without loops, by name."""
    import triton

    with tempfile.TemporaryDirectory(prefix="qse-sass-") as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(kernel.asm["cubin"])
        tool = triton.knobs.nvidia.nvdisasm.path
        done = subprocess.run([tool, str(file)], capture_output=True, text=True, check=True)
    names = _INSTRUCTION.findall(done.stdout)
    while names and names[-1] in ("NOP", "BRA"):  # padding
        names.pop()
    return names


def _compiled(kernel: Any, capability: int, x: str, constants: dict[str, Any], warps: int) -> Any:
    """A kernel for an x of that type, and sizes that are multiples of 16."""
    from triton import compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature, divisible = {}, {}
    for place, name in enumerate(kernel.arg_names):
        known = {"x_ptr": f"*{x}"} | _POINTERS | _NUMBERS
        signature[name] = "constexpr" if name in constants else known.get(name, "i32")
        if name.endswith("_ptr") or name in ("n", "inputs", "outputs"):
            divisible[place,] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, divisible)
    options = {"num_warps": warps, "enable_fp_fusion": False}
    return compile(source, target=GPUTarget("cuda", capability, 32), options=options)
