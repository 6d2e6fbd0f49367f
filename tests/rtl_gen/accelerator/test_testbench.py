"""An accelerator's own testbench: it passes, and says what is wrong where something is."""

import pytest

from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.image.layout import PARTS
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.mamba.model import MambaConfig
from qse_hw.rtl_gen.accelerator import testbench as module
from qse_hw.rtl_gen.emit.emit import write
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from tests.golden.models.integer import small
from tests.rtl_gen.emit.test_testbench import SIMULATORS, compiled, run

TINY = MambaConfig(d_model=8, n_layer=1, vocab_size=16, d_state=2, dt_rank=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    model, options = small.noisy(TINY), Options(spec="se8:L=8", objective="x", local_bits=16, mode="shared")
    formats = calibrate_integer(model, small.text() % TINY.vocab_size, tokens=512, options=options)
    return small.saved(tmp_path_factory.mktemp("tiny"), model, formats)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return small.saved(tmp_path_factory.mktemp("small"))


def written(config, simulator, folder):
    """The command that runs the testbench of what gen writes."""
    write(config, folder)
    return compiled(simulator, "tb_qse_accelerator", sorted(folder.glob("*.v")), folder)


def changed(path, line, change):
    """A line of a file is another."""
    lines = path.read_text().splitlines()
    lines[line] = change(lines[line])
    path.write_text("\n".join([*lines, ""]))


def other(digits):
    """The last digit is another."""
    return f"{digits[:-1]}{int(digits[-1], 16) ^ 1:x}"


def test_what_is_wrong_is_said(tiny, tmp_path):
    config = AcceleratorConfig(**tiny, rows=4, columns=4)
    tokens, logits = config.vectors()["logits"].shape
    command = written(config, "icarus", tmp_path)
    good = run(command, tmp_path)
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, f"PASS {tokens * (1 + logits)} beats")
    for name, line, sentence in (
        ("logits", 2 * logits + 3, "FAIL beat 3 is "),
        ("ids", 1, "FAIL beat 0 is "),
        ("image", 0, "FAIL STATUS is 0000020"),  # IMAGE_MISMATCH
        ("image", -1, f"FAIL STATUS is 000{len(PARTS)}040"),  # IMAGE_DAMAGED, in the last part
    ):
        path = tmp_path / f"tb_qse_accelerator_{name}.hex"
        text = path.read_text()
        changed(path, line, other)
        bad = run(command, tmp_path)
        path.write_text(text)
        assert bad.returncode != 0
        assert bad.stdout.startswith(sentence), (bad.stdout, name)
        assert "PASS" not in bad.stdout


@pytest.mark.full
def test_no_testbench_for_a_large_image(tiny, tmp_path, monkeypatch):
    config = AcceleratorConfig(**tiny, rows=4, columns=4)
    monkeypatch.setattr(module, "MAX_IMAGE", config.image.size - 1)
    names = {path.name for path in write(config, tmp_path)}
    assert "qse_accelerator.v" in names
    assert not [name for name in names if name.startswith("tb_")]
    assert "sim" not in (tmp_path / "qse_accelerator.core").read_text()


@pytest.mark.full
@SIMULATORS
@pytest.mark.parametrize(
    "options",
    [
        {"rows": 8, "columns": 8, "target": "ecp5"},
        {"rows": 4, "columns": 2, "bus_bits": 64, "address_bits": 40, "sequences": 3, "burst_beats": 4},
    ],
    ids=lambda options: f"{options['rows']}x{options['columns']}",
)
def test_the_files_check_themselves(usual, options, simulator, tmp_path):
    config = AcceleratorConfig(**usual, **options)
    tokens, logits = config.vectors()["logits"].shape
    command = written(config, simulator, tmp_path)
    good = run(command, tmp_path)
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, f"PASS {tokens * (1 + logits)} beats")
    changed(tmp_path / "tb_qse_accelerator_tokens.hex", 0, other)
    assert run(command, tmp_path).stdout.startswith("FAIL beat ")
