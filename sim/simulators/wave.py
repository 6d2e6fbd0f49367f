"""Waveform files of all signals of a simulation, written by the simulator."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.sim.simulators.simulators import find

KINDS = ("vcd", "fst")
_DUMPER = "qse_wave"


class Wave(NamedTuple):
    """A file to record to; ``kind``, one of :data:`KINDS`, is its format, whatever its suffix is."""

    kind: str
    path: Path


def kind_of(path: str | Path, simulator: str) -> str:
    """The kind of waveform by the suffix of the file's name.

    Raises:
        InputError: for other suffixes than .vcd and .fst, and if the simulator cannot write that kind on this machine.
    """
    suffix = Path(path).suffix
    if suffix not in (f".{kind}" for kind in KINDS):
        raise InputError(f"Wave file must end in {' or '.join(f'.{kind}' for kind in KINDS)}, not {str(path)!r}")
    if (simulator, suffix) == ("verilator", ".fst") and not _has_headers("lz4.h", "zlib.h"):
        raise InputError(
            "Wave files .fst from Verilator need lz4 and zlib (Debian: apt-get install liblz4-dev zlib1g-dev); "
            "install them or take .vcd"
        )
    return suffix[1:]


@contextmanager
def recording(path: Path | None, simulator: str) -> Iterator[Wave | None]:
    """A temporary wave file that becomes ``path`` if the block succeeds; None for None."""
    if path is None:
        yield None
        return
    kind = kind_of(path, simulator)
    with replacing(path) as part:
        yield Wave(kind, part.absolute())


def _has_headers(*names: str) -> bool:
    text = "".join(f"#include <{name}>\n" for name in names)
    command = [find("g++") or "g++", "-E", "-x", "c++", "-", "-o", "/dev/null"]
    return subprocess.run(command, input=text, text=True, capture_output=True, check=False).returncode == 0


def dumper(wave: Wave, top: str, folder: Path) -> tuple[Path, str]:
    """For Icarus: an additional Verilog file whose module records everything below ``top``, and the module's name."""
    path = folder / f"{_DUMPER}.v"
    name = json.dumps(str(wave.path), ensure_ascii=False)
    text = f"module {_DUMPER};\n  initial begin\n    $dumpfile({name});\n    $dumpvars(0, {top});\n  end\nendmodule\n"
    path.write_text(text, encoding="utf-8")
    return path, _DUMPER
