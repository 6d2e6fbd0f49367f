"""Results of tools, kept under a digest of everything that they depend on, so that nothing is measured twice.

That includes this package: every key has ``sources``, the digest of the code that makes the result
(:func:`qse_hw.golden.io.sources.digest`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qse_hw.golden.io.files import cache_folder, write_json

SCHEMA = "qse-hw/synth-cache/1"


def default_folder() -> Path:
    """Where results are kept between runs."""
    return cache_folder("synth")


def digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_digest(key: Mapping[str, Any]) -> str:
    """SHA-256 of a key; the order of its entries does not matter."""
    return digest(json.dumps(key, sort_keys=True))


class Cache:
    """A folder of results; None: nothing is kept.

    Several processes may use the same folder: results are written atomically, and equal keys have equal results.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, key: Mapping[str, Any]) -> Any:
        """The result under ``key``, JSON; None if there is none, or if the file is damaged.

        Raises:
            ValueError: for a key without ``sources``.
        """
        _check(key)
        if self.folder is None:
            return None
        try:
            document = json.loads(self._file(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        whole = isinstance(document, dict) and document.get("schema") == SCHEMA and document.get("key") == key
        return document.get("result") if whole else None

    def put(self, key: Mapping[str, Any], result: Any) -> None:
        """Keep a result, JSON that is not None.

        Raises:
            ValueError: for a key without ``sources``.
        """
        _check(key)
        if self.folder is not None:
            write_json(self._file(key), {"schema": SCHEMA, "key": key, "result": result})

    def recall(self, key: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        """The result under ``key``; if there is none, make and keep it."""
        result = self.get(key)
        if result is None:
            result = make()
            self.put(key, result)
        return result

    def _file(self, key: Mapping[str, Any]) -> Path:
        assert self.folder is not None
        name = key_digest(key)
        return self.folder / name[:2] / f"{name}.json"


def _check(key: Mapping[str, Any]) -> None:
    if not key.get("sources"):
        raise ValueError(f"Key must have sources, a digest of qse_hw.golden.io.sources, not only {', '.join(key)}")
