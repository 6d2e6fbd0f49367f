"""The commands, one module each: ``add_arguments(parser)`` and ``run(args)``; loaded when called."""

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
    "doctor": "tell which tools are there, which are missing and how to get them",
    "capture": "run a Mamba on text and keep the SSM inputs of every layer",
    "calibrate": "find format parameters and scale of every layer",
    "replay": "send captured activations through the Verilog in simulation",
    "exhaust": "send every input pattern through the Verilog in simulation",
    "synth": "area and timing with Yosys and nextpnr, beside plain INT8",
    "report": "one page about a unit: what it is, its format, accuracy, cost, evidence, files",
    "sweep": "accuracy and cost of a whole design space, and its Pareto front",
    "prove": "prove a unit's Verilog formally, for all inputs",
    "mutate": "put faults into a netlist, and count those that the checks notice",
    "eval": "what quantizing costs a model: SQNR, distance to the limit, KL divergence, bits per byte, tasks",
    "compare": "PyTorch, and generated Verilog, against the golden model; SQNR by layer and format",
    "plan": "cycles per token and per prompt of a Mamba on these units, and the bottleneck",
    "bench": "speeds, side by side with their baselines",
    "demo": "all of the above on the bundled model",
}

# What a command's packages belong to, for the message when one is missing.
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
    """Complains as the commands do: in one sentence."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """As argparse does, which of ``--option=--`` makes an empty list, where a value is to be.

        Words that a unit's parser does not know are its own complaint, whose help tells what it does know.
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
    parser.add_argument("command", metavar="COMMAND", choices=list(COMMANDS), help="see below; -h after it for its own")
    try:
        parser.parse_args(argv)
    except InputError as error:
        _complain(str(error))
    return 2


def _complain(sentence: str) -> None:
    """On one line, whatever line ends and control characters the words and file names in it have."""
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
    except OSError as error:  # a full disk, a reader that went away
        _complain(f"The system refused: {error}")
        return 2
    except MemoryError as error:
        _complain(f"Memory does not suffice: {error}")
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
