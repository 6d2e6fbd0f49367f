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
    for path, member, value in component.signature.flatten(component):
        name = "__".join(map(str, path))
        ports[name] = Value.cast(value)
        if member.flow == In and name not in ("i__payload", "i__valid", "o__ready"):
            inputs[name] = _integers(stimulus.port(name))
    inputs["o__ready"] = stimulus.accept.tolist()
    beats = _integers(stimulus.beats)
    bits, noise = len(ports["i__payload"]), random.Random(0)
    seen: dict[str, list[int]] = {name: [] for name in ports}

    async def testbench(ctx: Any) -> None:
        held, sent = False, 0
        now: dict[str, int] = {}
        for cycle, offer in enumerate(stimulus.offer.tolist()):
            row = {name: values[cycle] for name, values in inputs.items()}
            if not held:
                held = offer and sent < len(beats)
                row["i__valid"] = held
                row["i__payload"] = beats[sent] if held else noise.getrandbits(bits)
                sent += held
            for name, value in row.items():
                if now.get(name) != value:
                    ctx.set(ports[name], value)
            now |= row
            for name, port in ports.items():
                seen[name].append(ctx.get(port))
            held = held and not seen["i__ready"][-1]
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
