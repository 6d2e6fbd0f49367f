"""From the words of a command line to a unit's configuration."""

import argparse

from qse_hw.cli.units import arguments, unit_config


def config_of(unit, *words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.set_defaults(unit=unit)
    for flag, settings in arguments(unit).items():
        parser.add_argument(flag, **settings)
    return unit_config(parser.parse_args([str(word) for word in words]))
