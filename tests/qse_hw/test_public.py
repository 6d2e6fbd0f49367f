"""The public names of qse_hw."""

import subprocess
import sys

import pytest

import qse_hw


def test_every_public_name_is_there():
    pytest.importorskip("torch")
    for name in qse_hw.__all__:
        assert getattr(qse_hw, name) is not None
    assert sorted(qse_hw.__all__) == sorted({*qse_hw.__all__})


@pytest.mark.full
def test_what_needs_pytorch_loads_it_when_used():
    pytest.importorskip("torch")
    script = (
        "import sys, qse_hw\n"
        "assert not {'torch', 'amaranth', 'jsonschema'} & sys.modules.keys()\n"
        "qse_hw.quantize_model\n"
        "assert 'torch' in sys.modules\n"
        "assert qse_hw.operators.quantize\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_public_name_is_listed():
    script = "import qse_hw; assert {*qse_hw.__all__, '__doc__'} <= {*dir(qse_hw)}"
    subprocess.run([sys.executable, "-c", script], check=True)  # anew: in this process the lazy names may be loaded


def test_unknown_names():
    with pytest.raises(AttributeError, match=r"^module 'qse_hw' has no attribute 'nothing'$"):
        qse_hw.nothing  # noqa: B018
