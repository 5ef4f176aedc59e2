"""Python's collector of cyclic garbage, while a long file is read beside a running node."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Read a long file in here. The millions of objects that its reading makes (and frees again, for they hold no cycles)
    would have the collector look through all of them again and again, and nothing else of the process goes on meanwhile:
    a fifth of a second each time, in which no press is heard."""
    if not gc.isenabled():  # another thread reads; it sees to the end
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
