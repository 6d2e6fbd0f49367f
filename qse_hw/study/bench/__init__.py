"""The parts of the bench command, one module each.

``WORDS`` says what it does, ``measure(report)`` makes its figures, as JSON (``report``: how far it is, 0 to 1), and
``show(figures)`` prints them.
"""

from collections.abc import Callable

SEED = 2601

Report = Callable[[float], None]
