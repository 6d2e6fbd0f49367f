"""From the words of a command line to a unit's configuration."""

import argparse
from importlib import import_module


def config_of(unit, *words):
    module = import_module(f"qse_hw.cli.units.{unit}")
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.add_arguments(parser)
    return module.config(parser.parse_args([str(word) for word in words]))
