"""exhaust: what the arguments ask for, what is reported, and the exit status. The checks are tested in tests/sim."""

import json
import math

import pytest

from qse_hw.cli import main
from qse_hw.cli.exhaust import UNITS
from qse_hw.golden.io.evidence import SCHEMA
from qse_hw.sim.exhaust import bulk
from qse_hw.sim.exhaust.exhaust import RANDOM, Finding
from qse_hw.sim.exhaust.kinds import KINDS
from qse_hw.sim.exhaust.standard_checks import standard

FINDING = {
    "label": "encoder se8 fp16", "patterns": "all 65,536 patterns", "scales": 1, "values": 65536, "wrong": 0,
    "wrong_flags": 0, "first": "", "compiling": 9.0, "seconds": 1.5,
}  # fmt: skip
CHECKED = "encoder, decoder, function, activation, time_step"


@pytest.fixture
def asked(monkeypatch):
    """A stand-in that gives a finding per check, or raises; returns the checks that were requested."""
    checks = []

    def run(*words, error=None, **changes):
        def exhaust(given, build, progress):
            checks.extend(given)
            if error is not None:
                raise error
            progress("checking", 1.0)
            return iter([Finding(**FINDING | {"label": check.config.label} | changes) for check in given])

        monkeypatch.setattr("qse_hw.sim.exhaust.exhaust.exhaust", exhaust)
        assert main(["exhaust", *map(str, words)]) == 0
        return checks

    return run


def test_the_units_options_are_gens(asked):
    words = ("encoder", "--format", "se9-paper", "--input", "bf16", "--lanes", 3, "--scale", 0.25, "--arch", "parallel")
    (check,) = asked(*words)
    assert check.config.label == "encoder se9-paper bf16 parallel x3"
    assert check.config.scale.step == 0.25
    assert not check.every


def test_every_kind_of_unit_that_can_be_checked():
    assert UNITS == bulk.UNITS == tuple(KINDS)


def test_a_layer_of_a_calibration(asked, calibration):
    (check,) = asked("decoder", "--calibration", calibration, "--layer", 1)
    assert check.config.label == "decoder se8:L=12"


@pytest.mark.parametrize(
    ("words", "random", "every"),
    [((), RANDOM, False), (("--random", 1234), 1234, False), (("--all-patterns",), RANDOM, True)],
)
def test_wide_inputs(asked, words, random, every):
    (check,) = asked("encoder", "--scale", "runtime", *words)
    assert (check.random, check.every) == (random, every)


def test_the_standard_list(asked, out, capsys):
    assert asked("--all", "--json", out / "r.json") == standard()
    document = json.loads((out / "r.json").read_text())
    assert document["schema"] == SCHEMA
    assert document["passed"]
    assert document["figures"]["units"] == len(standard()) == len(document["items"])
    assert document["figures"]["values"] == len(standard()) * 65536
    assert document["figures"]["slowest_seconds"] == 10.5
    assert all(item["passed"] for item in document["items"])
    assert "no difference" in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{"wrong": 3}, {"wrong_flags": 3}])
def test_a_difference_fails(asked, out, capsys, changes):
    with pytest.raises(SystemExit) as caught:
        asked("decoder", "--json", out / "r.json", first="pattern 0x1: value 0x2, not 0x3", **changes)
    want = "3 differences; the first, of decoder se8: pattern 0x1: value 0x2, not 0x3"
    assert caught.value.code == want  # which Python prints, with exit status 1
    document = json.loads((out / "r.json").read_text())
    assert not document["passed"]
    assert document["figures"]["differences"] == 3
    assert not math.isnan(document["seconds"])
    assert "Emitted Verilog beside golden" in capsys.readouterr().out


def test_broken_tools(asked, out):
    with pytest.raises(SystemExit) as caught:
        asked("decoder", "--json", out / "r.json", error=RuntimeError("7 beats came out, not 8"))
    assert caught.value.code == "error: 7 beats came out, not 8"
    assert not (out / "r.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), f"Exhaust takes either --all or one unit of {CHECKED}"),
        (("--all", "decoder"), f"Exhaust takes either --all or one unit of {CHECKED}"),
        (("encoder",), "Scale must be given: --scale S, --scale runtime or --calibration FILE --layer K"),
        (("encoder", "--scale", "1", "--random", "5", "--input", "s16"),
         "Random must not be given where all 65,536 patterns are sent anyway"),
        (("encoder", "--scale", "1", "--random", "0"), "Random must be 1 to 4294967296, not 0"),
        (("encoder", "--scale", "1", "--random", "5", "--all-patterns"),
         "Random patterns, 5, are among all of them: give --random or --all-patterns"),
    ],
)  # fmt: skip
def test_refused(refused, words, said):
    assert refused("exhaust", *words) == said


def test_another_unit(refused):
    assert refused("exhaust", "linear") == f"Unit must be one of {CHECKED}, not 'linear'"


@pytest.mark.full
def test_a_real_difference(out, monkeypatch, capsys):
    """Through the command: the Verilog of another scale is compiled."""
    from qse_hw.golden.formats.scale import Scale
    from qse_hw.rtl_gen.emit.emit import emit
    from qse_hw.rtl_gen.units.encoder import EncoderConfig
    from qse_hw.study import netlist

    def other(config):
        fields = {name: getattr(config, name) for name in ("format", "input", "lanes", "arch", "target", "pipeline")}
        return emit(EncoderConfig(**fields, scale=Scale.from_step(0.5), counter_width=config.counter_width))

    monkeypatch.setattr(netlist, "emit", other)
    with pytest.raises(SystemExit) as caught:
        main(["exhaust", "encoder", "--input", "s8e-4", "--scale", "0.25", "--json", str(out / "r.json")])
    assert "differences; the first, of encoder se8 s8e-4: pattern 0x" in caught.value.code
    assert "code 0x" in caught.value.code
    assert not json.loads((out / "r.json").read_text())["passed"]
