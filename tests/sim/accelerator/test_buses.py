"""An accelerator in Verilog behind its buses equals the integer model in every value, whatever the memory does.

Its host and memory are C++, fast; :mod:`tests.sim.accelerator.test_bus` has cocotbext-axi's.
"""

from functools import partial

import pytest

from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from qse_hw.sim.accelerator.bus_accelerator import BusAccelerator
from qse_hw.sim.accelerator.bus_program import DECERR, SLVERR
from tests.golden.models.integer import small
from tests.sim.accelerator.test_accelerator import PER_TOKEN, Reference

pytestmark = pytest.mark.full
LIMIT = 200_000


def made(small_config, folder, *, latency=1, share=256, **options):
    options = {"rows": 4, "columns": 4, "scan_lanes": 2, "hadamard_lanes": 2} | options
    config = AcceleratorConfig(model=small_config.model, calibration=small_config.calibration, **options)
    return BusAccelerator(config, folder, latency=latency, share=share, seed=7, short=True)


@pytest.fixture(scope="module")
def buses(small_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("buses")
    accelerator = made(small_config, folder, latency=30, share=150, bus_bits=64, burst_beats=8)
    yield accelerator
    accelerator.close()


def check(accelerator, tokens):
    """A sequence equals the integer model's."""
    reference = Reference(accelerator.parameters)
    accelerator.restart()
    for token in tokens:
        assert reference.check(token, accelerator.step(token)) == PER_TOKEN


IDS = small.text().tolist()


def test_two_sequences(buses):
    check(buses, IDS[:6])
    check(buses, IDS[40:43])
    assert buses.program.status() == ("READY", set())


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("cycles", [1, 40, 300, 900, 1500, 2200])
def test_a_reset_within_a_token(buses, cycles, soft):
    """The next tokens are those of a fresh start. What was asked for comes first, if the reset is a soft one."""
    buses.reset()
    buses.step(IDS[100])
    with pytest.raises(RuntimeError, match="outputs came within"):
        buses.step(IDS[101], limit=cycles)
    if soft:
        buses.soft_reset()
    else:
        buses.reset()
    check(buses, IDS[101:103])


@pytest.mark.parametrize("response", [SLVERR, DECERR])
@pytest.mark.parametrize("word", [1, 30, 400, 1100, 1200])
def test_errors_of_the_memory(buses, word, response):
    """In a token: it stops without a result that is wrong, and starts again as if nothing had been."""
    program = buses.program
    buses.reset()
    program.fail(word, response)
    with pytest.raises(RuntimeError, match="outputs came within"):
        list(map(partial(buses.step, limit=9000), IDS[:3]))
    assert program.settle("IDLE", limit=LIMIT) == ("IDLE", {"READ_ERROR"})
    program.fail(0)
    assert program.write("STATUS", 0xFFFFFFFF) == 0
    buses.soft_reset()
    check(buses, IDS[5:7])


@pytest.mark.parametrize("word", [1, 17, 1000, 3272])
def test_errors_while_the_image_is_loaded(buses, word):
    program = buses.program
    program.reset()
    program.fail(word)
    assert program.start(limit=LIMIT) == ("IDLE", {"READ_ERROR"})
    program.fail(0)
    program.write("STATUS", 0xFFFFFFFF)
    buses.soft_reset()
    check(buses, IDS[5:7])


def test_a_bit_of_the_image_anywhere(buses, rng):
    program, (_, *parts) = buses.program, list(buses.image_map.regions.values())
    for number, (begin, length) in enumerate(parts, start=1):
        place, bit = int(rng.integers(begin, begin + length)), 1 << int(rng.integers(8))
        program.reset()
        program.image[place] ^= bit
        assert program.start(limit=LIMIT) == ("IDLE", {"IMAGE_DAMAGED"})
        assert program.registers["STATUS"].field("REGION").of(program.read("STATUS")) == number
        program.image[place] ^= bit
    buses.reset()
    check(buses, IDS[:1])


@pytest.mark.parametrize(
    "options",
    [
        {"bus_bits": 128, "burst_beats": 256, "bursts": 2, "latency": 100},
        {"bus_bits": 128, "burst_beats": 1, "rows": 4, "columns": 1, "hadamard_lanes": 1, "address_bits": 64},
        {"bus_bits": 64, "rows": 16, "columns": 8, "scan_lanes": 1, "norm_lanes": 4, "share": 100, "target": "ecp5"},
    ],
    ids=str,
)
def test_other_buses(small_config, options, tmp_path):
    accelerator = made(small_config, tmp_path, **options)
    check(accelerator, IDS[:4])
    accelerator.soft_reset()
    check(accelerator, IDS[50:52])
    accelerator.close()
