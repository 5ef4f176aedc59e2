"""kill -9 at any moment, and SIGTERM: nothing lost, nothing doubled, nothing left behind."""

import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

CAMERA = "51172400001310000001"
PASSWORD = "lantern-orchard-7"


def once_with_pictures_or_reasons(node: Any, press_id: str) -> dict[str, Any] | None:
    found = [one for one in node.alerts() if press_id in one["detail"]["press_ids"]]
    if not found:
        return None
    (alert,) = found  # exactly once
    for camera in alert["cameras"]:
        for one in camera["snapshots"]:
            if one["state"] == "pending":
                return None
            assert one["state"] == "ready" or one["reason"]
    return alert


@pytest.mark.parametrize("moment", range(4))
@pytest.mark.parametrize("victim", ["core", "worker", "broker", "county"])
def test_killed_between_press_and_r2(town, television, seen, mosquitto, victim: str, moment: int) -> None:  # type: ignore[no-untyped-def]
    town.edit(lambda document: document["alerts"].update(snapshot_offsets=[-1, 0, 1]))
    town.start()
    town.wait_for_camera(CAMERA)
    tv = television("tv-0001")
    press_id = f"{victim}-{moment}"
    tv.press({"press_id": press_id})
    reached = [
        lambda: True,
        lambda: tv.heard(press_id, "received"),
        lambda: any(press_id in one["detail"]["press_ids"] for one in town.township.alerts()),
        lambda: tv.heard(press_id, "forwarded"),
    ]
    seen("the moment", reached[moment])
    if victim == "core":
        town.township.kill()
        town.township.start()
    elif victim == "worker":
        (pid,) = town.township.worker_pids()
        os.kill(pid, signal.SIGKILL)
    elif victim == "broker":
        mosquitto.kill()
        mosquitto.start()
    else:
        town.county.kill()
        town.county.start()
    tv.press_until_received(press_id)
    seen("once at the county", lambda: once_with_pictures_or_reasons(town.county, press_id))
    seen("R2", lambda: tv.heard(press_id, "forwarded"))
    assert len({answer["alert_id"] for answer in tv.answers}) == 1


def test_a_restarted_core_finds_its_worker_with_the_ring_full(town, television, seen) -> None:  # type: ignore[no-untyped-def]
    town.start()
    town.wait_for_camera(CAMERA)
    workers = town.township.worker_pids()
    town.township.kill()
    assert town.township.worker_pids() == workers
    town.township.start()
    town.wait_for_camera(CAMERA)
    assert town.township.worker_pids() == workers
    tv = television("tv-0001")
    tv.press({"press_id": "after-restart"})
    alert = seen("pictures", lambda: once_with_pictures_or_reasons(town.county, "after-restart"))
    (camera,) = alert["cameras"]
    assert camera["snapshots"][0]["state"] == "ready", camera


def test_sigterm_leaves_nothing_behind_and_says_no_secret(town, television, seen) -> None:  # type: ignore[no-untyped-def]
    town.start()
    town.wait_for_camera(CAMERA)
    tv = television("tv-0001")
    tv.press({"press_id": "last"})
    seen("R1", lambda: tv.heard("last", "received"))
    argv = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in town.township.worker_pids())
    (alert_id,) = [one["id"] for one in town.township.alerts()]
    said = town.township.get("/cameras"), town.township.get("/terminals"), town.township.alert(alert_id)
    assert town.township.stop() == 0
    assert town.township.worker_pids() == []
    assert town.county.stop() == 0
    token = (town.township.config.parent / "county.token").read_text(encoding="utf-8")
    for secret in (PASSWORD, token, town.township.token):
        assert secret not in town.township.logged()
        assert secret not in town.county.logged()
        assert secret.encode() not in argv
        assert secret not in str(said)
    data = town.township.config.parent / "township-data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    verdict = town.township.command("audit", "verify")
    assert (verdict.returncode, verdict.stdout.strip()) == (0, "the chain is whole")
    town.county.start()
    town.township.start()
    seen("nothing was lost", lambda: town.county.alert(alert_id))
