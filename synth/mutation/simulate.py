"""Simulating the mutants of a netlist, many at a time: the first cycle in which the outputs of each are wrong."""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qse_hw.golden.io.compiler import compile_cpp
from qse_hw.synth.mutation.netlist import Netlist, bits
from qse_hw.synth.mutation.stimuli import Rows

SOURCE = Path(__file__).with_name("mutate.cpp")


def compile_simulator() -> Path:
    """The program of :data:`SOURCE`, which is compiled if that has not been done before.

    Raises:
        InputError: if there is no C++ compiler.
        RuntimeError: if compilation fails.
    """
    return compile_cpp(SOURCE, ("-O3", "-march=native", "-std=c++20"))


def simulate(
    netlist: Netlist,
    program: Rows,
    mutants: Sequence[int],
    folder: Path,
    progress: Callable[[float], None] = lambda fraction: None,
) -> npt.NDArray[np.int32]:
    """For each mutant (by number; 0 is the netlist without a fault), the first cycle with a wrong output, or -1.

    ``progress`` is called with the fraction of mutants that is done; files are left in ``folder``.

    Raises:
        InputError: if there is no C++ compiler.
        RuntimeError: if the compiler or the simulator fails.
    """
    files = {name: folder / f"{name}.bin" for name in ("netlist", "program", "mutants", "results")}
    _packed(netlist).tofile(files["netlist"])
    program.tofile(files["program"])
    np.asarray(mutants, np.int32).tofile(files["mutants"])
    command = [compile_simulator(), *files.values()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            progress(int(line) / len(mutants))
    if running.returncode:
        raise RuntimeError(f"the simulator of mutants failed with status {running.returncode}")
    results: npt.NDArray[np.int32] = np.fromfile(os.fspath(files["results"]), np.int32)
    return results


def _packed(netlist: Netlist) -> npt.NDArray[np.int32]:
    inputs = [net for _, _, net in bits(netlist.inputs)]
    outputs = [net for _, _, net in bits(netlist.outputs)]
    sizes = [netlist.nets, *map(len, (netlist.registers, netlist.gates, inputs, outputs, netlist.selects))]
    lists = [np.array(part, np.int32).reshape(-1) for part in (sizes, netlist.registers, netlist.gates, inputs,
                                                               outputs, netlist.selects)]  # fmt: skip
    return np.concatenate(lists)
