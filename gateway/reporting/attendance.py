"""Which lower nodes are heard, and which have fallen silent. Pure: time comes in from outside.

Silence is counted in time in which this node listened. Where its own loop stood still (a suspended machine, a stalled
disk) what others sent meanwhile is still to be read, and taking that for their silence would alarm for all of them.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SILENT_AFTER_S = 15.0
"""A node reports every 5 s: two may be lost. With the look every second a silence is noticed well within the 20 s of
EN 50136 SP6."""
STOPPED_LONG_S = 300.0
"""A node that said goodbye is being restarted or upgraded; one that is still away then is missed."""
_LOOK_S = 2.0  # more than this between two looks is our own lateness


class NodeState(StrEnum):
    UNKNOWN = "unknown"  # not heard since this process started
    ONLINE = "online"
    SILENT = "silent"
    STOPPED = "stopped"  # it said so


@dataclass(slots=True)
class Record:
    """``reported``: it has told of itself once, so its silence means something. ``since``: of the state."""

    state: NodeState = NodeState.UNKNOWN
    since: datetime | None = None
    last_heard: datetime | None = None
    reported: bool = False
    listened: float = 0.0  # what our count of listening stood at when it was last heard
    missed: bool = False  # it is owed an alert


class Attendance:
    """Of the nodes that connect to this one directly."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self._listened = 0.0
        self._looked: float | None = None

    def restore(
        self, node: str, state: str, since: datetime | None, last_heard: datetime | None, *, missed: bool = False
    ) -> None:
        """What was written down before a restart. Whether it is there now is yet to be heard."""
        stopped = state == NodeState.STOPPED
        kept = NodeState.STOPPED if stopped else NodeState.UNKNOWN
        record = Record(kept, since, last_heard, reported=True, listened=self._listened, missed=missed and stopped)
        self.records[node] = record

    def state(self, node: str) -> NodeState:
        record = self.records.get(node)
        return NodeState.UNKNOWN if record is None else record.state

    def heard(self, node: str, at: datetime) -> bool:
        """Any sign of life; whether its state changes by it. After a goodbye only a report brings a node back: what it
        still had on the way arrives later."""
        record = self.records.setdefault(node, Record())
        record.last_heard, record.listened = at, self._listened
        return record.state is not NodeState.STOPPED and self._turn(record, NodeState.ONLINE, at)

    def reported(self, node: str, at: datetime, *, stopping: bool) -> bool:
        """It told of itself; whether its state changes by it."""
        record = self.records.setdefault(node, Record())
        record.last_heard, record.listened, record.reported = at, self._listened, True
        return self._turn(record, NodeState.STOPPED if stopping else NodeState.ONLINE, at)

    def look(self, mono: float, at: datetime) -> list[str]:
        """Called about once a second. The nodes whose state changes now, or that have become missed."""
        if self._looked is not None:
            self._listened += min(max(0.0, mono - self._looked), _LOOK_S)
        self._looked = mono
        return [node for node, record in self.records.items() if self._fallen(record, at)]

    def forget(self, node: str) -> None:
        self.records.pop(node, None)

    def _fallen(self, record: Record, at: datetime) -> bool:
        silence = self._listened - record.listened
        if record.state is NodeState.STOPPED:
            if record.missed or silence < STOPPED_LONG_S:
                return False
            record.missed = True
            return True
        if silence < SILENT_AFTER_S or not self._turn(record, NodeState.SILENT, at):
            return False
        record.missed = record.reported
        return True

    def _turn(self, record: Record, state: NodeState, at: datetime) -> bool:
        if record.state is state:
            return False
        record.state, record.since, record.missed = state, at, False
        return True
