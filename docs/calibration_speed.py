"""Calibration of x against an earlier commit's, same machine and minute: python docs/calibration_speed.py [COMMIT].

Both calibrate random:mamba-130m in a tuned format, in turn, from their own source trees; the calibrations must be equal
byte for byte. Each has one thread, so that the times of threads that wait for each other on a shared machine do not
count. Writes docs/results/calibration-speed.json.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json

ROOT = Path(__file__).parents[1]
BEFORE = "7186f70"  # the last build with the plain search
COMMAND = "calibrate --model random:mamba-130m --format tuned --tokens 512 -o"
REPEATS = 2
PACKAGE = ("golden", "rtl_gen", "sim", "synth")  # folders that are packages inside qse_hw


def main(commit: str = BEFORE) -> None:
    """Measure, compare, write."""
    measured = environment()  # of the commit that is taken here; others may follow while this runs
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        builds = {"before": _extracted(commit, folder / "before"), "now": _extracted("HEAD", folder / "now")}
        seconds: dict[str, list[float]] = {name: [] for name in builds}
        processor: dict[str, list[float]] = {name: [] for name in builds}
        for repeat in range(REPEATS):
            for name, build in builds.items():
                wall, busy = _timed(build, folder / f"{name}.json")
                print(f"{repeat + 1}/{REPEATS} {name}: {wall:.1f} s, processor {busy:.1f} s", flush=True)
                seconds[name].append(round(wall, 2))
                processor[name].append(round(busy, 2))
            if (folder / "before.json").read_bytes() != (folder / "now.json").read_bytes():
                sys.exit("The calibrations differ")
    ratios = {
        name: round(statistics.median(each["before"]) / statistics.median(each["now"]), 2)
        for name, each in (("ratio", seconds), ("processor_ratio", processor))
    }
    results = {
        "schema": "qse-hw/calibration-speed/1",
        "command": "python docs/calibration_speed.py",
        **measured,
        "before": commit,
        "measured": f"python -m qse_hw {COMMAND} FILE",
        "repeats": REPEATS,
        "threads": 1,
        "equal": True,
        "seconds": seconds,
        "processor_seconds": processor,
        **ratios,
    }
    write_json(ROOT / "docs" / "results" / "calibration-speed.json", results)
    print(ratios)


def _extracted(commit: str, folder: Path) -> Path:
    """A commit's sources in the layout of the installed package."""
    package = folder / "qse_hw"
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit, "qse_hw", *PACKAGE], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    for name in PACKAGE:
        (folder / name).rename(package / name)
    return folder


def _timed(build: Path, output: Path) -> tuple[float, float]:
    """Wall and processor seconds of one run, the start of Python included."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = f"import sys; sys.path.insert(0, {str(build)!r}); from qse_hw.cli import main; sys.exit(main())"
    subprocess.run(
        [sys.executable, "-S", "-c", _SITE + run, *COMMAND.split(), str(output)],
        check=True, cwd=build, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, busy


# An editable installation's finder would find the present sources first: its .pth files are not read.
_SITE = f"import sys; sys.path += {[path for path in sys.path if path.endswith('-packages')]!r}; "


if __name__ == "__main__":
    main(*sys.argv[1:])
