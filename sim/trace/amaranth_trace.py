"""Recording every port of a component in every cycle, in Amaranth's simulator."""

import random
from typing import Any

import numpy.typing as npt
from amaranth.hdl import Shape, Value
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace, as_port, masked


def simulate(component: Any, stimulus: Stimulus) -> Trace:
    """The component's trace under ``stimulus``, as :func:`qse_hw.sim.trace.trace.record` records it of the Verilog.

    The payload is random without valid, as its value must not matter then.
    """
    ports: dict[str, Value] = {}
    inputs: dict[str, list[int]] = {}
    streams = stimulus.offered
    driven = {"o__ready", *(f"{name}__{member}" for name in streams for member in ("payload", "valid"))}
    for path, member, value in component.signature.flatten(component):
        name = "__".join(map(str, path))
        ports[name] = Value.cast(value)
        if member.flow == In and name not in driven:
            inputs[name] = _integers(stimulus.port(name))
    inputs["o__ready"] = stimulus.accept.tolist()
    beats = {name: _integers(stream.beats) for name, stream in streams.items()}
    offers = {name: stream.offer.tolist() for name, stream in streams.items()}
    noise = random.Random(0)
    seen: dict[str, list[int]] = {name: [] for name in ports}

    async def testbench(ctx: Any) -> None:
        held, sent = dict.fromkeys(streams, False), dict.fromkeys(streams, 0)
        now: dict[str, int] = {}
        for cycle in range(stimulus.cycles):
            row = {name: values[cycle] for name, values in inputs.items()}
            for stream, waiting in beats.items():
                if not held[stream]:
                    number = sent[stream]
                    held[stream] = offers[stream][cycle] and number < len(waiting)
                    row[f"{stream}__valid"] = held[stream]
                    payload = f"{stream}__payload"
                    row[payload] = waiting[number] if held[stream] else noise.getrandbits(len(ports[payload]))
                    sent[stream] += held[stream]
            for name, value in row.items():
                if now.get(name) != value:
                    ctx.set(ports[name], value)
            now |= row
            for name, port in ports.items():
                seen[name].append(ctx.get(port))
            held = {stream: waits and not seen[f"{stream}__ready"][-1] for stream, waits in held.items()}
            await ctx.tick()

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    shapes = {name: Shape.cast(port.shape()) for name, port in ports.items()}
    return masked({
        name: as_port(name, shapes[name].width, shapes[name].signed, values) for name, values in seen.items()
    })


def _integers(values: npt.NDArray[Any]) -> list[int]:
    """(cycles,), or (cycles, bytes) little-endian, as Python integers."""
    if values.ndim == 1:
        return [int(value) for value in values.tolist()]
    return [int.from_bytes(row.tobytes(), "little") for row in values]
