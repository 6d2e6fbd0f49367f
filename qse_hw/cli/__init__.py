"""The commands, one module each with ``add_arguments(parser)`` and ``run(args)``, imported when called."""

import argparse
import io
import re
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from qse_hw.cli.arguments import check_outputs_differ
from qse_hw.golden.errors import InputError

COMMANDS = {
    "gen": "write a unit's Verilog, manifest and test vectors",
    "quantize": "quantize an array with the golden model",
    "dequantize": "turn an array of codes back into values",
    "doctor": "list the tools: which are installed, which are missing and how to get them",
    "capture": "run a Mamba on text and keep the SSM inputs of every layer",
    "calibrate": "find format parameters and scale of every layer",
    "replay": "send captured activations through the Verilog in simulation",
    "exhaust": "send every input pattern through the Verilog in simulation",
    "synth": "measure area and timing with Yosys and nextpnr, beside plain INT8",
    "report": "write a page about a unit: what it is, its format, accuracy, cost, evidence, files",
    "sweep": "measure accuracy and cost of a whole design space; its Pareto front",
    "prove": "prove a unit's Verilog formally, for all inputs",
    "mutate": "insert faults into a netlist and count those that the checks detect",
    "eval": "measure what quantizing costs a model: SQNR, distance to the limit, KL divergence, bits per byte, tasks",
    "compare": "compare PyTorch and generated Verilog with the golden model; SQNR by layer and format",
    "image": "write a calibrated model's parameters as hardware reads them from its memory",
    "generate": "let a model write: unquantized, in integers, and in Verilog, compared value by value",
    "plan": "count the cycles of a Mamba's accelerator exactly, per token and per prompt, and name what bounds them",
    "bench": "measure speeds, side by side with their baselines",
    "demo": "run all of the above on the bundled model",
}

# The extra that installs each optional package, for the message when it is missing.
_EXTRAS = {
    "torch": "model",
    "transformers": "model",
    "matplotlib": "model",
    "safetensors": "model",
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "ml_dtypes": "model",
    "lm_eval": "tasks",
    "distributed": "cluster",
}


class _Parser(argparse.ArgumentParser):
    """Reports an error as one sentence, by InputError."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse, and refuse ``--option=--``, of which argparse makes an empty list instead of a value.

        A unit's parser refuses unknown arguments itself, so that the message names the help that lists the known ones.
        """
        parsed = super().parse_known_args(args, namespace)
        for word in sys.argv[1:] if args is None else args:
            if word == "--":
                break  # what follows is no option
            if option := re.fullmatch(r"(--[^=]+)=--|(-[^-])=?--", word):
                self.error(f"argument {option[1] or option[2]}: expected a value, not '--'")
        if parsed[1]:
            self.error(f"unrecognized arguments: {' '.join(parsed[1])}")
        return parsed

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` (default: the process's arguments) names; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in COMMANDS:
        return run_command(argv[0], argv[1:])
    width = max(map(len, COMMANDS))
    parser = _Parser(
        prog="python -m qse_hw",
        usage="%(prog)s COMMAND [-h] ...",
        description="Soft-edge 8-bit quantizer: golden models, hardware generator, simulation, synthesis.",
        epilog="commands:\n" + "\n".join(f"  {name:{width}}  {text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    help = "one of those below; COMMAND -h lists its arguments"
    parser.add_argument("command", metavar="COMMAND", choices=list(COMMANDS), help=help)
    try:
        parser.parse_args(argv)
    except InputError as error:
        _complain(str(error))
    return 2


def _complain(sentence: str) -> None:
    """Print an error on one line: line ends and control characters, as file names may have them, are escaped."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in sentence)
    print(f"error: {line}", file=sys.stderr)


def run_command(name: str, argv: Sequence[str], *, program: str | None = None) -> int:
    """Run one command; bad input becomes one sentence on stderr and status 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold what the terminal cannot show
    try:
        command = import_module(f"qse_hw.cli.{name}")
        parser = _Parser(prog=program or f"python -m qse_hw {name}", description=command.__doc__)
        command.add_arguments(parser)
        args = parser.parse_args(argv)
        args.command = shlex.join([*(program or f"python -m qse_hw {name}").split(), *argv])  # for reports
        check_outputs_differ(args)
        command.run(args)
    except InputError as error:
        _complain(str(error))
        return 2
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _complain(f'Package {error.name} is not installed; get it with: pip install "qse-hw[{extra}]"')
        return 2
    except OSError as error:  # a full disk, a closed pipe
        _complain(f"The system refused: {error}")
        return 2
    except MemoryError as error:
        _complain(f"Memory does not suffice: {error}")
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
