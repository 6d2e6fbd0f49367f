#!/bin/sh
# numpy 2.4.6, ml_dtypes 0.6.0: an array of ml_dtypes.float8_e5m2 that np.save writes cannot be read again by np.load.
# Its header names the type '<f1', which NumPy does not know, with ml_dtypes imported or not. Other types of ml_dtypes
# (bfloat16, float8_e4m3fn, ...) are named '<V2' or '<V1': they are read, as void bytes that have lost their meaning.
# A good engineer expects that what np.save writes without a warning np.load reads, or that all these types fare alike.
#
# Seen:
#   bfloat16: descr '<V2', read as void16
#   float8_e4m3fn: descr '<V1', read as void8
#   float8_e5m2: descr '<f1', refused: descr is not a valid dtype descriptor: '<f1'
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 ml_dtypes==0.6.0
"$folder/venv/bin/python" - > "$folder/seen" <<'END'
import io
import re

import ml_dtypes
import numpy as np

print(f"numpy {np.__version__}, ml_dtypes {ml_dtypes.__version__}")
for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
    file = io.BytesIO()
    np.save(file, np.ones(3, getattr(ml_dtypes, name)))
    descr = re.search(rb"'descr': '([^']*)'", file.getvalue()).group(1).decode()
    file.seek(0)
    try:
        came = f"read as {np.load(file).dtype.name}"
    except ValueError as error:
        came = f"refused: {error}"
    print(f"{name}: descr '{descr}', {came}")
END
cat "$folder/seen"
cat > "$folder/expected" <<'END'
numpy 2.4.6, ml_dtypes 0.6.0
bfloat16: descr '<V2', read as void16
float8_e4m3fn: descr '<V1', read as void8
float8_e5m2: descr '<f1', refused: descr is not a valid dtype descriptor: '<f1'
END
if cmp -s "$folder/seen" "$folder/expected"; then
    echo "still so: float8_e5m2 cannot be read back from its own .npy file"
else
    echo "changed: see above"
    exit 1
fi
