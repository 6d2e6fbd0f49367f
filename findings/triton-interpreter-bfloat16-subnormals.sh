#!/bin/sh
# triton 3.9.0, numpy 2.4.6: with TRITON_INTERPRET=1 the conversion of bfloat16 to float32 changes subnormal numbers.
# Every bfloat16 is a float32, so that the conversion is exact; compiled kernels shift the bits, and the interpreter is
# right for normal numbers. Of subnormal ones it makes 0 or other subnormal numbers, some smaller and some larger.
# Triton's guide to debugging says that the interpreter has no operations on bfloat16, and to convert to float32 first:
# so this conversion is what it recommends. A good engineer expects an exact result. Remedy: shift the bits as integers.
#
# Seen:
#   0001: 0.0, not 9.183549615799121e-41
#   002c: 4.408103815583578e-39, not 4.040761830951613e-39
#   0057: 4.224432823267596e-39, not 7.989688165745235e-39
#   0082: 1.1938614500538858e-38, right
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 triton==3.9.0
cat > "$folder/convert.py" <<'END'
import numpy as np
import triton
import triton.language as tl

seen = []


@triton.jit
def convert():
    patterns = (tl.arange(0, 4) * 43 + 1).to(tl.uint16)
    values = patterns.to(tl.bfloat16, bitcast=True).to(tl.float32)
    seen.append((patterns.handle.data, values.handle.data))  # the interpreter runs this as Python


convert[(1,)]()
print(f"triton {triton.__version__}, numpy {np.__version__}")
for pattern, value in zip(*seen[0], strict=True):
    exact = float(np.uint32(int(pattern) << 16).view(np.float32))
    print(f"{pattern:04x}: {float(value)!r}, {'right' if float(value) == exact else f'not {exact!r}'}")
END
TRITON_INTERPRET=1 "$folder/venv/bin/python" "$folder/convert.py" > "$folder/seen"
cat "$folder/seen"
cat > "$folder/expected" <<'END'
triton 3.9.0, numpy 2.4.6
0001: 0.0, not 9.183549615799121e-41
002c: 4.408103815583578e-39, not 4.040761830951613e-39
0057: 4.224432823267596e-39, not 7.989688165745235e-39
0082: 1.1938614500538858e-38, right
END
if cmp -s "$folder/seen" "$folder/expected"; then
    echo "still so: the interpreter changes subnormal bfloat16 numbers"
else
    echo "changed: see above"
    exit 1
fi
