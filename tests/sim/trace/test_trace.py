"""The recorder, on a unit whose outputs tell what its inputs were."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.sim.cycle.stimulus import Offered, Stimulus, full_speed, random_runs, random_stalls
from qse_hw.sim.simulators import simulate
from qse_hw.sim.trace import trace
from qse_hw.sim.trace.trace import record, record_all
from tests.simulators import icarus

PROBE = """
module probe (
  input clk, input rst,
  input [11:0] i__payload, input i__valid, output i__ready,
  output [11:0] o__payload, output o__valid, input o__ready,
  input signed [8:0] k, input [71:0] wide,
  output signed [8:0] k_less, output [71:0] wide_less, output [11:0] raw, output reg [11:0] raw_before,
  output reg [7:0] resets, output reg [7:0] cycle, output waiting
);
  initial resets = 0;
  always @(posedge clk) begin
    raw_before <= i__payload;
    cycle <= rst ? 0 : cycle + 1;
    if (rst) resets <= resets + 1;
  end
  assign i__ready = o__ready, o__valid = i__valid, o__payload = i__payload, raw = i__payload;
  assign k_less = k - 9'sd1, wide_less = wide - 72'd1;
  inverter inverter (.a(i__ready), .b(waiting));
endmodule
"""
INVERTER = "module inverter (input a, output b);\n  assign b = ~a;\nendmodule\n"
INPUTS = {"clk": 1, "rst": 1, "i__payload": 12, "i__valid": 1, "o__ready": 1, "k": 9, "wide": 72}
OUTPUTS = {
    "i__ready": 1, "o__payload": 12, "o__valid": 1, "k_less": 9, "wide_less": 72, "raw": 12, "raw_before": 12,
    "resets": 8, "cycle": 8, "waiting": 1,
}  # fmt: skip


def probe(inputs=INPUTS, outputs=OUTPUTS):
    ports = [
        {"name": name, "direction": direction, "width": width, "signed": name in ("k", "k_less")}
        for direction, widths in (("input", inputs), ("output", outputs))
        for name, width in widths.items()
    ]
    return Emitted(
        config=SimpleNamespace(top="probe"), text=PROBE, ports=tuple(ports), latency=0, models={"inverter.v": INVERTER}
    )


def stimuli():
    rng = np.random.default_rng(3)
    beats = rng.integers(0, 256, (40, 2), dtype=np.uint8)
    beats[:, 1] &= 0xF
    ports = {"k": rng.integers(-256, 256, 100), "wide": rng.integers(0, 256, (100, 9), dtype=np.uint8)}
    print("seed of the stalls: 4")
    return [
        random_stalls(beats, cycles=100, seed=4, ports=ports),
        full_speed(beats, cycles=100),
        full_speed(beats, cycles=0),
    ]


@pytest.fixture(scope="module", params=[pytest.param("verilator", marks=pytest.mark.full), icarus])
def recorded(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    return list(zip(stimuli(), record_all(probe(), stimuli(), folder=folder, simulator=request.param), strict=True))


def check_driver(stimulus, got):
    """The driver follows its rule, seen on a unit whose output is its input."""
    sent, held = 0, False
    for cycle in range(stimulus.cycles):
        held = held or (stimulus.offer[cycle] and sent < len(stimulus.beats))
        assert got["i__valid"][cycle] == got["o__valid"][cycle] == held
        assert got["o__ready"][cycle] == got["i__ready"][cycle] == stimulus.accept[cycle]
        wanted = stimulus.beats[sent] if held else np.zeros(2)
        assert got["i__payload"][cycle].tolist() == got["o__payload"][cycle].tolist() == wanted.tolist()
        if held and stimulus.accept[cycle]:
            sent, held = sent + 1, False


def check_noise(got):
    """Where nothing is offered, every bit of the payload changes."""
    idle = got["raw"][~got["i__valid"]]
    assert len(np.unique(idle)) > len(idle) / 2
    for bit in range(12):
        assert 0 < (idle >> np.uint64(bit) & np.uint64(1)).mean() < 1


def check_others(stimulus, got):
    """Inputs beside the streams, signed and wide ones, are what the stimulus says."""
    k = stimulus.port("k").astype(np.int64)
    assert got["k"].dtype == got["k_less"].dtype == np.int64
    assert got["k"].tolist() == k.tolist()
    assert got["k_less"].tolist() == ((k - 1 + 256) % 512 - 256).tolist()
    wide = [int.from_bytes(row.tobytes(), "little") for row in got["wide"]]
    less = [int.from_bytes(row.tobytes(), "little") for row in got["wide_less"]]
    assert less == [(value - 1) % (1 << 72) for value in wide]
    if "wide" in stimulus.ports:
        assert (got["wide"] == stimulus.ports["wide"]).all()
    else:
        assert not got["wide"].any()


def test_the_driver_follows_its_rule(recorded):
    for stimulus, got in recorded:
        check_driver(stimulus, got)
        assert (got["waiting"] == ~got["i__ready"]).all()
    stalled = recorded[0][1]
    assert (stalled["i__valid"] & ~stalled["i__ready"]).sum() > 5


def test_noise_where_nothing_is_offered(recorded):
    for _, got in recorded[:2]:
        check_noise(got)


def test_values_are_those_before_the_edge(recorded):
    """A register shows what its input was one cycle earlier; the cycle after the reset is number 0."""
    for stimulus, got in recorded:
        assert got["raw_before"][1:].tolist() == got["raw"][:-1].tolist()
        assert got["cycle"].tolist() == list(range(stimulus.cycles))


def test_each_recording_begins_with_three_cycles_of_reset(recorded):
    for number, (_, got) in enumerate(recorded):
        assert (got["resets"] == 3 * (number + 1)).all()


def test_other_ports(recorded):
    for stimulus, got in recorded[:2]:
        check_others(stimulus, got)


def test_every_port_is_there(recorded):
    for stimulus, got in recorded:
        assert set(got) == {*INPUTS, *OUTPUTS} - {"clk", "rst"}
        assert {len(values) for values in got.values()} == {stimulus.cycles}


@pytest.fixture
def no_simulator(monkeypatch):
    """A simulation that only pretends: ``unknown``: bits of ``seen`` that are X, by cycle."""
    unknown = {}

    def run(module, top, folder, *others):
        (folder / "run.log").write_text("it was not my fault\n")
        with np.load(folder / "stimulus0.npz") as stimulus:
            cycles, size = len(stimulus["i_offer"]), stimulus["static"].shape[1] + 3
        x = np.zeros((cycles, 24), np.uint8)
        for cycle, byte in unknown.items():
            x[cycle, byte] = 1
        np.savez(folder / "seen0.npz", driven=np.zeros((cycles, size), np.uint8), seen=np.zeros_like(x), unknown=x)

    monkeypatch.setattr(simulate, "build", lambda *arguments, **options: None)
    monkeypatch.setattr(simulate, "run", run)
    return unknown


def test_unknown_bits(no_simulator, tmp_path):
    names = [port["name"] for port in trace._fields(probe().ports, "output", ["i"])]
    assert names[:4] == ["i__ready", "o__payload", "o__valid", "k_less"]
    assert not record(probe(), stimuli()[1], folder=tmp_path)["o__payload"].any()
    no_simulator[7] = 1  # o__payload, without valid
    assert not record(probe(), stimuli()[1], folder=tmp_path)["o__payload"].any()
    no_simulator[9] = 4
    with pytest.raises(RuntimeError, match=r"^k_less is X or Z in cycle 9$"):
        record(probe(), stimuli()[1], folder=tmp_path)


def test_a_simulation_that_writes_nothing(no_simulator, monkeypatch, tmp_path):
    record(probe(), stimuli()[1], folder=tmp_path)  # whose results must not be taken for those of the next
    monkeypatch.setattr(simulate, "run", lambda module, top, folder, *others: (folder / "run.log").write_text("oh\n"))
    with pytest.raises(RuntimeError, match=r"^the recording failed\noh$"):
        record(probe(), stimuli()[1], folder=tmp_path)


@pytest.mark.parametrize(
    ("beats", "ports", "text"),
    [
        ((3, 1), {}, "Stimulus beats must have 2 bytes, not 1"),
        ((3, 2), {"none": np.zeros(5)}, "Stimulus ports must be inputs beside the streams i and o, not ['none']"),
        ((3, 2), {"o__ready": np.zeros(5)}, "Stimulus ports must be inputs beside the streams i and o, not"),
        ((3, 2), {"cycle": np.zeros(5)}, "Stimulus ports must be inputs beside the streams i and o, not ['cycle']"),
        ((3, 2), {"wide": np.zeros(5)}, "Stimulus wide must be (cycles, bytes) uint8, not float64 (5,)"),
        ((3, 2), {"wide": np.zeros((5, 8), np.uint8)}, "Stimulus wide must have 9 bytes, not 8"),
    ],
)
def test_what_does_not_fit_is_refused(no_simulator, tmp_path, beats, ports, text):
    with pytest.raises(InputError, match=re.escape(text)):
        record(probe(), full_speed(np.zeros(beats, np.uint8), cycles=5, ports=ports), folder=tmp_path)


JOIN = """
module meeting (
  input clk, input rst,
  input [11:0] i__payload, input i__valid, output i__ready,
  input [6:0] jobs__payload, input jobs__valid, output jobs__ready,
  output [18:0] o__payload, output o__valid, input o__ready, output [6:0] raw
);
  assign o__valid = i__valid & jobs__valid, o__payload = {jobs__payload, i__payload}, raw = jobs__payload;
  assign i__ready = o__ready & jobs__valid, jobs__ready = o__ready & i__valid & i__payload[0];
endmodule
"""
JOIN_PORTS = (
    {"i__payload": 12, "i__valid": 1, "jobs__payload": 7, "jobs__valid": 1, "o__ready": 1},
    {"i__ready": 1, "jobs__ready": 1, "o__payload": 19, "o__valid": 1, "raw": 7},
)


def join():
    """A unit with two input streams: a job is kept for all beats up to the next odd one."""
    ports = [
        {"name": name, "direction": direction, "width": width, "signed": False}
        for direction, widths in zip(("input", "output"), JOIN_PORTS, strict=True)
        for name, width in widths.items()
    ]
    return Emitted(config=SimpleNamespace(top="meeting"), text=JOIN, ports=tuple(ports), latency=0)


def joined_stimulus(rng, cycles=200):
    beats, jobs = rng.integers(0, 256, (60, 2), dtype=np.uint8), rng.integers(0, 128, (40, 1), dtype=np.uint8)
    beats[:, 1] &= 0xF
    offer, accept, late = (random_runs(rng, cycles) for _ in range(3))
    return Stimulus(beats=beats, offer=offer, accept=accept, streams={"jobs": Offered(beats=jobs, offer=late)})


def check_joined(stimulus, got):
    """Both streams follow the driver's rule, each by itself."""
    sent, held, left = dict.fromkeys(("i", "jobs"), 0), dict.fromkeys(("i", "jobs"), False), 0
    for cycle in range(stimulus.cycles):
        for name, stream in stimulus.offered.items():
            held[name] = held[name] or bool(stream.offer[cycle] and sent[name] < len(stream.beats))
            assert got[f"{name}__valid"][cycle] == held[name]
            want = stream.beats[sent[name]] if held[name] else np.zeros_like(stream.beats[0])
            assert got[f"{name}__payload"][cycle].tolist() == want.tolist()
        odd = got["i__payload"][cycle, 0] & 1
        if held["i"] and held["jobs"] and stimulus.accept[cycle]:
            for name in ("i", "jobs")[: 1 + odd]:
                sent[name], held[name] = sent[name] + 1, False
            left += 1
    assert left > 20
    assert got["o__valid"].sum() > left


@pytest.mark.full
def test_two_input_streams(rng, tmp_path):
    stimuli = [joined_stimulus(rng) for _ in range(2)]
    for stimulus, got in zip(stimuli, record_all(join(), stimuli, folder=tmp_path), strict=True):
        check_joined(stimulus, got)
        idle = got["raw"][~got["jobs__valid"]]
        assert len(np.unique(idle)) > min(len(idle) / 2, 20)  # noise


def test_streams_that_do_not_fit_are_refused(no_simulator, rng, tmp_path):
    good = joined_stimulus(rng)
    other = full_speed(good.beats, cycles=9)
    with pytest.raises(InputError, match=r"^Stimuli must have the same streams, i, jobs, not i$"):
        record_all(join(), [good, other], folder=tmp_path)
    wide = Offered(beats=np.zeros((2, 2), np.uint8), offer=good.offer)
    for name, text in (("jobs", "must have 1 bytes, not 2"), ("x", "must be none, as the unit has no stream x")):
        bad = Stimulus(beats=good.beats, offer=good.offer, accept=good.accept, streams={name: wide})
        with pytest.raises(InputError, match=f"^Stimulus {name} beats {text}$"):
            record(join(), bad, folder=tmp_path)


def test_beats_need_a_stream(no_simulator, tmp_path):
    inputs = {name: width for name, width in INPUTS.items() if not name.startswith("i__")}
    with pytest.raises(InputError, match=r"^Stimulus beats must be none, as the unit has no stream i$"):
        record(probe(inputs), stimuli()[1], folder=tmp_path)
