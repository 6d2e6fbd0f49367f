"""What the planner says a vector costs is what the cycle models show."""

import numpy as np
import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.reference.linear import pack_weights
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.sim.cycle.decoder import DecoderModel
from qse_hw.sim.cycle.encoder import EncoderModel
from qse_hw.sim.cycle.hadamard import HadamardModel
from qse_hw.sim.cycle.linear import LinearModel
from qse_hw.sim.cycle.stimulus import Stimulus, full_speed
from qse_hw.sim.cycle.throughput import Block, Cost, chain
from qse_hw.sim.packing import beat_bytes
from tests.golden.formats import oracles

SE8 = oracles.make("se8")
SCALE = {"encoder": {"scale_m": 1 << 15, "scale_k": 15}, "linear": {"scale_m": 1, "scale_k": 0}}
MODELS = {"encoder": EncoderModel, "decoder": DecoderModel, "hadamard": HadamardModel, "linear": LinearModel}


def encoder(lanes, **others):
    return EncoderConfig(format=SE8, input=input_type("bf16"), lanes=lanes, **others)


def decoder(lanes):
    return DecoderConfig(format=SE8, lanes=lanes)


def linear(inputs, outputs, rows, columns):
    return LinearConfig(format=SE8, inputs=inputs, outputs=outputs, rows=rows, columns=columns)


def hadamard(size, lanes):
    return HadamardConfig(size=size, width=8, lanes=lanes)


def leaving(config, beats, *, cycles, offer=None):
    """The cycles in which the outputs of ``beats`` zero beats leave, all of them accepted at once."""
    width, lanes = {
        "encoder": lambda: (config.input.width, config.lanes),
        "decoder": lambda: (config.format.bits, config.lanes),
        "hadamard": lambda: (config.width, config.lanes),
        "linear": lambda: (config.format.bits, config.columns),
    }[config.unit]()
    scale = SCALE.get(config.unit, {})
    ports = {name: np.full(cycles, value) for name, value in scale.items()}
    zeros = np.zeros((beats, beat_bytes(width, lanes)), np.uint8)
    stimulus = full_speed(zeros, cycles=cycles, ports=ports)
    if offer is not None:
        stimulus = Stimulus(beats=zeros, offer=offer, accept=stimulus.accept, ports=ports)
    return np.flatnonzero(MODELS[config.unit](config).run(stimulus)["o__valid"])


UNITS = [
    (encoder(1), 30),
    (encoder(4, pipeline=0), 30),  # the last beat is not full
    (encoder(8, target="ecp5"), 64),
    (decoder(4), 30),
    (hadamard(32, 4), 32),
    (hadamard(24, 2), 24),
    (hadamard(160, 4), 160),
    (hadamard(12, 1), 12),
    (linear(16, 8, 2, 4), 16),
    (linear(16, 8, 8, 4), 16),
    (linear(18, 12, 4, 4), 18),
    (linear(8, 6, 3, 8), 8),
    (linear(5, 4, 1, 1), 5),
]


@pytest.mark.parametrize(("config", "values"), UNITS, ids=lambda it: getattr(it, "label", it))
def test_cost_is_what_the_model_shows(config, values):
    """The last output of every vector, one vector after the other, and alone."""
    cost, vectors = Cost.of("unit", config, values), 6
    assert cost.interval == cost.beats * config.initiation_interval
    left = leaving(config, vectors * cost.beats, cycles=vectors * cost.interval + cost.delay + 100)
    per_vector, rest = divmod(len(left), vectors)
    assert rest == 0
    last = left[per_vector - 1 :: per_vector]
    assert last.tolist() == [cost.beats - 1 + cost.delay + n * cost.interval for n in range(vectors)]
    assert leaving(config, cost.beats, cycles=last[0] + 50).max() == last[0]


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_load_is_the_number_of_words(rows):
    config = linear(10, 12, rows, 4)
    words = pack_weights(np.zeros((12, 10), np.int8), config.tiling)
    assert Cost.of("x_proj", config, 10).load == len(words.addresses)
    assert Cost.of("encoder", encoder(2), 10).load == 0


def when_offered(left, lanes, columns, count):
    """When the converter offers each of ``count`` beats of ``columns`` values that leave ``lanes`` at a time."""
    offered = []
    for beat in range(count):
        source = min(((beat + 1) * columns - 1) // lanes, len(left) - 1)
        offered.append(max(int(left[source]), offered[-1] + 1 if offered else 0))
    return offered


CHAINS = [
    ([(encoder(4), 4, 4), (linear(24, 6, 3, 4), 4, None)], 24),
    ([(encoder(2), 2, 2), (linear(24, 6, 3, 6), 6, None)], 24),  # x_proj waits for the encoder
    ([(encoder(8), 8, 8), (linear(24, 6, 3, 2), 2, None)], 24),
    ([(hadamard(24, 2), 2, 2), (encoder(2), 2, 2)], 24),
    ([(hadamard(24, 2), 2, 2), (encoder(2), 2, 2), (linear(24, 5, 1, 3), 3, None)], 24),
]


@pytest.mark.parametrize(("units", "values"), CHAINS)
def test_chain_is_what_the_models_show(units, values):
    """One vector, handed from model to model."""
    costs = [Cost.of("", config, values) for config, _, _ in units]
    cycles = chain(costs) + 50
    left = source = None
    for (config, lanes, gives), cost in zip(units, costs, strict=True):
        offer = np.ones(cycles, np.bool_)
        if left is not None:
            offer = np.isin(np.arange(cycles), when_offered(left, source, lanes, cost.beats))
        left, source = leaving(config, cost.beats, cycles=cycles, offer=offer), gives
    assert left.max() + 1 == chain(costs)


@pytest.mark.parametrize(("lanes", "tile"), [(4, (3, 4)), (8, (2, 4)), (1, (6, 2))])
def test_prompt_is_what_the_models_show(lanes, tile):
    """Several vectors through encoder and x_proj."""
    unit, x_proj, tokens = encoder(lanes), linear(24, 6, *tile), 7
    costs = Cost.of("encoder", unit, 24), Cost.of("x_proj", x_proj, 24)
    block = Block(stages=((costs,),), layers=3)
    total = block.prompt(tokens) // 3 - block.load
    assert block.slowest is costs[0 if lanes == 1 else 1]
    left = leaving(unit, tokens * costs[0].beats, cycles=total + 100)
    offered = when_offered(left, lanes, tile[1], tokens * costs[1].beats)
    # a converter that is never empty once it has begun, or a unit that is always ready
    offer = np.arange(total + 100) >= offered[0] if lanes > 1 else np.isin(np.arange(total + 100), offered)
    assert leaving(x_proj, tokens * costs[1].beats, cycles=total + 100, offer=offer).max() + 1 == total


def test_block():
    def cost(name, beats, interval, delay, load=0):
        return Cost(name=name, label="", beats=beats, interval=interval, delay=delay, load=load)

    a, b, c, d = cost("a", 4, 4, 5), cost("b", 8, 32, 60, 100), cost("c", 4, 4, 2), cost("d", 4, 40, 9, 70)
    block = Block(stages=(((a, b), (a, c)), ((d,),)), layers=3)
    assert block.units == (a, b, c, d)
    assert block.slowest is d
    assert block.path == (8 + 5 + 60) + (4 + 9)
    assert block.load == 100
    assert block.prompt(1) == block.token(resident=False) == 3 * (100 + 86)
    assert block.prompt(11) == 3 * (100 + 86 + 10 * 40)
    assert block.token(resident=True) == 3 * 86
