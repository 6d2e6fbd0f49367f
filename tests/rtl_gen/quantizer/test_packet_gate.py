"""The packet gate against a model, under random packets, commands and resets."""

import random

import pytest

from qse_hw.rtl_gen.quantizer.packet_gate import PacketGate
from tests.rtl_gen.bench import simulate


@pytest.mark.every(6)
@pytest.mark.parametrize("seed", range(4))
def test_against_a_model(seed):
    """A pipeline of up to four beats behind the gate, walks of several cycles, packets of any length, soft resets."""
    print(f"seed: {seed}")
    dut, draw = PacketGate(), random.Random(seed)
    seen = {"loads": 0, "errors": 0, "waits": 0, "resets": 0, "meanwhile": 0}

    async def process(ctx, rst):
        state, packet, within, walk, bad = "idle", False, 0, 0, False
        for _ in range(6000):
            apply, reset = state == "idle" and draw.random() < 0.05, draw.random() < 0.01
            inputs = {"empty": within == 0, "done": walk == 0, "refused": bad, "apply": apply, "soft_reset": reset}
            for name, value in inputs.items():
                ctx.set(getattr(dut, name), int(value))
            opened = bool(ctx.get(dut.open))
            accepted = opened and not reset and within < 4 and draw.random() < 0.6
            last = draw.random() < 0.3
            ctx.set(dut.accepted, int(accepted))
            ctx.set(dut.last, int(last))

            assert opened == (state in ("idle", "check") or (state == "wait" and packet))
            assert ctx.get(dut.pending) == (state != "idle")
            assert ctx.get(dut.packet) == packet
            assert ctx.get(dut.check) == apply
            assert ctx.get(dut.load) == (state == "start")
            assert not ctx.get(dut.load) or (not packet and within == 0)
            assert ctx.get(dut.error) == (state == "check" and walk == 0 and bad)
            seen["loads"] += ctx.get(dut.load)
            seen["errors"] += ctx.get(dut.error)
            seen["resets"] += reset and packet
            seen["waits"] += state == "wait" and packet
            seen["meanwhile"] += accepted and state in ("check", "wait")

            if apply:
                state, walk, bad = "check", draw.randint(1, 9), draw.random() < 0.4
            elif state == "wait" and not packet and within == 0:
                state = "start"
            elif state == "start":
                state, walk = "load", draw.randint(1, 9)
            elif walk:
                walk -= 1
            elif state == "check":
                state = "idle" if bad else "wait"
            elif state == "load":
                state = "idle"
            if reset:
                packet, within = False, 0
            elif accepted:
                packet, within = not last, within + 1
            within -= bool(within and draw.random() < 0.5)
            await ctx.tick()

    simulate(dut, process)
    assert min(seen.values()) > 10, seen
