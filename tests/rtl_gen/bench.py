"""Runs components in Amaranth's simulator, both streams in every cycle, and compares them with the golden model."""

import gc
import random
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Fragment, Module, UnusedElaboratable, Value
from amaranth.sim import Simulator

from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat

Pause = Callable[[], bool]


def never() -> bool:
    return False


def at_random(seed: int) -> Pause:
    """Pauses of random length, half of the time; the seed is shown if the test fails."""
    print(f"seed of the stalls: {seed}")
    draw, state = random.Random(seed), [False]

    def pause() -> bool:
        if draw.random() < 0.35:
            state[0] = not state[0]
        return state[0]

    return pause


@dataclass
class Run:
    """Payloads that left, the cycles in which beats were accepted and left, the flags one cycle after each left."""

    payloads: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    flags: list[dict[str, int]] = field(default_factory=list)


def status_ports(dut) -> list[str]:
    return [name for name in ("saturated", "nan", "saturation_count", "invalid") if hasattr(dut, name)]


def simulate(dut, process) -> None:
    """Run ``process(ctx, rst)``; ``rst`` is the reset of the design."""
    top = Module()
    top.domains.sync = domain = ClockDomain()
    top.submodules.dut = dut
    simulator = Simulator(top)
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        await process(ctx, domain.rst)

    simulator.add_testbench(testbench)
    simulator.run()


def stream(
    dut,
    beats: Sequence[int],
    *,
    ports: Sequence[dict[str, int]] = (),
    i_pause: Pause = never,
    o_pause: Pause = never,
    clear: bool = True,
) -> Run:
    """Send packed ``beats`` (with ``ports[n]`` set while beat n is offered) and collect what leaves.

    The rules are checked in every cycle: an offered beat stays, unchanged, until it is accepted. Whenever nothing is
    offered the inputs hold noise, which must not matter. With ``clear`` held, flags tell of the last beat alone.
    """
    run, noise = Run(), random.Random(1)
    i_payload, o_payload = Value.cast(dut.i.payload), Value.cast(dut.o.payload)
    status = status_ports(dut)
    limit = 200 + 40 * len(beats)

    async def process(ctx, rst):
        if hasattr(dut, "clear"):
            ctx.set(dut.clear, int(clear))
        offered, waiting = None, None
        sent = 0
        for cycle in range(limit):
            if offered is None:
                if sent < len(beats) and not i_pause():
                    offered = sent
                    sent += 1
                    ctx.set(i_payload, beats[offered])
                    values = ports[offered] if ports else {}
                else:
                    ctx.set(i_payload, noise.getrandbits(len(i_payload)))
                    values = {name: noise.getrandbits(len(getattr(dut, name))) for name in ports[0]} if ports else {}
                for name, value in values.items():
                    ctx.set(getattr(dut, name), value)
                ctx.set(dut.i.valid, int(offered is not None))
            ready = not o_pause()
            ctx.set(dut.o.ready, int(ready))
            if offered is not None and ctx.get(dut.i.ready):
                run.accepted.append(cycle)
                offered = None
            valid, payload = ctx.get(dut.o.valid), ctx.get(o_payload)
            if waiting is not None:
                assert (valid, payload) == (1, waiting), f"cycle {cycle}: a waiting beat left or changed"
            waiting = payload if valid and not ready else None
            await ctx.tick()
            if valid and ready:
                run.left.append(cycle)
                run.payloads.append(payload)
                run.flags.append({name: ctx.get(getattr(dut, name)) for name in status})
            elif cycle > 20 + max([0, *run.accepted[-1:], *run.left[-1:]]) and sent == len(beats) and offered is None:
                return  # nothing more came
        raise AssertionError(f"not done after {limit} cycles: {len(run.left)} of {len(beats)} beats left")

    simulate(dut, process)
    return run


def split(payload: int, width: int, lanes: int) -> list[int]:
    return [payload >> (width * lane) & ((1 << width) - 1) for lane in range(lanes)]


def join(values: Sequence[int], width: int) -> int:
    return sum((int(value) & ((1 << width) - 1)) << (width * lane) for lane, value in enumerate(values))


def into_beats(values: np.ndarray, lanes: int) -> list[list[int]]:
    """Lists of ``lanes`` values, the last one filled up with zeros."""
    values = [*map(int, values)]
    values += [0] * (-len(values) % lanes)
    return [values[begin : begin + lanes] for begin in range(0, len(values), lanes)]


def check_encoder(
    dut,
    beats: Sequence[Sequence[int]],
    scales: Sequence[Scale],
    format: SegmentedFormat,
    input: InputType,
    **pauses: Pause,
) -> Run:
    """Every output of an encoder for ``beats``, the n-th with ``scales[n]``, equals
    qse_hw.golden.formats.scalar.
    """
    runtime = dut.config.scale is None
    run = stream(
        dut,
        [join(beat, input.width) for beat in beats],
        ports=[{"scale_m": scale.M, "scale_k": scale.k} for scale in scales] if runtime else (),
        **pauses,
    )
    assert len(run.payloads) == len(beats)
    for number, (payload, flags, beat, scale) in enumerate(zip(run.payloads, run.flags, beats, scales, strict=True)):
        want = [scalar.quantize(bits, input, format, scale) for bits in beat]
        got = split(payload, format.bits, len(beat))
        assert got == [value.code for value in want], (
            f"beat {number}: {[hex(bits) for bits in beat]} at {scale}, {input.name}, {format}"
        )
        assert flags == {
            "saturated": any(value.saturated for value in want),
            "nan": any(value.nan for value in want),
            "saturation_count": sum(value.saturated for value in want),
        }, f"beat {number}: {[hex(bits) for bits in beat]} at {scale}, {input.name}, {format}"
    return run


def refused(error: type[Exception], text: str, make: Callable[[], object]) -> None:
    """``make()`` raises ``error`` with ``text``.

    Amaranth warns of components that are made and never used. One whose constructor refused was rightly not used, so
    it is collected here, where that one warning is expected. (A context manager could not: while it runs, the
    traceback and with it the component are still alive.)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        with pytest.raises(error, match=re.escape(text)):
            make()
        gc.collect()


def used(component):
    """``component``, elaborated, so that Amaranth does not warn that it is unused."""
    Fragment.get(component, None)
    return component
