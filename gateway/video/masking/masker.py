"""The core's side of covering: one child for each picture or clip, killed when it takes too long."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.video.decoder.child import child_environment
from gateway.video.masking.orders import Cover, Style, packed

DEADLINE_S = {"picture": 20.0, "clip": 600.0}
_MOST_TOLD = 4096


class MaskingFailed(GatewayError):
    """It could not be covered, and is not handed out; in words."""


def _private(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


@dataclass(frozen=True, slots=True)
class Masked:
    frames: int
    width: int
    height: int


async def mask(kind: str, source: Path, target: Path, covers: Sequence[Cover], style: Style) -> Masked:
    """Write ``source`` to ``target`` with its parts covered; ``kind``: picture | clip. The source is not touched. Raises
    MaskingFailed, OSError."""
    with source.open("rb") as read, os.fdopen(_private(target), "w+b") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "gateway.video.masking.child",
            str(read.fileno()),
            str(written.fileno()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(read.fileno(), written.fileno()),
            env=child_environment(),
        )
        try:
            async with asyncio.timeout(DEADLINE_S[kind]):
                told, _ = await process.communicate(packed(kind, covers, style))
        except TimeoutError:
            raise MaskingFailed(f"the {kind} took longer than {DEADLINE_S[kind]:g} s; nothing of it was kept") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    text = told[:_MOST_TOLD].decode(errors="replace")
    if process.returncode != 0:
        raise MaskingFailed(
            f"the {kind} could not be covered: {text or f'its process ended with {process.returncode}'}"
        )
    return Masked(**json.loads(text))
