"""Imports that do without what they only use when it happens to be installed, and cost nothing once they are done.

Ray Serve, Numba and pyarrow try pandas, SciPy and others, which are installed here for training; a process that answers would
pay 100 MB and a second or two for what it never touches.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let packages look as if they were not installed, to whatever is imported in the block.

    What is loaded already stays; after the block they can be imported as ever. Garbage is not looked for meanwhile: there
    is none in what imports make, and walking it again and again is a sixth of their time.
    """
    collecting = gc.isenabled()
    gc.disable()
    hidden = [name for name in packages if name not in sys.modules]
    for name in hidden:
        # Python's own way to say that there is no such module.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        if collecting:
            gc.enable()


UNUSED = ("pandas", "sklearn", "matplotlib", "scipy", "coverage", "cffi")
"""What a replica's imports would like and its answers do without."""


def load_compiler() -> None:
    """Load what Numba otherwise loads at the first call of a kernel, without what it would try then."""
    with without(*UNUSED):
        from numba.core.registry import cpu_target

        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()


def load_arrow() -> None:
    """Load pyarrow, and let it look for pandas now, where it finds none: at the first value it is given it would import it.

    It looks once in each of two places, and finds pandas after all where a table is to become a frame; of pandas' own
    missing value in a list it then knows nothing.
    """
    with without("pandas"):
        import pyarrow as pa

        with suppress(AttributeError):  # the first look, which ends so
            pa.array([None])
        pa.array([None])
