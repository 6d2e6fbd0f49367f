"""``python -m qse_hw COMMAND``: the command line."""

import sys

from qse_hw.cli import main

if __name__ == "__main__":
    sys.exit(main())
