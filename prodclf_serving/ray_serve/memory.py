"""What a process that serves keeps of its memory once it has loaded what it needs."""

import ctypes
import gc
from contextlib import suppress

# Of mallopt, in <malloc.h>.
_M_MMAP_THRESHOLD = -3
_RETURNED_BYTES = 1 << 20


def freeze() -> None:
    """Keep what is loaded by now out of the garbage collector: going through it all stops a service for half a second."""
    gc.collect()
    gc.freeze()


def return_freed_memory() -> None:
    """Have arrays of a megabyte and more returned to the system once they are freed: a model that was replaced, above all.

    The GNU library begins so, but raises that size to the largest it has seen freed, 32 MB at most; what is smaller comes
    from heaps, which shrink only when their end is free (mallopt(3), M_MMAP_THRESHOLD). Elsewhere nothing happens.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _RETURNED_BYTES)
