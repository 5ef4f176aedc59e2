"""The one writer: a thread that hands what waits to the group commits, and tells afterwards."""

import threading
from collections import deque
from typing import Protocol

from gateway.ledger.commits import GROUP, Commits, Job, Told

_BESIDE_URGENT = 4


class Writing(Protocol):
    """Who brings what is submitted to the group commits, in its order: the thread below, or a simulation's loop."""

    def submit(self, job: Job) -> None: ...
    def stop(self) -> None:
        """Write what waits, then end. Blocks until it has ended."""


class Waiting:
    """Work that waits for the writer, in two rows: what is urgent goes first. Bounded by the ledger's places."""

    def __init__(self) -> None:
        self._some = threading.Condition()
        self._urgent: deque[Job] = deque()
        self._usual: deque[Job] = deque()
        self._ending = False

    def put(self, job: Job) -> None:
        with self._some:
            (self._urgent if job.urgent else self._usual).append(job)
            self._some.notify()

    def end(self) -> None:
        """No more comes."""
        with self._some:
            self._ending = True
            self._some.notify()

    def empty(self) -> bool:
        return not self._urgent and not self._usual

    def group(self, patience: float | None) -> tuple[list[Job], bool]:
        """The next to be committed together, and whether they are the last; none after ``patience`` seconds."""
        with self._some:
            self._some.wait_for(lambda: self._ending or not self.empty(), patience)
            # beside urgent work a few of the others, so that none of them waits for the end of a storm
            jobs = [self._urgent.popleft() for _ in range(min(GROUP - _BESIDE_URGENT, len(self._urgent)))]
            room = _BESIDE_URGENT if jobs else GROUP
            jobs += [self._usual.popleft() for _ in range(min(room, GROUP - len(jobs), len(self._usual)))]
            return jobs, self._ending and self.empty()


class Writer:
    """A thread that owns the writing connection. ``told`` is called on it with the outcomes of each group."""

    def __init__(self, commits: Commits, told: Told) -> None:
        self._commits = commits
        self._told = told
        self._waiting = Waiting()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        self._waiting.put(job)

    def stop(self) -> None:
        self._waiting.end()
        self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending:
            jobs, ending = self._waiting.group(self._commits.patience())
            if jobs:
                self._told(*self._commits.write(jobs))
            elif not ending and self._commits.patience() is not None:
                self._commits.try_disk()
            self._commits.checkpoint(idle=self._waiting.empty(), ending=ending)
        self._commits.close()
