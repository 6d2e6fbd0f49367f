"""Finished points are kept: nothing is measured twice, and an interrupted sweep continues."""

import pytest

from qse_hw.synth import flow
from tests.qse_hw.cli.sweep.specs import SMALL


@pytest.mark.full
def test_nothing_is_measured_twice(sweep, fake):
    spec = SMALL.replace('"ice40:up5k"', '"ecp5:45k-8"')
    first = sweep(spec)
    assert len(fake) == 4
    assert sweep(spec) == first
    assert len(fake) == 4
    wider = sweep(spec.replace('"bf16", ', '"bf16", "fp16", '))
    assert len(wider["points"]) == 6
    assert len(fake) == 6


def test_an_interrupted_run_goes_on(sweep, fake, monkeypatch, capsys):
    spec, whole, real = SMALL.replace('"ice40:up5k"', '"ecp5:45k-8"'), 4, flow.measure

    def interrupted(points, **more):
        if len(fake) == 3:
            raise KeyboardInterrupt
        return real(points, **more)

    monkeypatch.setattr(flow, "measure", interrupted)
    assert sweep(spec, status=130) == []
    assert len(fake) == 3
    monkeypatch.setattr(flow, "measure", real)
    assert len(sweep(spec)["points"]) == whole
    assert len(fake) == whole
