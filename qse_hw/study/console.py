"""Output of the commands: tables, progress and warnings, on one console."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

# no markup: it would swallow the brackets of qse-hw[sim], and of file names
console = Console(
    highlight=False, markup=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 132
)


def warn(sentence: str) -> None:
    """Print on stderr what is no error, but probably not what the user wants."""
    print(f"warning: {sentence}", file=sys.stderr)


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """Yields ``report(what, fraction)``; without a terminal, as in logs, each new ``what`` is a line."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    last = ""
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)

        def report(what: str, fraction: float) -> None:
            nonlocal last
            if what != last and not console.is_terminal:
                console.print(f"... {what}")
            last = what
            bar.update(task, description=what, completed=fraction)

        yield report


def table(title: str, columns: list[str], rows: list[list[str]], *, caption: str | None = None) -> None:
    """Print a table; the first column to the left, the others to the right."""
    made = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        made.add_row(*row)
    console.print(made)
