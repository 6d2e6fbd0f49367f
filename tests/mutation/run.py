"""Mutation tests of the golden models and of the generator: do the tests detect small faults?

    python -m tests.mutation.run [--modules golden/formats/segmented.py golden/models/quamba ...] [--sample N] [--seed
    S] [-o FILE]

For every mutant (:mod:`tests.mutation.mutants`) the tests of its package that reach its statement are run, until one
fails or they have taken ten seconds. A mutant that no test fails for has survived, unless equivalent.toml tells why
nobody could tell it from the original. In the end the tests that failed for some mutant are run in the same way without
any, and must pass. The sources are copied to build/mutation, and the results stay there: an interrupted run goes on
where it was, and after tests were added only survivors are run again.

Without ``--modules``: every mutant of golden's numeric heart, and samples of the rest of golden and of the generator.
"""

import argparse
import hashlib
import math
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress, table
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.tree import Results, Tree, copied

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
RESULT = ROOT / "docs" / "results" / "verify-mutation-python.json"
BUILD = ROOT / "build" / "mutation"
GOALS = {"golden": 0.95, "rtl_gen": 0.86}  # least scores; the generator's was reached first, and is to become 0.95
CLAIM = "The regression notices a small fault in the golden models and in the generator, as often as the goals ask"
SEED = 2601

SUITES = {"golden": ("tests/golden/",), "rtl_gen": ("tests/rtl_gen/",)}
HEART = (
    "golden/formats/segmented.py", "golden/formats/scale.py", "golden/formats/scalar.py", "golden/formats/inputs.py",
    "golden/formats/presets.py", "golden/formats/tables.py", "golden/formats/codes.py", "golden/quantize/array.py",
    "golden/quantize/tensor.py", "golden/reference/linear.py", "golden/reference/hadamard.py",
    "golden/reference/vectors.py", "golden/calibration/quantizers.py", "golden/calibration/percentile.py",
    "golden/calibration/histogram.py", "golden/calibration/headroom.py", "golden/calibration/segmentation.py",
    "golden/calibration/fitting.py", "golden/calibration/lloyd.py", "golden/io/npy.py", "golden/io/files.py",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Mutants that are counted together: of ``files``, all or ``sample`` of them, chosen by ``seed``."""

    name: str
    package: str
    files: tuple[str, ...]
    sample: int | None

    @property
    def goal(self) -> float:
        """The least score."""
        return GOALS[self.package]

    def mutants(self, root: Path, seed: int) -> tuple[list[Mutant], int]:
        """Those to test, and how many there are."""
        every = [mutant for file in self.files for mutant in mutants(file, (root / file).read_text(encoding="utf-8"))]
        if self.sample is None or self.sample >= len(every):
            return every, len(every)
        drawn = set(sorted(drawing(seed, mutant) for mutant in every)[: self.sample])
        return [mutant for mutant in every if drawing(seed, mutant) in drawn], len(every)


def drawing(seed: int, mutant: Mutant) -> str:
    """The number that is drawn for a mutant, whatever others there are: samples of changed sources differ little."""
    return hashlib.sha256(f"{seed} {mutant.key}".encode()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module; exit status 0 if the goal is reached, 1 if not, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.run", description=__doc__.splitlines()[0])
    parser.add_argument("--modules", nargs="+", metavar="PATH", help="files or folders of golden or rtl_gen")
    parser.add_argument("--sample", type=int, metavar="N", help="at most N mutants of each part")
    parser.add_argument("--seed", type=int, default=SEED, help="of the samples (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=RESULT, help="default: docs/results/%(default.name)s")
    options = parser.parse_args(arguments)
    try:
        parts = _parts(options.modules, options.sample)
        return _run(parts, options.seed, options.output)
    except InputError as error:
        console.print(f"error: {error}")
        return 2


def _parts(modules: Sequence[str] | None, sample: int | None) -> list[Part]:
    if sample is not None and sample < 1:
        raise InputError(f"Sample must be at least 1, not {sample!r}")
    files = {name: [str(path.relative_to(ROOT)) for path in sorted((ROOT / name).rglob("*.py"))] for name in SUITES}
    if modules is None:
        rest = tuple(file for file in files["golden"] if file not in HEART)
        return [
            Part("golden, heart", "golden", HEART, sample),
            Part("golden, rest", "golden", rest, sample or 400),
            Part("generator", "rtl_gen", tuple(files["rtl_gen"]), sample or 200),
        ]
    parts = []
    for module in modules:
        name = module.rstrip("/")
        package = name.partition("/")[0]
        chosen = tuple(file for file in files.get(package, ()) if file == name or file.startswith(f"{name}/"))
        if not chosen:
            raise InputError(f"Modules must be files or folders of {' or '.join(SUITES)}, not {module!r}")
        parts.append(Part(name, package, chosen, sample))
    return parts


def _run(parts: Sequence[Part], seed: int, output: Path) -> int:
    begin = time.monotonic()
    reasons = equivalents(EQUIVALENT)
    root = copied(ROOT, BUILD)
    figures: dict[str, Any] = {"seed": seed}
    items: list[dict[str, Any]] = []
    survivors: list[Mutant] = []
    for part in parts:
        chosen, of = part.mutants(root, seed)
        status = _status(part, root, chosen)
        verdicts = {mutant.key: verdict(status[mutant.key], mutant.key in reasons) for mutant in chosen}
        survivors += [mutant for mutant in chosen if verdicts[mutant.key] in ("survived", "mistaken")]
        sampled = len(chosen) < of
        for name in [part.name] if sampled else part.files:
            mine = [mutant for mutant in chosen if sampled or mutant.file == name]
            if mine:
                items.append(_item(name, part.goal, Counter(verdicts[mutant.key] for mutant in mine)))
        total = _item(part.name, part.goal, Counter(verdicts.values()))
        figures[part.name] = f"{total['score']:.1%} of {len(chosen)} mutants (goal {part.goal:.0%})"
        if sampled:
            low, high = interval(total["killed"] + total["timed_out"], total["mutants"] - total["equivalent"])
            figures[part.name] += f", drawn from {of} (95 % interval {low:.1%} to {high:.1%})"
    listed = BUILD / "survivors.txt"
    listed.write_text("".join(f"{m.key} {m.file} {m.place}\n{m.diff}\n\n" for m in survivors), encoding="utf-8")
    columns = ["what", "mutants", "killed", "timed_out", "equivalent", "survived", "mistaken", "score", "goal"]
    table("Mutants", columns, [[_cell(item[column]) for column in columns] for item in items])
    console.print("\n".join(f"{name}: {figure}" for name, figure in figures.items()))
    console.print(f"{len(survivors)} survivors: {listed.relative_to(ROOT)}")
    for item in items:
        if item["score"] < item["goal"]:
            console.print(f"{item['what']}: not reached: {item['score']:.1%} is below the goal of {item['goal']:.0%}")
    passed = all(item["passed"] for item in items)
    report = evidence(
        claim=CLAIM,
        command="make mutate-python", seconds=time.monotonic() - begin, passed=passed, figures=figures, items=items,
    )  # fmt: skip
    write_json(output, report)
    return 0 if passed else 1


def _status(part: Part, root: Path, chosen: Sequence[Mutant]) -> dict[str, str]:
    tree = Tree(root, part.package, SUITES[part.package])
    results = Results(tree)
    left = [mutant for mutant in chosen if mutant.key not in results.status]
    with progress() as report:
        report(f"{part.name}: which test reaches which line", 0.0)
        _ = tree.reached
        for number, (mutant, status, test) in enumerate(tree.judged(left) if left else ()):
            results.add(mutant, status, test)
            report(f"{part.name}: {len(left)} of {len(chosen)} mutants to test", (number + 1) / len(left))
        if left:
            report(f"{part.name}: the tests that failed, without a fault", 1.0)
            results.check(chosen)
    return {mutant.key: results.status[mutant.key][0] for mutant in chosen}


def verdict(status: str, explained: bool) -> str:
    """The category of a mutant; ``mistaken`` if it is listed as equivalent, yet a test fails for it."""
    if status in ("killed", "timeout"):
        return "mistaken" if explained else status
    return "equivalent" if explained else "survived"


def _item(what: str, goal: float, counts: Counter[str]) -> dict[str, Any]:
    noticed = counts["killed"] + counts["timeout"]
    real = counts.total() - counts["equivalent"]
    score = noticed / real if real else 1.0
    return {
        "what": what,
        "mutants": counts.total(),
        "killed": counts["killed"],
        "timed_out": counts["timeout"],
        "equivalent": counts["equivalent"],
        "survived": counts["survived"],
        "mistaken": counts["mistaken"],
        "score": score,
        "goal": goal,
        "passed": score >= goal and not counts["mistaken"],
    }


def interval(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z = 1.96
    middle = (successes + z * z / 2) / (trials + z * z)
    half = z / (trials + z * z) * math.sqrt(successes * (trials - successes) / trials + z * z / 4)
    return middle - half, middle + half


def equivalents(path: Path) -> dict[str, str]:
    """By key, the reason why a mutant is equivalent to the original."""
    groups = tomllib.loads(path.read_text(encoding="utf-8"))["equivalent"]
    return {mutant["key"]: group["reason"] for group in groups for mutant in group["mutants"]}


def _cell(value: Any) -> str:
    return f"{value:.1%}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
