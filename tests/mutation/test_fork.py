"""Limits of the processes in which mutants are tested."""

import mmap

from tests.mutation.fork import MEMORY, Fork, limit_memory


def _told(size: int, protection: int) -> bool:
    """Whether a limited process can have so many bytes."""

    def work(send) -> int:
        limit_memory()
        try:
            mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, protection).close()
        except (OSError, MemoryError):
            send(False)
        else:
            send(True)
        return 0

    child = Fork(work)
    (told,) = child.lines(60)
    child.end()
    return told


def test_what_can_be_written_to_is_limited():
    both = mmap.PROT_READ | mmap.PROT_WRITE
    assert _told(MEMORY // 4, both)
    assert not _told(2 * MEMORY, both)


def test_addresses_that_are_only_reserved_are_not():
    """As WebAssembly's programs do: Yosys could not run, and each of its tests seemed to kill every mutant."""
    assert _told(2 * MEMORY, mmap.PROT_READ)
