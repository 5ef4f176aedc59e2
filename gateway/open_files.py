"""How many files this process may hold open, a camera's connection being one (getrlimit(2), RLIMIT_NOFILE)."""

import os
import resource

RESERVE = 256
"""Beside the cameras: the core's connections, the decoder's, and the ports of dials that are under way."""
_MODEST = 4
"""Where few are allowed, no more than this part of them is kept back."""


def raise_limit() -> int:
    """Allow this process as many as the system's administrator allows; how many that is. Never fewer than before."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def running_out() -> bool:
    """Whether what is left has to be kept back. The kernel gives out the lowest free number, so one call tells."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        lowest = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    os.close(lowest)
    return lowest >= limit - min(RESERVE, limit // _MODEST)


def shortage(cameras: int, workers: int) -> str | None:
    """What to do where the limit is too low for a worker's cameras, when another worker's have come to it; else None."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    at_most = -(-cameras // max(1, workers - 1))
    if most == resource.RLIM_INFINITY or at_most + RESERVE <= most:
        return None
    return (
        f"{at_most} cameras of one video worker need {at_most + RESERVE} open files, but {most} are allowed here: "
        "not all of them will be connected; raise the hard limit (LimitNOFILE= of the service, or ulimit -Hn)"
    )
