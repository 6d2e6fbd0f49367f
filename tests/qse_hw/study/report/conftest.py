"""The command with stand-ins for tools and simulator, whose results are given; the rest is real."""

import json
from functools import cache

import pytest

from qse_hw.cli import main
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.sim.exhaust.exhaust import Finding
from qse_hw.synth.result import Area, Hop, Measured, Timing

EMIT = cache(emit)  # a second for each unit
NAME = "se8 <script>alert(\"1\")</script> & 'x'"


@pytest.fixture
def report(monkeypatch, tmp_path):
    """Run ``report`` with words; returns the exit status. ``differences``: those that the simulation reports."""

    def run(*words, differences=0, other=False):
        def bulk(config, folder, *, build):
            folder.mkdir()
            (folder / f"{config.top}.v").write_text(build(config).text + "// other\n" * other)

        def exhaust(checks, *, build, progress):
            (check,) = checks
            build(check.config, tmp_path / f"bulk{len(list(tmp_path.iterdir()))}")
            progress("checking", 1.0)
            yield Finding(
                label=check.config.label,
                patterns=check.words,
                scales=check.scales,
                values=65536,
                wrong=differences,
                wrong_flags=0,
                first="pattern 0x1: code 0x2, not 0x3" * bool(differences),
                compiling=9.1,
                seconds=1.2,
            )

        monkeypatch.setattr("qse_hw.rtl_gen.emit.emit.emit", EMIT)
        monkeypatch.setattr("qse_hw.sim.exhaust.bulk.Bulk", bulk)
        monkeypatch.setattr("qse_hw.sim.exhaust.exhaust.exhaust", exhaust)
        monkeypatch.setattr("qse_hw.synth.flow.measure", measured)
        return main(["report", *map(str, words)])

    return run


def measured(points, *, seeds, cache, step):
    """Made-up costs of every point: figures that appear nowhere else."""
    measurements = []
    for number, point in enumerate(points):
        path = (Hop("lane0.<i>sum</i>", 1.25 + number, 0.5, 3), Hop("(output)", 0.0, 0.0, 0))
        timing = {seed: Timing(mhz=201.5 + 10 * seed + number, path=path) for seed in range(1, seeds + 1)}
        area = Area(comb=7001 + number, ff=811 + number, dsp=1, cells={"LUT4": 7001})
        place = point.target.name
        measurements.append(Measured(unit=point.unit, target=place, area=area, timing=timing, transistors=None))
        step(point.label)
    return measurements


@pytest.fixture
def hostile(tmp_path):
    """A format whose name is markup."""
    path = tmp_path / "hostile.json"
    segments = [{"codes": 48, "log2_step": -1}, {"codes": 160, "log2_step": 0}, {"codes": 40, "log2_step": 3}]
    path.write_text(json.dumps({"name": NAME, "bits": 8, "kind": "offset", "zero_point": 20, "segments": segments}))
    return path
