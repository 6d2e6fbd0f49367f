"""The order of the floors: who may import whom, in every file of the five folders, imports inside functions included.

Floors from the bottom up: golden, rtl_gen, sim, synth, qse_hw; in the last one study below cli. Rooms of golden from
the bottom up: errors, checks and io, formats, quantize, functions, reference and calibration, models, evaluate. synth
imports sim because mutants of netlists run in simulators, with stimuli chosen by the cycle-accurate model.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("golden", "rtl_gen", "sim", "synth", "qse_hw")

# What a floor or room may import, beside itself.
FLOORS = {
    "golden": set(),
    "rtl_gen": {"golden"},
    "sim": {"golden", "rtl_gen"},
    "synth": {"golden", "rtl_gen", "sim"},
    "study": {"golden", "rtl_gen", "sim", "synth"},
    "cli": {"golden", "rtl_gen", "sim", "synth", "study"},
}
_NUMBERS = {"golden", "errors", "checks", "io", "formats", "quantize"}
ROOMS_OF_GOLDEN = {
    "golden": set(),  # the package itself: where its assets lie
    "errors": set(),
    "checks": {"golden", "errors"},
    "io": {"golden", "errors", "checks"},
    "formats": {"golden", "errors", "checks", "io"},
    "quantize": _NUMBERS - {"quantize"},
    "functions": _NUMBERS,
    "reference": _NUMBERS | {"functions"},
    "calibration": _NUMBERS,
    "models": _NUMBERS | {"reference", "functions", "calibration"},
    "evaluate": _NUMBERS | {"reference", "functions", "calibration", "models"},
}


class Import(NamedTuple):
    """A module that ``line`` of ``file`` imports; ``floor`` and ``room`` of the file."""

    file: str
    line: int
    module: str

    @property
    def importer(self) -> str:
        parts = Path(self.file).with_suffix("").parts
        return ".".join(parts if parts[0] == "qse_hw" else ("qse_hw", *parts))


def imports(root: Path = ROOT) -> Iterator[Import]:
    """Every import of the five folders, one per imported name."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for module in _modules(node):
                    yield Import(path.relative_to(root).as_posix(), node.lineno, module)


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
        return [_text(node.args[0])]
    return []


def _text(node: ast.expr) -> str:
    """A text, up to where it is computed."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) else ""


def floor(module: str) -> str | None:
    """The floor of a module of this project, None for others and for what belongs to none: the front door."""
    parts = module.split(".")
    return parts[1] if parts[0] == "qse_hw" and len(parts) > 1 and parts[1] in FLOORS else None


def room(module: str) -> str:
    """The room of a module of golden."""
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[2] in ROOMS_OF_GOLDEN else "golden"


def upward(found: Import) -> bool:
    """Whether an import goes where it must not."""
    above, below = floor(found.importer), floor(found.module)
    if above is None:
        return False
    if below is None:
        return found.module.split(".")[0] == "qse_hw" and found.module not in {f"qse_hw.{name}" for name in FLOORS}
    if above == below == "golden":
        here, there = room(found.importer), room(found.module)
        return there != here and there not in ROOMS_OF_GOLDEN[here]
    return above != below and below not in FLOORS[above]


def test_nothing_is_imported_from_above():
    wrong = [found for found in imports() if upward(found)]
    assert not wrong, "\n".join(f"{found.file}:{found.line} imports {found.module}" for found in wrong)


def test_one_package():
    """No folder is imported by its own name: on a user's machine these are inside qse_hw."""
    wrong = [found for found in imports() if found.module.split(".")[0] in {*FOLDERS, "tests"} - {"qse_hw"}]
    assert not wrong, "\n".join(f"{found.file}:{found.line} imports {found.module}" for found in wrong)


def test_every_room_of_golden_has_its_place():
    inside = (ROOT / "golden").iterdir()
    rooms = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == ROOMS_OF_GOLDEN.keys() - {"golden"}


@pytest.mark.parametrize("order", [FLOORS, ROOMS_OF_GOLDEN], ids=["floors", "rooms"])
def test_the_order_has_no_circle(order):
    """Each imports only what comes before it."""
    seen = set()
    for name, below in order.items():
        assert below <= seen, name
        seen.add(name)


@pytest.mark.parametrize(
    ("file", "line", "wrong"),
    [
        ("golden/io/files.py", "from qse_hw.golden.errors import InputError", False),
        ("golden/io/files.py", "from qse_hw.golden.formats.scale import Scale", True),
        ("golden/formats/scale.py", "from qse_hw.golden.quantize import array", True),
        ("golden/formats/scale.py", "def f():\n    from qse_hw.golden.quantize import array", True),
        ("golden/formats/scale.py", "import_module('qse_hw.golden.quantize.operators')", True),
        ("golden/formats/scale.py", "importlib.import_module(f'qse_hw.golden.quantize.{name}')", True),
        ("golden/reference/linear.py", "from qse_hw.golden.calibration.tune import tune", True),
        ("golden/calibration/tune.py", "from qse_hw.golden.reference.linear import Tiling", True),
        ("golden/models/mamba/scan.py", "import qse_hw.golden.evaluate.score", True),
        ("golden/models/mamba/scan.py", "from qse_hw import golden", False),
        ("golden/formats/scale.py", "import qse_hw", True),
        ("golden/formats/scale.py", "from qse_hw import quantize", True),
        ("golden/formats/scale.py", "from qse_hw.rtl_gen import encoder", True),
        ("rtl_gen/encoder.py", "from qse_hw.sim.packing import pack", True),
        ("sim/packing.py", "from qse_hw import synth", True),
        ("synth/flow.py", "from qse_hw.sim.packing import pack", False),
        ("qse_hw/study/sources.py", "from qse_hw.cli.units import unit_config", True),
        ("qse_hw/study/sources.py", "from qse_hw.cli import units", True),
        ("qse_hw/cli/gen.py", "from qse_hw.study.console import console", False),
        ("qse_hw/__init__.py", "from qse_hw.golden.errors import InputError", False),
    ],
)
def test_the_test_sees(tmp_path, file, line, wrong):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(f"{line}\n")
    assert any(map(upward, imports(tmp_path))) is wrong
