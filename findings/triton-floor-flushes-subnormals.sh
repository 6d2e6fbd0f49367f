#!/bin/sh
# triton 3.9.0: tl.floor and tl.ceil of float32 compile for NVIDIA GPUs to cvt.rmi.ftz and cvt.rpi.ftz, which take a
# subnormal input for 0. So the floor of -1e-40 is -0, not -1, and the ceiling of 1e-40 is 0, not 1: each is wrong by 1.
# Arithmetic in the same kernel (mul.f32) keeps subnormal numbers. The documentation says only "element-wise floor"; a
# good engineer expects floor(x) <= x. No GPU is needed to see the instructions. Remedy: compare afterwards, as in
# t = tl.floor(x); t = tl.where(t > x, t - 1, t).
#
# Seen:
#   floor: cvt.rmi.ftz.f32.f32
#   ceil: cvt.rpi.ftz.f32.f32
#   scaled: mul.f32
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet triton==3.9.0
export TRITON_CACHE_DIR="$folder/cache" TRITON_DEFAULT_FP_FUSION=1
cat > "$folder/compile.py" <<'END'
import re

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def floor(x, y):
    tl.store(y, tl.floor(tl.load(x)))


@triton.jit
def ceil(x, y):
    tl.store(y, tl.ceil(tl.load(x)))


@triton.jit
def scaled(x, y):
    tl.store(y, tl.load(x) * 1.5)


print(f"triton {triton.__version__}")
for kernel in (floor, ceil, scaled):
    source = ASTSource(kernel, {"x": "*fp32", "y": "*fp32"})
    ptx = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
    instructions = re.findall(r"^\s*((?:cvt|mul)\S*f32\S*)", ptx, re.MULTILINE)
    print(f"{kernel.__name__}: {' '.join(instructions)}")
END
"$folder/venv/bin/python" "$folder/compile.py" > "$folder/seen"
cat "$folder/seen"
printf '%s\n' 'triton 3.9.0' 'floor: cvt.rmi.ftz.f32.f32' 'ceil: cvt.rpi.ftz.f32.f32' 'scaled: mul.f32' > "$folder/expected"
if cmp -s "$folder/seen" "$folder/expected"; then
    echo "still so: tl.floor and tl.ceil flush subnormal numbers"
else
    echo "changed: see above"
    exit 1
fi
