"""Every input through the netlists of the units of docs/functions.md: python docs/functions_netlists.py [NAME ...].

The units within 2^-12 with the cheapest borders, as each target's synthesis makes them, compared with golden in
Verilator. NAME: functions; all if none is named. Makes docs/results/functions-netlists.json, anew after each netlist;
what is there from the same sources is kept.
"""

import argparse
import json
from dataclasses import asdict
from functools import partial
from typing import Any

from functions_runs import DOMAIN, MULTIPLIERS, RESULTS, unit

from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.sim.exhaust.bulk import Bulk
from qse_hw.sim.exhaust.exhaust import Check, exhaust
from qse_hw.study.netlist import netlists

PATH = RESULTS / "functions-netlists.json"
SCHEMA = "qse-hw/functions-netlists/1"
BITS = 12


def main(names: list[str]) -> None:
    """Check the netlists of the functions that are named."""
    record = {"schema": SCHEMA, "command": "python docs/functions_netlists.py", **environment()}
    results = kept(record["sources"])
    for name in names or DOMAIN:
        for on, multiplier in ((on, multiplier) for multiplier, those in MULTIPLIERS.items() for on in those):
            config = unit(name, BITS, multiplier=multiplier)
            if any((one["label"], one["target"]) == (config.label, on) for one in results):
                continue
            (finding,) = exhaust([Check(config=config)], build=partial(Bulk, build=netlists(on)))
            results.append({"function": name, "target": on, **asdict(finding), "passed": finding.passed})
            write_json(PATH, {**record, "results": results})
            print(name, on, "passed" if finding.passed else finding.first, flush=True)


def kept(sources: dict[str, str]) -> list[dict[str, Any]]:
    """The results that are there, if they are those of these sources."""
    if not PATH.exists():
        return []
    document = json.loads(PATH.read_text(encoding="utf-8"))
    results: list[dict[str, Any]] = document["results"] if document["sources"] == sources else []
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Every input through the netlists of function units.")
    parser.add_argument("names", nargs="*", choices=[*DOMAIN, []], metavar="NAME", help=", ".join(DOMAIN))
    main(parser.parse_args().names)
