"""What an error of x does at a layer's output: against the Jacobian, and against the layer itself."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from qse_hw.golden.calibration.quantizers import CodebookQuantizer, SegmentedQuantizer
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.mamba import sensitivity
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Block, Mamba, MambaConfig
from qse_hw.golden.models.mamba.sensitivity import output_error, output_weights

CONFIGS = [
    MambaConfig(d_model=2, n_layer=1, vocab_size=7, d_state=3),
    Mamba2Config(d_model=4, n_layer=1, vocab_size=7, d_state=3, headdim=4, ngroups=2, chunk=2),
]
LENGTH = 3


@pytest.fixture(params=CONFIGS, ids=["mamba1", "mamba2"])
def block(request: pytest.FixtureRequest) -> Block:
    model = Mamba(request.param).eval()
    initialize(model, 3)
    with torch.no_grad():  # so that x matters through x_proj, too, and every output differs
        generator = torch.Generator().manual_seed(4)
        for parameter in model.blocks[0].parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.blocks[0].requires_grad_(False)


def residual_of(block: Block, sequences: int = 2, length: int = LENGTH) -> Tensor:
    size = block.norm.weight.shape[0]
    return torch.randn(sequences, length, size, generator=torch.Generator().manual_seed(5))


def x_of(block: Block, sequence: Tensor) -> Tensor:
    seen: list[Tensor] = []
    block(sequence[None], transform=lambda name, value: seen.append(value.clone()) or value if name == "x" else value)
    return seen[0][0]


def squared_columns(block: Block, sequence: Tensor) -> np.ndarray:
    """Of the Jacobian of the output with respect to x: (length, channels)."""

    def output(x: Tensor) -> Tensor:
        return block(sequence[None], transform=lambda name, value: x[None] if name == "x" else value)

    jacobian = torch.autograd.functional.jacobian(output, x_of(block, sequence))  # (1, l, m, l, d)
    return jacobian.square().sum((0, 1, 2)).numpy()


def test_the_mean_over_all_signs_is_the_jacobians(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    residual = residual_of(block, 1, 2)
    outputs = residual[0].numel()
    every = iter(product((0, 1), repeat=outputs))
    monkeypatch.setattr(
        sensitivity.torch, "randint",
        lambda low, high, shape, generator: torch.tensor(next(every)).view(shape),
    )  # fmt: skip
    result = output_weights(block, residual, probes=2**outputs)
    assert next(every, None) is None
    np.testing.assert_allclose(result, squared_columns(block, residual[0]), rtol=1e-4)


@pytest.mark.full
@pytest.mark.every(2)
def test_many_probes_converge(block: Block) -> None:
    residual = residual_of(block)
    want = np.concatenate([squared_columns(block, sequence) for sequence in residual])
    result = output_weights(block, residual, probes=2000)
    assert result.shape == want.shape == (2 * LENGTH, x_of(block, residual[0]).shape[1])
    assert result.dtype == np.float32
    assert np.abs(result / want - 1).mean() < 0.06  # a probe is off by 1.4 at most, 2000 by 0.03


def test_deterministic(block: Block) -> None:
    residual = residual_of(block)
    first = output_weights(block, residual)
    torch.manual_seed(99)
    with torch.no_grad():  # whatever the caller's mode and generator
        assert np.array_equal(first, output_weights(block, residual))
    assert not np.array_equal(first, output_weights(block, residual, seed=1))
    assert np.array_equal(output_weights(block, residual[:1]), first[:LENGTH])


def test_nothing_is_left_behind(block: Block) -> None:
    output_weights(block, residual_of(block))
    assert all(parameter.grad is None for parameter in block.parameters())


def test_causal(block: Block) -> None:
    """The last token's x moves one output only, the first one's all."""
    residual = residual_of(block, 1)
    moved = residual.clone()
    moved[0, -1] += 1
    result, other = (squared_columns(block, sequence) for sequence in (residual[0], moved[0]))
    assert not np.allclose(result[-1], other[-1])
    x = x_of(block, residual[0])

    def with_x(value: Tensor) -> Tensor:
        return block(residual, transform=lambda name, old: value[None] if name == "x" else old)[0]

    nudged = x.clone()
    nudged[-1] += 0.1
    change = (with_x(nudged) - with_x(x)).abs().sum(-1)
    assert change[:-1].max() == 0
    assert change[-1] > 0


def quantizers() -> list[SegmentedQuantizer | CodebookQuantizer]:
    return [
        SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(0.05)),
        CodebookQuantizer.nearest(np.linspace(-1, 2, 9)),
        CodebookQuantizer.nearest(np.array([0.0, 1e9])),  # x becomes 0
    ]


def test_output_error_is_the_layers(block: Block) -> None:
    residual = residual_of(block, 3)
    result = output_error(block, residual, quantizers())
    power, errors = 0.0, np.zeros(3)
    for sequence in residual:
        exact = block(sequence[None]).double()
        power += float((exact - sequence).square().sum())
        x = x_of(block, sequence)
        for number, quantizer in enumerate(quantizers()):
            decoded = torch.from_numpy(quantizer.array(x.numpy()))[None]
            moved = block(sequence[None], transform=lambda name, old, d=decoded: d if name == "x" else old)
            errors[number] += float((moved.double() - exact).square().sum())
    assert result == pytest.approx((errors / power).tolist(), rel=1e-6)
    assert result[2] > result[1] > result[0] > 0
    assert result == output_error(block, residual, quantizers())
    assert output_error(block, residual, []) == []
    values = np.unique(np.concatenate([x_of(block, s).numpy().ravel() for s in residual]))
    exact_ones = [CodebookQuantizer.nearest(values)]
    assert output_error(block, residual, exact_ones) == [0.0]


def test_small_errors_are_what_the_weights_say(block: Block) -> None:
    """The prediction holds on average over signs of the errors, which is what it claims."""
    residual = residual_of(block, 1)
    x, weights = x_of(block, residual[0]), squared_columns(block, residual[0])
    size = 1e-2 * (1 + torch.arange(x.numel()).view(x.shape) % 3)
    generator, exact = torch.Generator().manual_seed(6), block(residual)
    moved = []
    for _ in range(400):
        errors = size * (torch.randint(0, 2, x.shape, generator=generator) * 2 - 1)
        output = block(residual, transform=lambda name, old, e=errors: old + e if name == "x" else old)
        moved.append(float((output - exact).double().square().sum()))
    assert np.mean(moved) == pytest.approx(float((weights * size.numpy() ** 2).sum()), rel=0.15)
