"""What an alert asks of the cameras that belong to it: pictures and a clip, in the alert's own transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.alerts.linking import Link
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.reading import MAX_SNAPSHOTS
from gateway.alerts.register import Register
from gateway.model import Alert, ClipTask, PictureState, PictureTask, Signal, uuid7
from gateway.ports import Transaction

FRESH_PICTURES_AFTER = timedelta(seconds=10)


class Evidence:
    """Asks, for one node. ``what``: the word for what came, in the reasons that are given: press | signal."""

    def __init__(self, register: Register, policy: IntakePolicy, what: str) -> None:
        self._register = register
        self._policy = policy
        self._what = what
        self._boot_id = boot_id()

    def pictures(
        self, tx: Transaction, alert_id: str, signal: Signal, links: Sequence[Link], *, press: int, late: bool
    ) -> list[dict[str, Any]]:
        """The cameras as an entry names them, each with its snapshots, which are asked for. ``press``: its number."""
        return [
            {
                "id": found.camera.id,
                "name": found.camera.name,
                "distance_m": found.distance_m,
                "snapshots": [
                    self._snapshot(tx, alert_id, signal, found.camera.id, wanted, press, late=late)
                    for wanted in self._policy.offsets_ms
                ],
            }
            for found in links
        ]

    def clips(
        self,
        tx: Transaction,
        alert_id: str,
        signal: Signal,
        cameras: Sequence[dict[str, Any]],
        *,
        late: bool,
        recorded: Collection[str] | None = None,
    ) -> None:
        """Give each of ``cameras`` the clip that is asked for: one of each camera, around what raised the alert; what joins
        makes no other. ``recorded``: ids of the cameras whose video is kept; None where all of these are."""
        for camera in cameras:
            if recorded is None or camera["id"] in recorded:
                camera.update(self._clip(tx, alert_id, signal, camera["id"], late=late))

    def _snapshot(
        self, tx: Transaction, alert_id: str, signal: Signal, camera_id: str, wanted_ms: int, press: int, *, late: bool
    ) -> dict[str, Any]:
        snapshot: dict[str, Any] = {"id": uuid7(), "wanted_ms": wanted_ms, "press": press}
        if late and wanted_ms < 0:
            snapshot["state"] = PictureState.FAILED.value
            snapshot["reason"] = f"the {self._what} came late: no picture from before it was kept"
            return snapshot
        tx.ask_picture(
            PictureTask(
                alert_id,
                snapshot["id"],
                camera_id,
                wanted_ms,
                signal.received_at,
                signal.received_mono,
                self._boot_id,
                late,
            )
        )
        return snapshot

    def _clip(self, tx: Transaction, alert_id: str, signal: Signal, camera_id: str, *, late: bool) -> dict[str, Any]:
        policy, camera = self._policy, self._register.camera(camera_id)
        opted_out = camera is None or camera.clip is False
        if opted_out or (policy.clip_before == 0 and policy.clip_after == 0):
            return {}
        clip = {"id": uuid7()}
        if late:
            reason = f"the {self._what} came late: no video from around it was kept"
            return {"clip": {**clip, "state": PictureState.FAILED.value, "reason": reason}}
        tx.ask_clip(
            ClipTask(
                alert_id,
                clip["id"],
                camera_id,
                round(-policy.clip_before * 1000),
                round(policy.clip_after * 1000),
                signal.received_at,
                signal.received_mono,
                self._boot_id,
            )
        )
        return {"clip": clip}


def wants_pictures(alert: Alert, now: datetime) -> bool:
    """Whether what joins ``alert`` asks for fresh pictures. A button that sticks asks for them until the alert holds as
    many as it keeps, and then only counts."""
    if any(len(camera.snapshots) >= MAX_SNAPSHOTS for camera in alert.cameras):
        return False
    return alert.pictures_at is None or now - alert.pictures_at > FRESH_PICTURES_AFTER


def boot_id() -> str:
    """This boot's identity: monotonic times of another boot mean nothing now."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
