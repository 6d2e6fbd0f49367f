"""Folders of files that take long to make: made once, and copied wherever they are needed again in this process."""

import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock


@dataclass
class _Entry:
    lock: Lock = field(default_factory=Lock)
    users: int = 0


class Kept:
    """The last few folders that were made. Several threads may use it.

    Args:
        most: how many are kept, besides those in use.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._guard = Lock()
        self._entries: dict[str, _Entry] = {}  # the last one used is at the end

    @cached_property
    def _home(self) -> Path:
        """Where the folders are, until this object goes."""
        home = Path(tempfile.mkdtemp(prefix="qse-kept-"))
        weakref.finalize(self, shutil.rmtree, home, ignore_errors=True)
        return home

    def copy(self, key: str, folder: Path, make: Callable[[Path], None]) -> None:
        """Copy the files of ``key`` into ``folder``; make them first if they are not kept.

        Args:
            key: a name for a folder.
            folder: may have other files.
            make: gets an empty folder; what it raises is raised here, and nothing is kept.
        """
        with self._guard:
            entry = self._entries[key] = self._entries.pop(key) if key in self._entries else _Entry()
            entry.users += 1
            home = self._home  # made under the guard
        try:
            with entry.lock:
                kept = home / key
                if not kept.exists():
                    with tempfile.TemporaryDirectory(dir=home) as made:
                        part = Path(made) / key
                        part.mkdir()
                        make(part)
                        part.rename(kept)
                shutil.copytree(kept, folder, dirs_exist_ok=True)
        finally:
            with self._guard:
                entry.users -= 1
                unused = [key for key, entry in self._entries.items() if not entry.users]
                for old in unused[: max(0, len(unused) - self._most)]:
                    del self._entries[old]
                    shutil.rmtree(home / old, ignore_errors=True)
