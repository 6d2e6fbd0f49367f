"""How long the tests take: docs/tests.md, from what pytest has measured.

python docs/tests.py record JUNIT JSON   a run's seconds, from the file of ``pytest --junitxml``
python docs/tests.py [--check]           the page
"""

import argparse
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from blocks import fill, markdown

from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import read_json, write_json

SCHEMA = "qse-hw/test-times/1"
PAGE = Path(__file__).with_name("tests.md")
RESULTS = Path(__file__).parent / "results"
RUNS = {"`make test`": "test-times", "`make test-full`": "test-times-full"}
SLOWEST = 30


def summarize(junit: Path) -> dict[str, Any]:
    """Wall time, counts, and the slowest tests with their fixtures' time."""
    (suite,) = ElementTree.parse(junit).getroot().iter("testsuite")
    cases = [(float(case.get("time", 0)), _node(case)) for case in suite.iter("testcase")]
    return {
        "schema": SCHEMA,
        "seconds": round(float(suite.attrib["time"]), 1),
        "tests": len(cases),
        "skipped": int(suite.attrib["skipped"]),
        "failed": int(suite.attrib["failures"]) + int(suite.attrib["errors"]),
        "sum_of_tests_seconds": round(sum(seconds for seconds, _ in cases), 1),
        "slowest": [{"test": test, "seconds": seconds} for seconds, test in sorted(cases, reverse=True)[:SLOWEST]],
        **environment(),
    }


def _node(case: ElementTree.Element) -> str:
    return f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}"


def page(text: str) -> str:
    """The page with its tables made anew."""
    paths = {name: RESULTS / f"{file}.json" for name, file in RUNS.items()}
    runs = {name: read_json(path, str(path)) for name, path in paths.items() if path.exists()}
    rows = [
        [name, *(f"{run[key]:,}" for key in ("tests", "failed")), f"{run['seconds'] / 60:.1f}",
         f"{run['machine']['cores']}", run["commit"][:7]]
        for name, run in runs.items()
    ]  # fmt: skip
    slowest = [[f"`{one['test']}`", f"{one['seconds']:.1f}"] for one in runs["`make test`"]["slowest"]]
    return fill(
        text,
        {
            "runs": markdown(["run", "tests", "of them failed", "minutes", "cores", "commit"], rows),
            "slowest": markdown(["test", "seconds"], slowest),
        },
    )


def main(arguments: list[str]) -> None:
    """Record a run, or write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if the page is not what the records say")
    commands = parser.add_subparsers(dest="action")
    record = commands.add_parser("record", help="keep what a run of pytest measured")
    record.add_argument("junit", type=Path)
    record.add_argument("json", type=Path)
    args = parser.parse_args(arguments)
    if args.action == "record":
        write_json(args.json, summarize(args.junit))
        return
    before = PAGE.read_text(encoding="utf-8")
    after = page(before)
    if args.check:
        sys.exit(0 if after == before else f"{PAGE.name} is not what its records say; run python docs/tests.py")
    PAGE.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
