"""A Mamba in Verilog that keeps the states of several sequences: each of them is as if it were alone."""

from dataclasses import replace

import pytest

from qse_hw.sim.accelerator.accelerator import Accelerator
from tests.golden.models.integer import small
from tests.sim.accelerator.test_accelerator import PER_TOKEN, Reference
from tests.sim.accelerator.test_buses import made

pytestmark = pytest.mark.full
SEQUENCES = 3
IDS = small.text().tolist()


@pytest.fixture(scope="module")
def accelerator(small_config, tmp_path_factory):
    """With memories and a sink that stall."""
    folder = tmp_path_factory.mktemp("sequences")
    made = Accelerator(replace(small_config, sequences=SEQUENCES), folder, share=150, seed=5, short=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def buses(small_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("buses")
    accelerator = made(small_config, folder, latency=30, share=150, bus_bits=64, burst_beats=8, sequences=SEQUENCES)
    yield accelerator
    accelerator.close()


class Alone:
    """The integer model for each sequence, from its start."""

    def __init__(self, accelerator):
        self._accelerator = accelerator
        self._references = [Reference(accelerator.parameters) for _ in range(SEQUENCES)]

    def begin(self, sequence):
        """Begin a sequence anew."""
        self._references[sequence] = Reference(self._accelerator.parameters)

    def check(self, token, sequence):
        """A token's values equal those of the model of its sequence."""
        stepped = self._accelerator.step(token, sequence=sequence)
        assert self._references[sequence].check(token, stepped) == PER_TOKEN


@pytest.mark.parametrize("kind", ["accelerator", "buses"])
def test_mixed_sequences(kind, request, rng):
    """In any order; a sequence that begins again leaves the others alone."""
    accelerator = request.getfixturevalue(kind)
    accelerator.reset()
    alone = Alone(accelerator)
    order = rng.permutation([0] * 5 + [1] * 4 + [2] * 4).tolist()
    for number, sequence in enumerate(order):
        if number == 8:
            accelerator.restart(order[number])
            alone.begin(order[number])
        alone.check(IDS[number], sequence)


@pytest.mark.parametrize("cycles", [60, 400, 1000])
def test_a_reset_within_a_token(accelerator, cycles):
    """The token's sequence has to begin anew; the others go on."""
    accelerator.reset()
    alone = Alone(accelerator)
    for number, sequence in enumerate((0, 1, 2, 0)):
        alone.check(IDS[10 + number], sequence)
    with pytest.raises(RuntimeError, match=f"outputs came within {cycles} cycles"):
        accelerator.step(IDS[20], sequence=1, limit=cycles)
    accelerator.reset(kept=(0, 2))
    alone.begin(1)
    for number, sequence in enumerate((2, 1, 0, 1)):
        alone.check(IDS[30 + number], sequence)


def test_a_soft_reset(buses):
    """All sequences begin anew."""
    buses.soft_reset()
    alone = Alone(buses)
    for sequence in (1, 0):
        alone.check(IDS[3], sequence)
    buses.soft_reset()
    alone = Alone(buses)
    for sequence in (0, 2, 1, 0):
        alone.check(IDS[4], sequence)
    assert buses.program.status() == ("READY", set())


def test_a_sequence_that_there_is_not(buses):
    """Its tokens are dropped, and said to be; neither they nor a command for it change anything."""
    buses.reset()
    program, alone = buses.program, Alone(buses)
    alone.check(IDS[0], 2)
    with pytest.raises(RuntimeError, match="0 of 37 outputs came within 3000 cycles"):
        program.run(IDS[1], sequence=3, last=True, outputs=37, limit=3000)
    assert program.status() == ("READY", {"SEQUENCE_ERROR"})
    program.write("STATUS", 0xFFFFFFFF)
    assert program.command("NEW_SEQUENCE", sequence=3) == 0
    assert program.status() == ("READY", {"SEQUENCE_ERROR"})
    program.write("STATUS", 0xFFFFFFFF)
    alone.check(IDS[2], 2)
    assert (program.read("SEQUENCES"), program.read("TOKENS")) == (SEQUENCES, 2)
    assert program.status() == ("READY", set())


def test_the_last_token_ends_its_own_sequence(buses):
    """TLAST: the sequence's next token begins it anew without a command."""
    buses.reset()
    alone, program, limit = Alone(buses), buses.program, 100_000
    for sequence in range(SEQUENCES):
        alone.check(IDS[5], sequence)
    program.run(IDS[6], sequence=1, last=True, outputs=37, limit=limit)
    alone.begin(1)
    for number, sequence in enumerate((0, 1, 2, 1)):
        alone.check(IDS[7 + number], sequence)
