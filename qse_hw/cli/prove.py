"""Prove that a unit's Verilog is right: its function for all inputs, its stream rules, that every case is reached."""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qse_hw.cli.units import add_unit_parsers, unit_config
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.study.console import console, table
from qse_hw.study.sources import integer
from qse_hw.synth.formal import PROVED

if TYPE_CHECKING:
    from qse_hw.rtl_gen.emit.unit import UnitConfig
    from qse_hw.synth.formal.task import Fault, Result, Task

_Job = tuple["UnitConfig", "Task", "Fault | None"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A unit with its options, or the standard list; what to prove of them."""
    parser.add_argument("--all", action="store_true", help="prove the standard list instead of a unit")
    parser.add_argument("--quick", action="store_true", help="with --all: a shorter list, about a minute")
    _add_common(parser)
    parser.set_defaults(property=None, faults=False, jobs=1, timeout=900, json=None, keep=None)
    add_unit_parsers(parser, _add_common, names=PROVED, required=False)


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Options before or after the unit; without defaults, as the unit's would overwrite what stands before it."""
    unset = argparse.SUPPRESS
    parser.add_argument("--property", metavar="NAME", default=unset, help="prove only this property")
    parser.add_argument(
        "--faults", action="store_true", default=unset, help="check instead that every property fails on faulty units"
    )
    parser.add_argument("--jobs", metavar="N", type=integer, default=unset, help="proofs at a time (default 1)")
    parser.add_argument("--timeout", metavar="S", type=integer, default=unset, help="seconds per proof (default 900)")
    parser.add_argument("--json", metavar="FILE", default=unset, help="also write the results to this file")
    parser.add_argument("--keep", metavar="DIR", default=unset, help="keep the SymbiYosys jobs, logs and traces here")


def run(args: argparse.Namespace) -> None:
    """Prove, print a table; status 1 if anything was not proved."""
    _check(args)
    configs = _configs(args)
    from qse_hw.golden.io.evidence import evidence
    from qse_hw.golden.io.files import write_json
    from qse_hw.synth.formal.task import command, run_all

    command()  # raises for missing tools before the first proof
    jobs = _jobs(configs, args)
    began = time.monotonic()
    with replacing(args.json) if args.json is not None else nullcontext() as part, _folder(args.keep) as folder:
        with _progress(len(jobs)) as told:
            results = run_all([task for _, task, _ in jobs], folder, args.jobs, told, args.timeout)
        seconds = time.monotonic() - began
        items = [_item(job, result) for job, result in zip(jobs, results, strict=True)]
        passed = all(item["passed"] for item in items)
        if part is not None:
            document = evidence(
                claim=_claim(args),
                command=args.command,
                seconds=seconds,
                passed=passed,
                figures=_figures(items),
                items=items,
            )
            write_json(part, document)
    _show(items, seconds)
    for job, result, item in zip(jobs, results, items, strict=True):
        if not item["passed"]:
            _explain(job, result, kept=args.keep is not None)
    if not passed:
        raise SystemExit(f"{sum(not item['passed'] for item in items)} of {len(items)} not shown")
    if args.json is not None:
        print(args.json)


def _check(args: argparse.Namespace) -> None:
    if args.all == (args.unit is not None):
        raise InputError("Unit must be given, or --all for the standard list, not both")
    if args.quick and not args.all:
        raise InputError("Quick must be given with --all only, which it makes shorter")
    for name, most in (("jobs", 1000), ("timeout", 1_000_000)):
        if not 1 <= getattr(args, name) <= most:
            raise InputError(f"{name.capitalize()} must be 1 to {most}, not {getattr(args, name)!r}")


def _configs(args: argparse.Namespace) -> Sequence["UnitConfig"]:
    if not args.all:
        return [unit_config(args)]
    from qse_hw.synth.formal import standard

    if args.faults:
        return standard.wrong()[:1] if args.quick else standard.wrong()
    return standard.quick() if args.quick else standard.standard()


def _jobs(configs: Sequence["UnitConfig"], args: argparse.Namespace) -> list[_Job]:
    from qse_hw.synth import formal

    jobs: list[_Job] = []
    for config in configs:
        if args.faults:
            jobs += [(config, fault.task, fault) for fault in formal.faults(config)]
        else:
            jobs += [(config, task, None) for task in formal.tasks(config)]
    if args.property is not None:
        known = sorted({task.name for _, task, _ in jobs})
        jobs = [job for job in jobs if job[1].name == args.property]
        if not jobs and known:
            raise InputError(f"Property must be one of {', '.join(known)}, not {args.property!r}")
    if not jobs:
        raise InputError(f"Unit {args.unit} has no faulty variant with these options; leave out --faults")
    return jobs


@contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="qse-prove-") as name:
            yield Path(name)
        return
    path = Path(keep)
    if path.exists() and not path.is_dir():
        raise InputError(f"Folder {keep} must be a folder, not a file; choose another place")
    if path.exists() and any(path.iterdir()):
        raise InputError(f"Folder {keep} must be new or empty; choose another place")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Folder {keep} cannot be made: {error.strerror}; choose another place") from error
    yield path


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("proving", total=total)

        def told(result: "Result") -> None:
            bar.update(task, description=result.task.name, advance=1)

        yield told


def _item(job: _Job, result: "Result") -> dict[str, Any]:
    config, task, fault = job
    scale = getattr(config, "scale", None)
    item: dict[str, Any] = {
        "unit": config.label,
        "property": task.name,
        "claim": task.claim,
        "how": task.how,
        "engine": task.engine,
        "status": result.status,
        "seconds": round(result.seconds, 1),
        "passed": result.passed,
    }
    if scale is not None:
        item["scale"] = str(scale)
    elif hasattr(config, "scale_bits"):
        item["unit"] += f" scale_bits={config.scale_bits}"
    if task.argument:
        item["argument"] = task.argument
    if fault is not None:
        item |= {"fault": fault.name, "catches": fault.catches, "passed": fault.caught(result)}
    if task.mode == "cover":
        item["reached"] = list(result.reached)
    if result.failed:
        item["failed"] = list(result.failed)
    return item


def _claim(args: argparse.Namespace) -> str:
    if args.faults:
        return "Each formal property can fail: every seeded fault is caught by the property named with it."
    return "Formal properties of the emitted Verilog hold for all inputs."


def _figures(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "proofs": len(items),
        "shown": sum(item["passed"] for item in items),
        "units": len({item["unit"] for item in items}),
        "properties": len({item["property"] for item in items}),
        "unbounded": sum(item["how"] == "unbounded" for item in items),
        "longest_seconds": max(item["seconds"] for item in items),
    }


def _show(items: Sequence[dict[str, Any]], seconds: float) -> None:
    rows = [
        [item["unit"], item["property"], item.get("fault", item["how"]), _word(item), f"{item['seconds']:.1f}"]
        for item in items
    ]
    faults = any("fault" in item for item in items)
    columns = ["unit", "property", "fault" if faults else "how", "result", "s"]
    table("faults" if faults else "proofs", columns, rows, caption=f"{len(items)} in {seconds:.0f} s")
    arguments: dict[str, list[str]] = {}
    for item in items:
        if "argument" in item and not faults:
            arguments.setdefault(item["argument"], []).append(item["property"])
    for argument, names in arguments.items():
        console.print(f"Why the bound of {', '.join(dict.fromkeys(names))} suffices: {argument}")


def _word(item: dict[str, Any]) -> str:
    if "fault" in item:
        return f"caught by {item['catches']}" if item["passed"] else f"NOT CAUGHT by {item['catches']}"
    if item["passed"]:
        return "reached" if "reached" in item else "proved"
    return f"{item['status']} {' '.join(item.get('failed', ()))}".strip()


def _explain(job: _Job, result: "Result", *, kept: bool) -> None:
    config, task, _ = job
    console.print(f"\n{config.label}, {task.name}: {task.claim}")
    if kept and result.trace is not None:
        console.print(f"trace: {result.trace}")
    decided = result.status in ("PASS", "FAIL")
    console.print(f"fails: {', '.join(result.failed)}" if decided else result.tail)
