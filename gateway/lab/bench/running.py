"""What every bench does around its measurement: a directory of its own, progress, an end by signal, figures or a sentence."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.errors import DeviceError, RunningError
from gateway.lab.children import until_sigterm
from gateway.lab.report import Steps, complain, machine, print_json, steps

Result = dict[str, Any]


def run_bench(
    name: str,
    measure: Callable[[Path, Steps], Awaitable[Result]],
    show: Callable[[Result], None],
    *,
    as_json: bool,
    on_disk: bool = False,
) -> Result | None:
    """Measure, and print the result with the machine it was measured on; None where it came to nothing, with a sentence on
    stderr. ``on_disk``: its directory has to be on a disk."""
    place = _disk() if on_disk else None
    try:
        with (
            tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=place, ignore_cleanup_errors=True) as directory,
            steps() as progress,
        ):
            measured = asyncio.run(_until_told(measure, Path(directory), progress))
    except (KeyboardInterrupt, asyncio.CancelledError):
        complain("stopped; nothing was measured to its end")
        return None
    except (RunningError, DeviceError) as error:
        complain(str(error))
        return None
    result = {"bench": name, "machine": machine(), "load_average": os.getloadavg()[0], **measured}
    if as_json:
        print_json(result)
    else:
        show(result)
    return result


async def _until_told(measure: Callable[[Path, Steps], Awaitable[Result]], directory: Path, progress: Steps) -> Result:
    async def work() -> Result:
        return await measure(directory, progress)

    return await until_sigterm(work())


def _disk() -> str | None:
    """A directory on a disk: /tmp often is memory, whose fsync costs nothing."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 - mkdtemp makes it private
