"""``python -m qse_hw.gen UNIT ... -o DIR``: Verilog, manifest and vectors of one unit."""

import sys

from qse_hw.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command("gen", sys.argv[1:], program="python -m qse_hw.gen"))
