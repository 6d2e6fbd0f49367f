"""Every cell counts once, for the submodule that its name tells, also what nextpnr added to a carry chain."""

from qse_hw.synth.parts import count_parts, path_of, within


def cell(kind, **nets):
    return {"type": kind, "connections": {pin: [net] for pin, net in nets.items()}}


CELLS = {
    "out_TRELLIS_FF_Q": cell("FF", Q=1),
    "engine.row0.total_LUT4_Z_3": cell("COMB", F=2),
    "engine.row0.multiplier1.dsp": cell("DSP", P=3),
    "engine.row1$12.total_CCU2C_S0$CCU2_COMB0": cell("COMB", FCI=10, FCO=11),
    "$nextpnr_CCU2C_1$CCU2_COMB1": cell("COMB", FCI=12, FCO="x", F=2),  # named by a chain of nameless ones
    "$nextpnr_CCU2C_1$CCU2_COMB0": cell("COMB", FCI=11, FCO=12),
    "$nextpnr_CCU2C_0$CCU2_COMB0": cell("COMB", A=2, FCO=10),
    "$PACKER_VCC": cell("COMB", F=4),
}


def test_paths():
    assert path_of("valid_LUT4_Z") == ""
    assert path_of("a.b$7.c$1.memory.0.1$DPRAM_COMB0") == "a.b.c"


def test_counted_once():
    parts = count_parts(CELLS)
    assert parts == {
        "": {"FF": 1, "COMB": 1},
        "engine.row0": {"COMB": 1},
        "engine.row0.multiplier1": {"DSP": 1},
        "engine.row1": {"COMB": 4},
    }
    assert sum(sum(counts.values()) for counts in parts.values()) == len(CELLS)


def test_levels():
    parts = count_parts(CELLS)
    assert within(parts, 1) == {"": {"FF": 1, "COMB": 1}, "engine": {"COMB": 5, "DSP": 1}}
    assert within(parts, 2)["engine.row0"] == {"COMB": 1, "DSP": 1}
