"""A press reaches the county with pictures: real broker, real camera, two real nodes from the shipped examples."""

import hashlib
import json
import subprocess
import time
from typing import Any

CAMERA = "51172400001310000001"


def publish(port: int, topic: str, message: str | bytes | None, *words: str) -> None:
    content = ["-n"] if message is None else ["-s"]
    data = message.encode() if isinstance(message, str) else message
    subprocess.run(
        ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, *content, *words],
        input=data, check=True, timeout=60,
    )  # fmt: skip


def snapshots(alert: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for camera in alert["cameras"] for one in camera["snapshots"]]


def settled(node: Any, alert_id: str) -> dict[str, Any] | None:
    alert = node.alert(alert_id)
    done = alert is not None and snapshots(alert) and all(one["state"] != "pending" for one in snapshots(alert))
    return alert if done else None


def test_a_press_reaches_the_county_with_pictures_from_before_and_after(town, television, seen) -> None:  # type: ignore[no-untyped-def]
    # it is joined after its pictures have come, which may take a busy machine a while
    town.edit(lambda document: document["alerts"].update(merge_window="10m"))
    town.start()
    town.wait_for_camera(CAMERA)
    time.sleep(6)  # let the ring fill: a picture from 5 s before needs 5 s before
    tv = television("tv-0001")

    publish(town.broker_port, "tv/tv-0001/alarm", '{"press_id":"p1","kind":"sos"}')
    (r1,) = seen("R1", lambda: tv.heard("p1", "received"))
    (r2,) = seen("R2", lambda: tv.heard("p1", "forwarded"))
    assert r1["alert_id"] == r2["alert_id"]
    assert r1["node"] == "zhuyang"

    at_county = seen("pictures at the county", lambda: settled(town.county, r1["alert_id"]))
    assert [one["id"] for one in town.county.alerts()] == [r1["alert_id"]]
    assert [one["id"] for one in town.township.alerts()] == [r1["alert_id"]]
    assert at_county["node"] == "zhuyang"
    assert at_county["source"] == {"type": "terminal", "id": "tv-0001", "name": "张桂芳", "known": True}
    (camera,) = at_county["cameras"]
    assert camera["id"] == CAMERA
    assert [one["state"] for one in camera["snapshots"]] == ["ready"] * 4, camera
    before, at, after, later = camera["snapshots"]
    assert before["offset_ms"] < at["offset_ms"] <= 0 < 3000 <= after["offset_ms"] < later["offset_ms"]
    for one in camera["snapshots"]:
        status, jpeg = town.county.request(one["url"])
        assert status == 200
        assert jpeg.startswith(b"\xff\xd8")
        assert hashlib.sha256(jpeg).hexdigest() == one["sha256"]
        assert (one["width"], one["height"]) == (640, 360)

    at_township = town.township.alert(r1["alert_id"])
    (forwarding,) = at_township["receipts"]["forwarded"]
    assert forwarding["sink"] == "county"
    own = {"receipts", "version", "cameras", "entries"}
    assert {k: v for k, v in at_township.items() if k not in own} == {
        k: v for k, v in at_county.items() if k not in own
    }
    assert sorted(e["id"] for e in at_township["entries"]) == sorted(e["id"] for e in at_county["entries"])

    # the same press again: nothing changes, and the highest stage is told
    publish(town.broker_port, "tv/tv-0001/alarm", '{"press_id":"p1","kind":"sos"}')
    again = seen("the same answer again", lambda: len(tv.heard("p1", "forwarded")) >= 2 and tv.heard("p1", "forwarded"))
    assert again[-1]["alert_id"] == r1["alert_id"]
    assert town.township.alert(r1["alert_id"])["count"] == 1

    # another press within the merge window joins
    publish(town.broker_port, "tv/tv-0001/alarm", '{"press_id":"p2","kind":"sos"}')
    (second,) = seen("R1 of the second", lambda: tv.heard("p2", "received"))
    assert second["alert_id"] == r1["alert_id"]
    assert town.township.alert(r1["alert_id"])["count"] == 2
    seen("count at the county", lambda: town.county.alert(r1["alert_id"])["count"] == 2)
    seen("R2 of the second", lambda: tv.heard("p2", "forwarded"))
    assert len(town.county.alerts()) == 1

    # an operator at the county takes it: the household hears so
    status, body = town.county.request(
        f"/api/v1/alerts/{r1['alert_id']}/actions", method="POST", body={"action": "acknowledge"}
    )
    assert status == 200, body
    (accepted,) = seen("R3", lambda: tv.heard("p1", "accepted"))
    assert accepted["alert_id"] == r1["alert_id"]
    status, body = town.county.request(
        f"/api/v1/alerts/{r1['alert_id']}/actions", method="POST", body={"action": "close", "disposition": "real"}
    )
    assert status == 200, body
    seen("closed on the terminal", lambda: tv.heard("p2", "closed"))
    assert seen("closed below", lambda: town.township.alert(r1["alert_id"])["workflow"] == "closed")
    status, body = town.county.request(
        f"/api/v1/alerts/{r1['alert_id']}/actions", method="POST", body={"action": "acknowledge"}
    )
    assert status == 409
    assert json.loads(body)["workflow"] == "closed"


def test_whoever_publishes_wants_help_whatever_the_payload(town, television, seen) -> None:  # type: ignore[no-untyped-def]
    town.start()
    cases: dict[str, str | bytes | None] = {
        "stranger": '{"press_id":"s1"}',
        "empty": None,
        "plain": "救命",
        "huge": b'{"press_id":"h1","text":"' + b"x" * 20_000 + b'"}',
        "latin": b"\xe9\xff\x00",
        "truncated": '{"press_id":"t1","kind":"so',
        "types": '{"press_id":["x"],"kind":5}',
    }
    heard = {name: television(name) for name in cases}
    for name, payload in cases.items():
        publish(town.broker_port, f"tv/{name}/alarm", payload)
    for name, tv in heard.items():
        seen(f"R1 of {name}", lambda tv=tv: [a for a in tv.answers if a["stage"] == "received"])
    alerts = {one["source"]["id"]: one for one in town.township.alerts()}
    assert set(alerts) == set(cases)
    assert all(one["kind"] == "sos" and one["source"]["known"] is False for one in alerts.values())
    for name in ("huge", "latin", "truncated", "types"):
        assert alerts[name]["detail"]["payload_fault"]
        assert alerts[name]["detail"]["payload"]
    seen("all at the county", lambda: len(town.county.alerts()) == len(cases))

    publish(town.broker_port, "tv/tv-0002/alarm", '{"press_id":"old"}', "-r")
    town.township.kill()
    town.township.start()  # a retained press meets every reconnect
    tv = television("tv-0002")
    publish(town.broker_port, "tv/tv-0002/alarm", '{"press_id":"new"}')
    seen("the live press", lambda: tv.heard("new", "received"))
    assert not [one for one in town.township.alerts() if "old" in one["detail"].get("press_ids", [])][1:]


def test_the_county_returns_after_a_minute_of_presses(town, television, seen) -> None:  # type: ignore[no-untyped-def]
    town.start()
    town.county.kill()
    tv = television("tv-0002")
    for number in range(200):
        publisher = f"tv-{1000 + number}"
        publish(town.broker_port, f"tv/{publisher}/alarm", json.dumps({"press_id": f"b{number}"}))
    seen("200 presses on disk below", lambda: len(town.township.alerts()) == 200)
    town.county.start()
    seen("200 alerts at the county", lambda: len(town.county.alerts()) == 200)
    tv.press({"press_id": "after"})
    seen("R2 of a new press", lambda: tv.heard("after", "forwarded"))
    below = sorted(one["id"] for one in town.township.alerts())
    assert sorted(one["id"] for one in town.county.alerts()) == below
    assert len(below) == 201
