"""Static timing against OpenSTA (Debian's ``opensta``), on an encoder in real libraries: ``... timing LIBERTY ...``.

Both take the same netlist and the same conventions: no wires (what would be the library's default wire load is left
out of OpenSTA's copy), an ideal clock that rises at once, inputs that come with the clock and rise at once, nothing
attached to outputs, and at each net the slowest slew of all that drives it. Compared are the slowest path of each kind
and, along OpenSTA's slowest path to each end, every net's load and slew. OpenSTA computes in float32: the tolerance.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.sta import KINDS, TimingReport, analyze
from qse_hw.synth.targets.cells import Cells
from tests.oracles.comparison import Comparison

PROGRAM = "sta"
QFLOW = Path("/usr/share/qflow/tech")  # Debian's qflow-tech-osu018, -osu035 and -osu050
LIBRARIES = {
    "osu018": QFLOW / "osu018" / "osu018_stdcells.lib",
    "osu035": QFLOW / "osu035" / "osu035_stdcells.lib",
    "osu050": QFLOW / "osu050" / "osu05_stdcells.lib",
}
TOLERANCE = 2e-6  # relative; the most seen in eight libraries is 7e-7
RESOLUTION = 1e-8  # ns, pF: of what OpenSTA prints
_FROM_TO = [
    (a, b) for b in ("[all_registers -data_pins]", "[all_outputs]") for a in ("[all_registers -clock_pins]", "")
]
_SCRIPT = """read_liberty cells.lib
read_verilog flat.v
link_design flat
set_cmd_units -time ns -capacitance pF
create_clock -name clk -period 1 [get_ports {clock}]
set inputs [get_ports {{{inputs}}}]
set_input_delay 0 -clock clk $inputs
set_output_delay 0 -clock clk [all_outputs]
"""
_REPORT = """puts "KIND"
report_checks -from {begin} -to {end} -path_delay max -group_count 500 -digits 9 \\
  -format full -fields {{slew capacitance}}
"""
_STEP = re.compile(r"^ *([\d.]+) +([\d.]+) +[\d.]+ +[\d.]+ ([v^]) (\w+)(?:/(\w+))? \(\w+\)$", re.MULTILINE)
_ARRIVAL = re.compile(r" ([\d.]+) +data arrival time")
_SETUP = re.compile(r" (-?[\d.]+) +-?[\d.]+ +library setup time")  # as it is added to the period


def compare(liberty: Path, spec: str = "se8", input: str = "s8") -> Comparison:
    """Of one encoder, mapped anew."""
    config = EncoderConfig(
        format=load_format(spec), input=input_type(input), scale=Scale.from_step(0.5), counter_width=4
    )
    unit = emit(config)
    with tempfile.TemporaryDirectory() as name:
        folder, target = Path(name), Cells(liberty=liberty)
        netlist, _ = target.synthesize(unit, folder)
        pairs = list(values(netlist, target, folder))
    wrong = sum(not close(ours, theirs) for ours, theirs in pairs)
    return Comparison(
        oracle=f"OpenSTA {version()}",
        values=len(pairs),
        differences=wrong,
        unexplained=wrong,
        note=f"equal within {TOLERANCE:g}",
    )


def close(ours: float | None, theirs: float | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return abs(ours - theirs) <= TOLERANCE * abs(theirs) + RESOLUTION


def values(netlist: Path, target: Cells, folder: Path) -> Iterator[tuple[float | None, float | None]]:
    """Ours and theirs: delays, ns (None: no such path), loads, pF, and slews, ns."""
    mapped = MappedNetlist.read(netlist, target.library)
    timing, reports = analyze(mapped), opensta(mapped, target.path, folder)
    yield from delays(timing, reports)
    for report in reports:
        for capacitance, slew, edge, name, pin in _STEP.findall(report):
            net = mapped.instances[int(name[1:])].nets[pin] if pin else int(name[1:])
            falls = edge == "v"
            yield mapped.loads(net)[falls], float(capacitance)
            yield timing.slews[net][falls], float(slew)


def delays(timing: TimingReport, reports: list[str]) -> Iterator[tuple[float | None, float | None]]:
    """By kind."""
    for kind, report in zip(KINDS, reports, strict=True):
        theirs = max(map(_delay, report.split("Startpoint:")[1:]), default=None)
        yield timing.paths[kind].delay if kind in timing.paths else None, theirs


def _delay(path: str) -> float:
    arrival, setup = _ARRIVAL.search(path), _SETUP.search(path)
    assert arrival is not None
    return float(arrival[1]) - (float(setup[1]) if setup else 0.0)


def opensta(mapped: MappedNetlist, liberty: Path, folder: Path) -> list[str]:
    """OpenSTA's reports, one for each of :data:`KINDS`."""
    (clock,) = mapped.clocks
    inputs = " ".join(f"n{net}" for nets in mapped.inputs.values() for net in nets if net != clock)
    script = _SCRIPT.format(clock=f"n{clock}", inputs=inputs)
    script += "".join(_REPORT.format(begin=begin or "$inputs", end=end) for begin, end in _FROM_TO)
    text = re.sub(r"^\s*default_wire_load\w*\s*:.*$", "", liberty.read_text(errors="replace"), flags=re.MULTILINE)
    for name, content in (("cells.lib", text), ("flat.v", flat(mapped)), ("flat.tcl", script)):
        (folder / name).write_text(content)
    command = [PROGRAM, "-no_splash", "-exit", "flat.tcl"]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert "Error" not in done.stdout + done.stderr, done.stdout[-2000:] + done.stderr
    return done.stdout.split("KIND\n")[1:]


def flat(mapped: MappedNetlist) -> str:
    """Verilog that OpenSTA reads: it knows no concatenation on the left of an assignment."""
    given = [net for nets in mapped.inputs.values() for net in nets]
    outputs = [_net(net) for nets in mapped.outputs.values() for net in nets]
    ports = [*map(_net, given), *(f"o{place}" for place in range(len(outputs)))]
    lines = [f"module flat ({', '.join(ports)});", *(f"input {_net(net)};" for net in given)]
    lines += [f"output o{place}; assign o{place} = {net};" for place, net in enumerate(outputs)]
    for place, instance in enumerate(mapped.instances):
        pins = ", ".join(f".{pin}({_net(net)})" for pin, net in instance.nets.items())
        lines.append(f"{instance.cell.name} c{place} ({pins});")
    return "\n".join([*lines, "endmodule", ""])


def _net(net: int | str) -> str:
    return f"n{net}" if isinstance(net, int) else f"1'b{int(net == '1')}"


def version() -> str:
    """OpenSTA's."""
    return subprocess.run([PROGRAM, "-version"], capture_output=True, text=True, check=True).stdout.strip()


def checks() -> dict[str, Callable[[], Comparison]]:
    """Of the libraries that are here; none without OpenSTA."""
    here = {name: path for name, path in LIBRARIES.items() if path.exists() and shutil.which(PROGRAM)}
    return {f"static timing, se8 encoder of s8 in {name}": partial(compare, path) for name, path in here.items()}


CHECKS = checks()

if __name__ == "__main__":  # of libraries that no package of Debian has
    for file in sys.argv[1:]:
        print(file, compare(Path(file)))
