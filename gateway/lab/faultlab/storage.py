"""Plays of bad storage: a sync that fails or takes its time, a full disk, a power failure."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from gateway.lab.faultlab.disks import LoopDisk, SmallDisk
from gateway.lab.faultlab.tracing import SYNCS, Injection, attached, early_or_late, ledger_files
from gateway.lab.faultlab.trial import Trial

_LATCHED_WITHIN = 60.0
_STILL_WITHIN = 10.0
_ON_THEIR_WAY = 1.0  # answers that were committed before


async def sync_fails(trial: Trial) -> None:
    """EIO from one fsync: latched, not ready, nobody told received; a restart reads what is truly there."""
    home = trial.town.home
    while True:
        await trial.pause(0.1, 0.6)
        number = early_or_late(trial.rng, 40)
        trial.write(f"fsync {number} of the ledger fails with EIO")
        fault = Injection(SYNCS, "error=EIO", str(number), ledger_files(home.data_dir))
        async with attached(fault, home.core_pid or 0):
            deadline = time.monotonic() + _LATCHED_WITHIN
            while await home.api.status("/readyz") != 503 and time.monotonic() < deadline:
                await trial.pressed_or(0.1)
            await _nobody_is_told(trial)
        trial.write("restart")
        await home.restart_with(None)
        await home.until_ready()
        await trial.promise_holds()
        if not trial.pressing:
            return


async def _nobody_is_told(trial: Trial) -> None:
    if await trial.town.home.api.status("/readyz") != 503:
        trial.broken("an fsync failed with EIO, and the node calls itself ready")
        return
    latched = time.monotonic()
    await asyncio.sleep(_ON_THEIR_WAY)
    pages = trial.town.book.pages.items()
    told = [press for press, page in pages if page.received and page.pressed_at > latched]
    if told:
        trial.broken(f"presses were told received by a node whose disk had failed: {told[:3]}")


async def sync_takes_long(trial: Trial) -> None:
    """Every fsync, or each so many, takes 50 ms to 2 s."""
    home = trial.town.home
    while True:
        for delay_ms, step in ((50, 1), (300, 3), (2000, 10)):
            trial.write(f"each {step}. fsync takes {delay_ms} ms")
            fault = Injection(SYNCS, f"delay_enter={delay_ms * 1000}", f"1+{step}", ledger_files(home.data_dir))
            async with attached(fault, home.core_pid or 0):
                await trial.pause(1, 4)
        if not trial.pressing:
            return


async def no_space(trial: Trial) -> None:
    """ENOSPC for a while, from the system call itself; the ledger recovers without a restart."""
    home = trial.town.home
    while True:
        await trial.pause(0.1, 0.6)
        first = early_or_late(trial.rng, 60)
        trial.write(f"from its write {first} on the ledger finds no space")
        fault = Injection("pwrite64", "error=ENOSPC", f"{first}+", ledger_files(home.data_dir))
        async with attached(fault, home.core_pid or 0):
            deadline = time.monotonic() + _LATCHED_WITHIN
            while await home.is_ready() and time.monotonic() < deadline:
                await trial.pressed_or(0.1)
            if await home.is_ready():
                trial.broken("there is no space, and the node calls itself ready")
            await trial.pause(0.5, 2)
        trial.write("there is space again")
        await trial.until("ready again without a restart", home.is_ready)
        await trial.promise_holds()
        if not trial.pressing:
            return


async def disk_fills(trial: Trial) -> None:
    """A small file system is filled to the last byte and freed: not ready, then ready again, by itself."""
    disk, home = trial.disk, trial.town.home
    assert isinstance(disk, SmallDisk)
    while True:
        await trial.pause(0.3, 1.5)
        trial.write("the disk is full")
        deadline = time.monotonic() + _LATCHED_WITHIN
        while await home.is_ready() and time.monotonic() < deadline:
            await disk.fill()  # whatever the node had put by is taken too
            await trial.pressed_or(0.2)
        if await home.is_ready():
            trial.broken("the disk is full and the node calls itself ready")
        await trial.pause(0.5, 3)
        disk.free()
        trial.write("the disk is free")
        await trial.until("ready again without a restart", home.is_ready)
        await trial.promise_holds()
        if not trial.pressing:
            return


async def power_fails(trial: Trial) -> None:
    """The machine loses its power: what had not been synced is gone, and the node starts from what is left."""
    disk, home = trial.disk, trial.town.home
    assert isinstance(disk, LoopDisk)
    while True:
        await trial.pause(0.7, 4)
        image = await _cut(trial, disk)
        await disk.replace_by(image)
        await home.start()
        await home.until_ready()
        await trial.promise_holds()
        if not trial.pressing:
            return


async def _cut(trial: Trial, disk: LoopDisk) -> Path:
    """The moment stands still while it is copied, and nothing that was running goes on from it."""
    home = trial.town.home
    home.send(signal.SIGSTOP)
    await _until_still(home.core_pid)
    received = len(trial.town.book.received())
    image = await asyncio.to_thread(disk.snapshot)
    await home.down(signal.SIGKILL)
    for pid in home.worker_pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    trial.write(f"power cut; {received} presses had been told received")
    return image


async def _until_still(pid: int | None) -> None:
    deadline = time.monotonic() + _STILL_WITHIN
    while pid is not None and not _stopped(pid) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def _stopped(pid: int) -> bool:
    """Every thread of it (proc(5): state T)."""
    try:
        stats = [task.joinpath("stat").read_text(encoding="ascii") for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return True  # it has ended
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)
