#!/bin/sh
# Yosys 0.70: "abc -liberty" keeps what ABC made of a Liberty file in $TMPDIR/yosys-liberty-scl-cache-UID, under a hash of
# the file's path, and takes it again unless the file's date is newer. Another library at the same path with an old date
# (cp -p, tar, rsync, a package, a checkout with restored dates) is not read: the netlist has cells that it does not have.
# Remedy: a TMPDIR of its own for every run. Exits 1 if this is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pyosys==0.70
export TMPDIR="$folder"

table='(t) { values ("0.1, 0.2", "0.2, 0.3"); }'
gate() { # name, function, area
    printf 'cell (%s) { area : %s; pin (A) { direction : input; capacitance : 0.001; }\n' "$1" "$3"
    [ "$1" = INV ] || [ "$1" = BUF ] || printf 'pin (B) { direction : input; capacitance : 0.001; }\n'
    printf 'pin (Y) { direction : output; function : "%s";\n' "$2"
    for pin in A B; do
        case "$2" in *$pin*)
            printf 'timing () { related_pin : "%s"; cell_rise %s cell_fall %s rise_transition %s fall_transition %s }\n' \
                "$pin" "$table" "$table" "$table" "$table" ;;
        esac
    done
    printf '} }\n'
}
library() { # with XOR2 or without
    printf 'library (x) { delay_model : table_lookup; time_unit : "1ns"; capacitive_load_unit (1, pf);\n'
    printf 'lu_table_template (t) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;\n'
    printf 'index_1 ("0.01, 0.1"); index_2 ("0.001, 0.01"); }\n'
    gate INV '!A' 1; gate BUF 'A' 1; gate NAND2 '!(A B)' 2; gate NOR2 '!(A+B)' 2
    [ "$1" = without ] || gate XOR2 'A^B' 2
    printf '}\n'
}
echo 'module t(input a, b, output y); assign y = a ^ b; endmodule' > t.v
echo 'read_verilog t.v; synth -top t; abc -liberty cells.lib; stat' > t.ys
run() {
    library "$1" > cells.lib
    touch -d 2001-09-09 cells.lib
    venv/bin/python -c "from pyosys import libyosys as ys; ys.run_pass('script t.ys', ys.Design())" > log 2>&1
    grep -q 'ABC RESULTS: *XOR2 cells' log && echo "library $1 XOR2: mapped to XOR2" || echo "library $1 XOR2: not"
}
venv/bin/python -c "import importlib.metadata as m; print('pyosys', m.version('pyosys'))"
first=$(run with); second=$(run without)
echo "$first"; echo "$second"
rm -r "$TMPDIR"/yosys-liberty-scl-cache*
third=$(run without)
echo "and after the cache was removed: $third"
[ "$first" = "library with XOR2: mapped to XOR2" ]
[ "$second" = "library without XOR2: mapped to XOR2" ]
[ "$third" = "library without XOR2: not" ]
