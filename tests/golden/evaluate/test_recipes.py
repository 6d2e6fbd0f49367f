"""x alone, or the whole recipe, with the quantizers where they belong."""

import pytest
import torch

from qse_hw.golden.calibration.quantizers import CodebookQuantizer, SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate.recipes import check_recipe, quamba, x_only
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.quamba.calibrate import calibrate_quamba
from qse_hw.golden.models.quamba.calibrate_mamba2 import calibrate_quamba2
from qse_hw.golden.models.quamba.mamba2 import QuambaMamba2
from qse_hw.golden.models.quamba.model import QuambaMamba

from .conftest import random_model


class Identity:
    def tensor(self, x):
        return x


def candidates():
    steps = [0.01, 0.02]
    return {
        "se8": [SegmentedQuantizer(format=load_format("se8"), scale=Scale.from_step(step)) for step in steps],
        "codebook": [CodebookQuantizer.nearest(torch.linspace(-1, 1, 200).numpy() * 100 * step) for step in steps],
    }


def test_x_only(model, ids):
    ids = ids[:100].view(2, 50)
    models = x_only(model)({"same": [Identity(), Identity()], **candidates()})
    torch.testing.assert_close(models["same"](ids), model(ids), rtol=0, atol=0)
    for name, quantizers in candidates().items():
        expected = model(ids, lambda i, n, x, q=quantizers: torch.from_numpy(q[i].array(x.numpy())) if n == "x" else x)
        torch.testing.assert_close(models[name](ids), expected, rtol=0, atol=0)
        assert not torch.equal(expected, model(ids))


@pytest.mark.parametrize(("reads", "state"), [("code", "fp32"), ("int8", "int8")])
def test_quamba(mamba1, ids, reads, state):
    models = quamba(mamba1, ids, tokens=1536, x_proj_input=reads, state=state)(candidates())
    calibration = calibrate_quamba(mamba1, ids, tokens=1536)
    text = ids[:100].view(2, 50)
    for _ in range(2):  # they share what does not depend on x, and must not disturb each other
        for name, quantizers in candidates().items():
            alone = QuambaMamba(mamba1, calibration, quantizers, x_proj_input=reads, state=state)
            torch.testing.assert_close(models[name](text), alone(text), rtol=0, atol=0)


def test_quamba2(ids):
    model, shares = random_model("mamba2"), []
    wanted = {"se8": candidates()["se8"]}
    wanted["doubled"] = [SegmentedQuantizer(format=one.format, scale=Scale.from_step(0.5)) for one in wanted["se8"]]
    models = quamba(model, ids, tokens=1024, progress=shares.append)(wanted)
    assert max(shares) == 1
    calibration = calibrate_quamba2(model, ids, tokens=1024)
    text = ids[:100].view(2, 50)
    for _ in range(2):
        for name, quantizers in wanted.items():
            alone = QuambaMamba2(model, calibration, quantizers)
            torch.testing.assert_close(models[name](text), alone(text), rtol=0, atol=0)
    with pytest.raises(InputError, match="Model must be a Mamba-1 for --x-proj-input or --state"):
        quamba(model, ids, tokens=1024, state="fp16")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("w4a4", "code", "fp32"), "Recipe must be one of x-only, quamba, not 'w4a4'"),
        (("quamba", "x", "fp32"), "x_proj input must be one of code, int8, not 'x'"),
        (("quamba", "code", "fp8"), "State must be one of fp32, fp16, int8, not 'fp8'"),
        (("x-only", "int8", "fp32"), "Recipe must be quamba where"),
    ],
)
def test_what_goes_together(arguments, message):
    with pytest.raises(InputError, match=message):
        check_recipe(*arguments)
