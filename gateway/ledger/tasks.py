"""What is owed by this node itself: pictures and clips to be taken, timers; and terminals' states over restarts."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.ledger.rows import millis
from gateway.ledger.work import Work
from gateway.model import ClipTask, PictureTask, TerminalState


class Tasks(Work):
    """The part of gateway.ports.Transaction that keeps what is still to be done here."""

    _newest_task = 0

    def set_timer(self, name: str, key: str, due: datetime, data: Mapping[str, Any] | None = None) -> None:
        text = json.dumps(dict(data or {}), ensure_ascii=False)
        self._rows(
            "INSERT OR REPLACE INTO timer (name, key, due, data) VALUES (?, ?, ?, ?)", name, key, millis(due), text
        )
        self.touched.add("timer")

    def clear_timer(self, name: str, key: str) -> None:
        self._rows("DELETE FROM timer WHERE name = ? AND key = ?", name, key)

    def keep_terminal_states(self, states: Sequence[TerminalState]) -> None:
        query = """INSERT OR REPLACE INTO terminal_state (terminal, online, since, last_seen, last_press, last_test)
            VALUES (?, ?, ?, ?, ?, ?)"""
        for state in states:
            times = (state.since, state.last_seen, state.last_press, state.last_test)
            online = None if state.online is None else int(state.online)
            self._rows(query, state.terminal_id, online, *(None if at is None else millis(at) for at in times))

    def ask_picture(self, task: PictureTask) -> None:
        # SQLite would give the number of a task that is done once more, and who reads on from a number would miss it.
        self._newest_task = 1 + max(self._newest_task, self._value("SELECT max(id) FROM picture_task") or 0)
        self._rows(
            """INSERT INTO picture_task
                (id, alert_id, snapshot_id, camera_id, wanted_ms, zero_at, zero_mono, boot_id, late)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            *(self._newest_task, task.alert_id, task.snapshot_id, task.camera_id, task.wanted_ms, millis(task.zero_at)),
            *(task.zero_mono, task.boot_id, int(task.late)),
        )
        self.touched.add("picture")

    def picture_done(self, alert_id: str, snapshot_id: str) -> None:
        self._rows("DELETE FROM picture_task WHERE alert_id = ? AND snapshot_id = ?", alert_id, snapshot_id)

    def ask_clip(self, task: ClipTask) -> None:
        self._rows(
            """INSERT INTO clip_task
                (alert_id, clip_id, camera_id, from_ms, to_ms, zero_at, zero_mono, boot_id)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            *(task.alert_id, task.clip_id, task.camera_id, task.from_ms, task.to_ms, millis(task.zero_at)),
            *(task.zero_mono, task.boot_id),
        )
        self.touched.add("clip")

    def clip_done(self, alert_id: str, clip_id: str) -> None:
        self._rows("DELETE FROM clip_task WHERE alert_id = ? AND clip_id = ?", alert_id, clip_id)
