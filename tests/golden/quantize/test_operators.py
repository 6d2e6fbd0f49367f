"""The operators: registered soundly, traceable, differentiable, equal to plain operations however they are called."""

import pytest

torch = pytest.importorskip("torch")

from qse_hw.golden.formats.presets import PRESETS, int8, load_format, se8  # noqa: E402
from qse_hw.golden.formats.scale import Scale  # noqa: E402
from qse_hw.golden.quantize import operators, tensor  # noqa: E402
from qse_hw.golden.quantize.saturation import limits  # noqa: E402
from tests.golden.formats import oracles  # noqa: E402
from tests.golden.quantize import backends  # noqa: E402

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
SCALE = Scale.from_step(0.0203)

pytestmark = pytest.mark.filterwarnings("ignore:.*is_sparse_any.*:DeprecationWarning")


def values(dtype=torch.float32, device="cpu", *, shape=(7, 300)):
    draw = torch.Generator().manual_seed(2601)
    return (torch.randn(shape, generator=draw, dtype=torch.float64) * 3).to(device, dtype)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [*PRESETS, *oracles.DOCUMENTS])
def test_equal_to_plain_operations(name, device):
    format, x = oracles.make(name), values(device=device)
    codes = operators.quantize(x, format, SCALE)
    assert backends.equal(codes, tensor.quantize(x.cpu(), format, SCALE))
    assert backends.equal(operators.dequantize(codes, format, SCALE), tensor.dequantize(codes.cpu(), format, SCALE))
    assert backends.equal(operators.fake_quantize(x, format, SCALE), tensor.fake_quantize(x.cpu(), format, SCALE))
    result, counts = operators.quantize_histogram(x, format, SCALE)
    assert backends.equal(result, codes.cpu())
    assert backends.equal(counts, tensor.quantize_histogram(x.cpu(), format, SCALE)[1])
    weight = (torch.arange(5 * 300) % 251 - 125).to(device, torch.int8).view(5, 300)
    assert backends.equal(operators.linear(codes, weight, format), tensor.linear(codes.cpu(), weight.cpu(), format))


@pytest.mark.every(6)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["int8", "se8-silu", "se9-paper"])
def test_opcheck(name, dtype, device):
    text, x = operators._text(load_format(name)), values(dtype, device, shape=(3, 40))
    namespace = torch.ops.qse_hw
    codes = namespace.quantize(x, text, SCALE.M, SCALE.k, 0)
    weight = torch.ones((4, 40), dtype=torch.int8, device=device)
    for operator, given in (
        (namespace.quantize, (x, text, SCALE.M, SCALE.k, 0)),
        (namespace.dequantize, (codes, text, SCALE.M, SCALE.k, dtype)),
        (namespace.fake_quantize, (x.requires_grad_(), text, SCALE.M, SCALE.k)),
        (namespace.quantize_histogram, (x.detach(), text, SCALE.M, SCALE.k)),
        (namespace.linear, (codes, weight, text)),
    ):
        torch.library.opcheck(operator.default, given)


def everything(x, weight, format):
    codes = operators.quantize(x, format, SCALE)
    decoded = operators.dequantize(codes, format, SCALE, dtype=x.dtype)
    more, counts = operators.quantize_histogram(x + 1, format, SCALE)
    return decoded + operators.fake_quantize(x * 2, format, SCALE), operators.linear(more, weight, format), counts


@pytest.mark.full
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_whole(dtype, device):
    """One graph, whatever the size; another format is noticed."""
    x, weight = values(dtype, device), torch.ones((3, 300), dtype=torch.int8, device=device)
    compiled = torch.compile(everything, fullgraph=True, backend="aot_eager", dynamic=True)
    for format in (se8(), int8(), se8(L=12)):
        for rows in (7, 5):
            for result, expected in zip(
                compiled(x[:rows], weight, format), everything(x[:rows], weight, format), strict=True
            ):
                assert backends.equal(result, expected.cpu())


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")  # of Inductor itself
def test_compiled_by_inductor():
    x, weight = values(), torch.ones((3, 300), dtype=torch.int8)
    compiled = torch.compile(everything, fullgraph=True)
    for result, expected in zip(compiled(x, weight, se8()), everything(x, weight, se8()), strict=True):
        assert backends.equal(result, expected)


class Fake(torch.nn.Module):
    def __init__(self, format):
        super().__init__()
        self.format = format

    def forward(self, x):
        return operators.fake_quantize(x, self.format, SCALE) + 1


def test_exported_with_any_batch():
    """The graph says format and scale by itself: it is saved, loaded, and run on another size."""
    x, format = values(), se8()
    exported = torch.export.export(Fake(format), (x,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    (node,) = [node for node in exported.graph.nodes if "fake_quantize" in str(node.target)]
    assert node.args[1:] == (operators._text(format), SCALE.M, SCALE.k)
    assert backends.equal(exported.module()(x[:3]), Fake(format)(x[:3]))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("autocast", [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(autocast, device):
    for dtype in DTYPES:
        x = values(dtype, device)
        with torch.autocast(device, autocast):
            result = operators.quantize(x, se8(), SCALE), operators.fake_quantize(x, se8(), SCALE)
        assert backends.equal(result[0], tensor.quantize(x.cpu(), se8(), SCALE))
        assert backends.equal(result[1], tensor.fake_quantize(x.cpu(), se8(), SCALE))


def test_vmap():
    x = values(shape=(4, 5, 6))
    for axis in (0, 1, 2):
        codes = torch.vmap(lambda x: operators.quantize(x, se8(), SCALE), in_dims=axis)(x)
        assert torch.equal(codes, tensor.quantize(x.movedim(axis, 0), se8(), SCALE))
        decoded = torch.vmap(lambda codes: operators.dequantize(codes, se8(), SCALE))(codes)
        assert torch.equal(decoded, tensor.dequantize(codes, se8(), SCALE))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(PRESETS))
def test_gradient_is_straight_through_up_to_the_very_limits(name, dtype):
    format = load_format(name)
    low, high = limits(format, SCALE, "float64" if dtype == torch.float64 else "float32")
    x = torch.tensor([low, high, 0.0, -0.0, 0.3, torch.inf, -torch.inf, torch.nan], dtype=dtype)
    if dtype in (torch.float32, torch.float64):
        x = torch.cat([x, torch.nextafter(x[:2], torch.tensor([-torch.inf, torch.inf], dtype=dtype))])
    saturated = tensor.quantize_histogram(x, format, SCALE)[1][-2]
    x.requires_grad_()
    gradient = torch.arange(1, len(x) + 1, dtype=dtype)
    operators.fake_quantize(x, format, SCALE).backward(gradient)
    passed, nan = x.grad == gradient, x.isnan()
    assert x.grad[nan].isnan().all()
    assert not x.grad[~passed & ~nan].any()
    assert int((~passed & ~nan).sum()) == int(saturated)
    assert passed[2:5].all()


def test_gradient_of_int8_is_that_of_pytorch():
    s = 2.0**-5
    x = torch.linspace(-130 * s, 130 * s, 4001).requires_grad_()
    torch.fake_quantize_per_tensor_affine(x, s, 0, -128, 127).sum().backward()
    expected, x.grad = x.grad, None
    operators.fake_quantize(x, int8(), Scale.from_step(s)).sum().backward()
    ties = ((x / s).detach() + 0.5) % 1 == 0  # PyTorch rounds those to even, which decides at the two ends
    assert torch.equal(x.grad[~ties], expected[~ties])


def test_gradient_of_a_gradient():
    """Of the square alone: the quantizer itself is as straight as a line, or flat."""
    x = torch.tensor([0.3, -2.0, 100.0], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad((operators.fake_quantize(x, se8(), SCALE) ** 2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert second.tolist() == [2.0, 2.0, 0.0]


def test_the_graph_keeps_nothing_of_codes():
    x = values().requires_grad_()
    assert not operators.quantize(x, se8(), SCALE).requires_grad
    assert operators.fake_quantize(x, se8(), SCALE).requires_grad


def test_a_gpu_takes_the_kernels(monkeypatch):
    pytest.importorskip("triton")
    from qse_hw.golden.quantize import triton as kernels

    fake = type("Cuda", (), {"device": torch.device("cuda", 0)})()
    assert operators._backend(fake) is kernels
