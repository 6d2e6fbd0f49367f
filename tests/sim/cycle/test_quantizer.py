"""The model of the quantizer with buses, cycle by cycle: against the emitted Verilog."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.bus.axi_stream import bytes_of
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.sim.cycle.quantizer import QuantizerModel
from qse_hw.sim.cycle.stimulus import full_speed, random_stalls
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen import formats
from tests.simulators import icarus

STREAMS = {"i": "s_axis", "o": "m_axis"}


def config(name="se8", input_name="bf16", step=0.0176, **others):
    return QuantizerConfig(
        format=formats.make(name), input=input_type(input_name), scale=Scale.from_step(step), **others
    )


def stimuli(unit, rng, seed=31):
    """Values around every decision, some not kept or kept in part, packets of any length."""
    print(f"seed of the stalls: {seed}")
    x = formats.patterns(unit.format, unit.input, unit.scale, rng, 150)
    beats, size = len(x) // unit.lanes, bytes_of(unit.input.width)
    data = pack(x[: beats * unit.lanes].reshape(beats, -1), 8 * size)
    keep = np.where(rng.random((beats, 1)) < 0.5, 1, rng.integers(0, 2, (beats, size * unit.lanes)))
    top = np.packbits(np.hstack([keep, rng.integers(0, 2, (beats, 1))]), axis=1, bitorder="little")
    packed = np.hstack([data, top])
    return [full_speed(packed, cycles=beats + 20), random_stalls(packed, cycles=3 * beats, seed=seed)]


def renamed(unit):
    """The unit with its streams called i and o, payloads in one piece: what the recorder drives."""
    widths = {port["name"]: port["width"] for port in unit.ports}
    ports, declarations, pins = [], [], [".clk(clk)", ".rst(rst)"]
    for port in unit.ports:
        stream = next((short for short, name in STREAMS.items() if port["name"].startswith(name)), None)
        name = port["name"]
        if stream is not None:
            part = name.partition("_t")[2]
            if part in ("data", "keep", "last"):
                data, keep = (widths[f"{STREAMS[stream]}_t{what}"] for what in ("data", "keep"))
                low = {"data": 0, "keep": data, "last": data + keep}[part]
                pins.append(f".{name}({stream}__payload[{low + port['width'] - 1}:{low}])")
                if part != "last":
                    continue
                port = port | {"width": data + keep + 1}
                name = f"{stream}__payload"
            else:
                name = f"{stream}__{part}"
                pins.append(f".{port['name']}({name})")
        elif name not in ("clk", "rst"):
            pins.append(f".{name}({name})")
        ports.append(port | {"name": name})
        declarations.append(f"  {port['direction']} [{port['width'] - 1}:0] {name}")
    body = f"  {unit.config.top} unit ({', '.join(pins)});\n"
    text = "module shim (\n" + ",\n".join(declarations) + f"\n);\n{body}endmodule\n"
    return replace(unit, config=SimpleNamespace(top="shim"), text=unit.text + text, ports=tuple(ports))


def as_recorded(trace, unit):
    """The model's trace under the recorder's names."""
    recorded = dict(trace)
    widths = {port["name"]: port["width"] for port in unit.ports}
    for short, name in STREAMS.items():
        parts = []
        for part in ("data", "keep", "last"):
            values, width = recorded.pop(f"{name}_t{part}"), widths[f"{name}_t{part}"]
            if values.ndim == 1:
                values = values.astype("<u8").view(np.uint8).reshape(-1, 8)
            parts.append(np.unpackbits(values, axis=1, count=width, bitorder="little"))
        recorded[f"{short}__payload"] = np.packbits(np.hstack(parts), axis=1, bitorder="little")
        for part in ("valid", "ready"):
            recorded[f"{short}__{part}"] = recorded.pop(f"{name}_t{part}")
    return recorded


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize(
    "unit",
    [
        config("se8", "bf16", lanes=3),
        pytest.param(config("se8-silu", "s12", 9.3, lanes=1), marks=pytest.mark.full),
        pytest.param(config("se8", "fp32", lanes=4, target="ecp5"), marks=pytest.mark.full),
    ],
    ids=lambda unit: unit.label,
)
def test_equals_the_verilog(rng, tmp_path, unit, simulator):
    given, emitted = stimuli(unit, rng), emit(unit)
    recorded = record_all(renamed(emitted), given, folder=tmp_path, simulator=simulator)
    traces = [QuantizerModel(unit).run(stimulus) for stimulus in given]
    for model, trace in zip(traces, recorded, strict=True):
        assert set(model) == {port["name"] for port in emitted.ports} - {"clk", "rst"}
        assert first_difference(as_recorded(model, emitted), trace) == ""
    stalled = traces[1]
    assert (stalled["s_axis_tvalid"] & ~stalled["s_axis_tready"]).any()
    assert (stalled["m_axis_tvalid"] & ~stalled["m_axis_tready"]).any()
    wrong = dict(recorded[1]) | {"o__valid": ~recorded[1]["o__valid"]}
    assert re.match(r"cycle \d+: o__valid", first_difference(as_recorded(stalled, emitted), wrong))


def test_full_speed(rng):
    """One beat per cycle, after the component's latency."""
    model = QuantizerModel(config())
    stimulus = stimuli(config(), rng)[0]
    left = np.flatnonzero(model.run(stimulus)["m_axis_tvalid"])
    assert left.tolist() == list(range(model.latency, model.latency + len(stimulus.beats)))


def test_only_while_the_bus_is_idle():
    stimulus = full_speed(np.zeros((1, 3), np.uint8), cycles=9, ports={"s_axi_bready": np.ones(9)})
    with pytest.raises(InputError, match=r"^Stimulus ports must be none, the bus being idle, not s_axi_bready$"):
        QuantizerModel(config()).run(stimulus)
