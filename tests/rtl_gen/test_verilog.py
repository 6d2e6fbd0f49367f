"""The emitted Verilog and its vectors, in a testbench written from the manifest alone."""

import json
from typing import NamedTuple

import numpy as np
import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.reference.vectors import decoder_vectors, expected
from qse_hw.rtl_gen.emit.emit import emit, manifest, write
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from tests.rtl_gen.bench import join, split
from tests.rtl_gen.formats import SHIPPED, make, scale_for
from tests.rtl_gen.verilog import Job, off_by_one, run_verilog
from tests.simulators import icarus

SIXTEEN = ("fp16", "bf16", "s16")


def files_of(config, folder):
    """What a user gets: Verilog, manifest, vectors, models, from the files."""
    write(config, folder)
    document = json.loads((folder / "manifest.json").read_text())
    models = {name: (folder / name).read_text() for name in document["simulation_models"]}
    with np.load(folder / "vectors.npz") as arrays:
        return (folder / document["verilog"]["file"]).read_text(), document, dict(arrays), models


class Case(NamedTuple):
    """A unit, what to send to it, and (beats, lanes) arrays of its answers and of each flag."""

    config: UnitConfig
    job: Job
    answers: np.ndarray
    flags: dict[str, np.ndarray]

    @classmethod
    def of(cls, config, folder):
        text, document, arrays, models = files_of(config, folder)
        if config.unit == "decoder":
            width, sent, answers, names = config.format.bits, arrays["codes"], arrays["decoded"], ("invalid",)
        else:
            width, sent, answers = config.input.width, arrays["input_bits"], arrays["codes"]
            names = ("saturated", "nan")
        beats = [join(beat, width) for beat in sent.reshape(-1, config.lanes)]
        constants = {name: int(arrays[name]) for name in ("scale_m", "scale_k") if name in arrays}
        flags = {name: arrays[name].reshape(-1, config.lanes) for name in names}
        return cls(config, Job(text, document, beats, constants, models), answers.reshape(-1, config.lanes), flags)

    def check(self, got):
        """Value by value, beat by beat."""
        lanes = self.config.lanes
        width = {port["name"]: port["width"] for port in self.job.manifest["ports"]}["o__payload"] // lanes
        assert len(got) == len(self.job.beats)
        values = np.array([split(left.payload, width, lanes) for left in got])
        np.testing.assert_array_equal(values, self.answers.astype(np.int64) % (1 << width))
        for name, flag in self.flags.items():
            np.testing.assert_array_equal([left.flags[name] for left in got], flag.any(axis=1), name)
        counter = self.config.counter_width if self.config.unit == "encoder" else 0
        assert ("saturation_count" in got[0].flags) == (counter > 0)
        if counter:
            want = self.flags["saturated"].sum(axis=1)
            np.testing.assert_array_equal([left.flags["saturation_count"] for left in got], want)


def replay_vectors(configs, folder, simulator):
    """The vectors' inputs through the Verilog, compared with the vectors' answers, flags and counter."""
    cases = [Case.of(config, folder / f"unit{n}") for n, config in enumerate(configs)]
    for case, got in zip(cases, run_verilog([case.job for case in cases], folder, simulator), strict=True):
        case.check(got)


def encoder(name, input_name, bits, runtime=False, **parameters):
    input = input_type(input_name)
    scale = None if runtime else scale_for(input, bits)
    return EncoderConfig(format=make(name), input=input, scale=scale, scale_bits=bits, **parameters)


def decoder(name, lanes=1):
    return DecoderConfig(format=make(name), lanes=lanes)


SHORT = [
    encoder("se8", "fp16", 16),
    encoder("se9-paper", "bf16", 8, runtime=True, counter_width=3),
    encoder("se8-silu", "fp32", 20, runtime=True, lanes=3),
    encoder("int8", "s16", 16, counter_width=0),
    encoder("se8", "s16", 16, target="ecp5"),
    encoder("se8", "bf16", 16, target="ecp5"),
    encoder("se8-silu", "bf16", 8, target="ecp5", arch="parallel", pipeline=0, lanes=2),
    encoder("se8", "fp32", 16, target="ecp5", pipeline=2),
    decoder("se9-paper"),
    decoder("sticky-offset", 3),
]


@pytest.mark.full
def test_vectors_through_verilator(tmp_path):
    """Constant and run-time scales, and decoders; of 16-bit inputs every pattern, signalling NaNs included.

    A single wrong code, in one more unit of the same model, is noticed.
    """
    cases = [Case.of(config, tmp_path / f"unit{n}") for n, config in enumerate(SHORT)]
    encoder, decoder = cases[0], cases[-2]
    wrong = [case.job._replace(text=off_by_one(case.job.text)) for case in (encoder, decoder)]
    *good, bad_encoder, bad_decoder = run_verilog([*(case.job for case in cases), *wrong], tmp_path)
    for case, got in zip(cases, good, strict=True):
        case.check(got)
    for case, got in ((encoder, bad_encoder), (decoder, bad_decoder)):
        with pytest.raises(AssertionError, match="not equal"):
            case.check(got)


@pytest.mark.parametrize("simulator", [icarus])
def test_vectors_through_icarus(tmp_path, simulator):
    """An independent four-state simulator; small vectors, as it is slow."""
    configs = [encoder("se8", "s8", 8), encoder("se9-paper", "s8", 1, runtime=True, lanes=2), decoder("se9-paper")]
    replay_vectors(configs, tmp_path, simulator)


@pytest.mark.full(3)
@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("runtime", [False, True], ids=["constant", "runtime"])
def test_every_pattern_of_every_input(name, runtime, tmp_path):
    """All 65,536 patterns of each 16-bit type, wider types around each decision, and the decoder."""
    sixteen = [encoder(name, *kind, runtime) for kind in zip(SIXTEEN, (16, 8, 20), strict=True)]
    wide = [encoder(name, "fp32", 16, runtime), encoder(name, "s32e-20", 1, runtime, lanes=3)]
    replay_vectors([*sixteen, *wide, decoder(name), decoder(name, 7)], tmp_path, "verilator")


@pytest.mark.full(6)
@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("how", [{"target": "ecp5"}, {"arch": "parallel"}, {"target": "ecp5", "arch": "parallel"}])
def test_every_pattern_of_every_implementation(name, how, tmp_path):
    sixteen = [encoder(name, *kind, **how) for kind in zip(SIXTEEN, (16, 8, 16), strict=True)]
    wide = [encoder(name, "fp32", 16, **how), encoder(name, "s32e-20", 1, lanes=3, **how)]
    replay_vectors([*sixteen, *wide], tmp_path, "verilator")


def test_vectors_have_every_pattern():
    for input_name in SIXTEEN:
        input, scale = input_type(input_name), scale_for(input_type(input_name), 16)
        unit = encoder("se8", input_name, 16)
        arrays = unit.vectors()
        assert arrays["input_bits"].tolist() == list(range(1 << 16))
        want = expected(arrays["input_bits"], unit.format, input, scale)
        for name, array in want._asdict().items():
            np.testing.assert_array_equal(arrays[name], array)


def test_vectors_of_decoders_have_every_code():
    arrays = decoder("sticky-offset").vectors()
    for got, want in zip(arrays.values(), decoder_vectors(make("sticky-offset")), strict=True):
        np.testing.assert_array_equal(got, want)
    assert manifest(emit(decoder("sticky-offset")))["format"]["values"].keys() == {
        str(code) for code in np.flatnonzero(~arrays["invalid"])
    }
