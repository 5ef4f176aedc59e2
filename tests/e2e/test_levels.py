"""Three levels that lose and find one another, and a lower node that nobody here wrote. Real processes."""

import hashlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import rfc8785


@pytest.fixture
def line(foreign: Any) -> Iterator[Callable[[int], Any]]:
    made: list[Any] = []

    def make(port: int) -> Any:
        made.append(foreign.Line(port))
        return made[-1]

    yield make
    for one in made:
        one.close()


LOWER = [{"kind": "cascade", "id": "lower"}]


def hierarchy(node_of: Any, broker: str, line: Any, **alerts: Any) -> tuple[Any, Any, Any, Any]:
    """City-less: (village, township, county, the line between village and township). ``alerts``: by node."""
    county = node_of("dazhu", "county", "511724", sources=LOWER, alerts=alerts.get("county", {}))
    town = node_of(
        "zhuyang", "township", "511724001", sources=LOWER, uppers={"county": (county, None)}, alerts=alerts.get("town", {})
    )  # fmt: skip
    between = line(int(town.base.rpartition(":")[2]))
    village = node_of(
        "cun", "village", "511724001201", sources=[{"kind": "mqtt", "id": "tv", "url": broker}],
        uppers={"township": (town, f"http://127.0.0.1:{between.port}")}, alerts=alerts.get("village", {}),
        terminals=[{"id": "tv-1", "household": {"name": "张", "address": "一组 3 号"}}, {"id": "tv-2"}, {"id": "tv-3"}],
    )  # fmt: skip
    return village, town, county, between


def same_on_all(nodes: Any, alert_id: str) -> dict[str, Any] | None:
    """The alert, where all of them have it alike: all but receipts, url and version."""
    found = [node.alert(alert_id) for node in nodes]
    if None in found:
        return None
    bare = [_bare(alert) for alert in found]
    return dict(bare[0]) if all(each == bare[0] for each in bare) else None


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if key not in ("receipts", "url", "version")}
    return [_bare(each) for each in value] if isinstance(value, list) else value


def test_levels_that_act_apart_are_of_one_mind_when_the_link_is_back(node_of, mosquitto, tv, line, seen) -> None:  # type: ignore[no-untyped-def]
    village, town, county, between = hierarchy(node_of, mosquitto.url, line)
    nodes = (village, town, county)
    for node in reversed(nodes):
        node.start()
    seen("the broker", lambda: village.hears("tv"))
    one, two = tv("tv-1"), tv("tv-2")
    one.press("p")
    alert_id = seen("R2", lambda: one.acks("p", "forwarded"))[0]["alert_id"]
    assert seen("one alert on three nodes", lambda: same_on_all(nodes, alert_id))["workflow"] == "new"

    between.cut()
    assert county.act(alert_id, "acknowledge", comment="the county takes it")[0] == 200
    seen("it at the township", lambda: town.alert(alert_id)["workflow"] == "acknowledged")
    assert village.alert(alert_id)["workflow"] == "new"
    assert village.act(alert_id, "note", comment="we have called", callback="reached")[0] == 200
    assert village.act(alert_id, "close", disposition="real", comment="the village was there")[0] == 200
    assert seen("closed", lambda: one.acks("p", "closed"))
    assert county.act(alert_id, "note", comment="a car is on its way")[0] == 200
    two.press("q")
    other = seen("R1 without a link", lambda: two.acks("q", "received"))[0]["alert_id"]
    assert village.act(other, "acknowledge")[0] == 200
    assert seen("R3 without a link", lambda: two.acks("q", "accepted"))[0]["level"] == "village"
    assert village.act(other, "dispatch", assignee="wang")[0] == 200
    village.kill()
    village.start()
    assert (village.alert(alert_id)["workflow"], town.alert(alert_id)["workflow"]) == ("closed", "acknowledged")

    between.mend()
    merged = seen("one mind again", lambda: (m := same_on_all(nodes, alert_id)) and m["workflow"] == "closed" and m)
    comments = {entry["comment"] for entry in merged["entries"]}
    assert {"the county takes it", "we have called", "the village was there", "a car is on its way"} <= comments
    assert (merged["disposition"], merged["detail"]["callback"]["outcome"]) == ("real", "reached")
    seen("the other", lambda: (m := same_on_all(nodes, other)) and m["workflow"] == "dispatched")
    (forwarding,) = seen("its receipt", lambda: village.alert(other)["receipts"]["forwarded"])
    assert forwarding["sink"] == "township"
    assert set(two.stages("q")) == {"received", "accepted"}  # the highest stage stands

    assert town.act(alert_id, "acknowledge")[0] == 409
    assert county.act(alert_id, "reopen", comment="again")[0] == 200
    assert seen("open everywhere", lambda: (m := same_on_all(nodes, alert_id)) and m["workflow"] != "closed")
    assert town.act(alert_id, "close", disposition="false_alarm")[0] == 200
    seen("closed everywhere", lambda: (m := same_on_all(nodes, alert_id)) and m["disposition"] == "false_alarm")


def test_what_nobody_takes_climbs_through_every_level_though_all_are_killed(node_of, mosquitto, tv, line, seen) -> None:  # type: ignore[no-untyped-def]
    village, town, county, _ = hierarchy(
        node_of, mosquitto.url, line,
        village={"escalation": [{"after": "8s", "to": "township"}], "merge_window": 0},
        town={"escalation": [{"after": "9s", "to": "county"}]},
        county={"escalation": [{"after": "10s", "to": "city"}]},
    )  # fmt: skip
    nodes = (village, town, county)
    for node in reversed(nodes):
        node.start()
    seen("the broker", lambda: village.hears("tv"))
    taken = tv("tv-1")

    def climbed(node: Any, alert_id: str) -> set[str]:
        return set(node.alert(alert_id)["detail"].get("escalated_to", ()))

    def acted_in_time(number: int) -> str | None:
        """On a slow machine the ladder may be quicker than we are: then once more."""
        taken.press(f"p{number}")
        alert_id = str(seen("R2", lambda: taken.acks(f"p{number}", "forwarded"))[0]["alert_id"])
        status, _ = village.act(alert_id, "acknowledge")
        seen("it everywhere", lambda: (m := same_on_all(nodes, alert_id)) and m["workflow"] != "new")
        if status == 200 and not any(climbed(node, alert_id) for node in nodes):
            return alert_id
        assert village.act(alert_id, "close", disposition="real")[0] == 200
        return None

    stopped = next(filter(None, map(acted_in_time, range(20))))
    left = tv("tv-2")
    left.press("q")
    alert_id = seen("R2", lambda: left.acks("q", "forwarded"))[0]["alert_id"]
    seen("it at the county", lambda: county.alert(alert_id))
    for node in nodes:
        node.kill()
    for node in nodes:
        node.start()
    everybody = {"township", "county", "city"}
    seen("every rung", lambda: same_on_all(nodes, alert_id) and climbed(village, alert_id) == everybody)
    rungs = [entry for entry in county.alert(alert_id)["entries"] if entry["action"] == "escalate"]
    assert sorted((rung["node"], rung["data"]["to"]) for rung in rungs) == [
        ("cun", "township"), ("dazhu", "city"), ("zhuyang", "county"),
    ]  # fmt: skip
    # the one that was taken was due before
    assert not any(climbed(node, stopped) for node in nodes)


CAMERA = {"id": "c1", "name": "桥头", "scene": "rural", "state": "online"}
CONTRACT_CAMERA = {
    **CAMERA, "place": {"lon": 107.2, "lat": 30.7, "address": "桥头", "area_code": "511724001201"}, "reason": None,
    "since": "2026-01-01T00:00:00.000Z", "last_keyframe_at": "2026-01-01T00:00:00.000Z", "codec": "h264", "width": 640,
    "height": 360, "faults": [],
}  # fmt: skip
CONTRACT_TERMINAL = {
    "id": "t1", "household": {"name": "李", "phone": "110", "address": "三组"}, "place": {"area_code": "511724001201"},
    "state": "online", "last_seen": "2026-01-01T00:00:00.000Z", "last_press": None,
}  # fmt: skip
BASE = {
    "kind": "sos", "severity": 1, "status": "actual", "title": "求助", "raised_at": "2026-01-01T00:00:00.000Z", "device_time": None,
    "source": {"type": "terminal", "id": "t1", "name": "李", "known": True}, "place": {"lon": None, "lat": None,
    "address": "三组", "area_code": "511724001201"}, "detail": {"press_ids": ["p1"]}, "cameras": [],
}  # fmt: skip
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")


@pytest.fixture
def county(node_of: Any) -> Any:
    return node_of("dazhu", "county", "511724", sources=LOWER)


def test_a_lower_node_of_other_make_is_taken_at_its_word_and_missed_when_silent(county, foreign, seen) -> None:  # type: ignore[no-untyped-def]
    tokens = {name: county.new_token(name, "--role", "node", "--node", name) for name in ("other", "another")}
    county.start()
    lower = foreign.LowerNode(county.base, tokens["other"], "other")
    another = foreign.LowerNode(county.base, tokens["another"], "another")
    began = foreign.in_time(-1)

    # entries: one by itself, a list, a repeat, and what is refused by name while the others go on
    raised = lower.diary.entry("0197-a", "raised", [], actor="terminal/t1", data={"base": BASE})
    body = json.dumps(raised, indent=1, ensure_ascii=False).encode()
    status, answer = lower.post(body)
    first = answer["receipts"][0]
    assert (status, first["id"], first["sha256"]) == (200, raised["id"], hashlib.sha256(body).hexdigest())
    assert lower.post(body)[1]["receipts"] == [first]
    note = lower.diary.entry("0197-a", "note", [raised["id"]], actor="li", comment="unterwegs, 在路上")
    stolen = another.diary.entry("0197-b", "raised", [], data={"base": BASE})
    broken = {
        "specversion": "1.0",
        "id": "no-entry",
        "source": "/x",
        "type": "gateway.entry.v1",
        "data": {"id": "no-entry"},
    }
    assert another.post(stolen)[1]["receipts"][0]["seq"] > first["seq"]
    status, answer = lower.post([stolen, broken, note], "application/cloudevents-batch+json")
    assert status == 200
    (receipt,) = answer["receipts"]
    assert (receipt["id"], receipt["sha256"]) == (note["id"], hashlib.sha256(rfc8785.dumps(note)).hexdigest())
    assert receipt["seq"] > first["seq"]
    refused = {each["id"]: each["reason"] for each in answer["refused"]}
    assert set(refused) == {stolen["id"], "no-entry"} and "another" in refused[stolen["id"]]
    alert = county.alert("0197-a")
    assert (alert["node"], alert["workflow"], alert["place"]["address"]) == ("other", "new", "三组")
    assert [entry["comment"] for entry in alert["entries"]] == [None, note["data"]["comment"]]

    # media
    assert lower.put(JPEG, "image/jpeg") in (200, 201)
    assert lower.put(JPEG, "image/jpeg") == 200
    assert lower.put(JPEG, "image/jpeg", "0" * 64) == 422

    # what is done above comes down, once, and goes on where it broke off
    heard = lower.listen()
    assert county.act("0197-a", "acknowledge")[0] == 200
    (position, event) = seen("the act", lambda: heard and heard[0])
    assert (event["data"]["action"], event["data"]["node"], event["type"]) == (
        "acknowledge",
        "dazhu",
        "gateway.entry.v1",
    )
    assert event["data"]["parents"] == [note["id"]]
    lower.hang_up()
    assert county.act("0197-a", "dispatch")[0] == 200
    again = lower.listen(position)
    seen("the next act", lambda: [each["data"]["action"] for _, each in again] == ["dispatch"])
    lower.hang_up()

    # the digest is what anybody can work out from the receipts
    lines = "".join(f"{each['seq']} {each['id']} {each['sha256']}\n" for each in (first, receipt))
    digest = lower.digest(began, foreign.in_time(1))
    assert (digest["count"], digest["sha256"]) == (2, hashlib.sha256(lines.encode()).hexdigest())

    # devices, as the contract writes them, under node:id; others' nodes are not spoken for
    lower.report("inventory", {"cameras": [CONTRACT_CAMERA], "terminals": [CONTRACT_TERMINAL]})
    camera = county.get("/cameras/other:c1")
    assert camera == {**camera, **CONTRACT_CAMERA, "id": "other:c1"}
    terminal = county.get("/terminals/other:t1")
    assert (terminal["household"]["name"], terminal["state"]) == ("李", "online")
    assert "other:c1" in [each["id"] for each in county.get("/cameras")["items"]]
    assert "other:t1" in [each["id"] for each in county.get("/terminals")["items"]]
    theft = foreign.cloud_event("another", "health", {"node": "another", "figures": {"alerts_open": 3}})
    assert [each["id"] for each in lower.post(theft)[1]["refused"]] == [theft["id"]]
    health = {
        "cameras": [{"id": "c1", "state": "offline", "reason": "no power"}],
        "figures": {"alerts_open": 1, "cpu": 0.5},
    }
    lower.report("health", health)
    assert (county.get("/cameras/other:c1")["state"], county.get("/cameras/other:c1")["reason"]) == (
        "offline",
        "no power",
    )
    with urllib.request.urlopen(county.metrics, timeout=60) as page:
        figures = page.read().decode()
    assert any(
        each.startswith("gateway_node_") and 'node="other"' in each and each.endswith(" 0.5")
        for each in figures.splitlines()
    )

    # silence
    def state() -> str:
        return str(next(node["state"] for node in county.get("/nodes")["items"] if node["id"] == "other"))

    def missed() -> list[tuple[str, str]]:
        found = [
            each for each in county.alerts() if each["source"] == {**each["source"], "type": "node", "id": "other"}
        ]
        return [(each["kind"], each["condition"]) for each in found]

    seen("the silence", lambda: state() == "silent" and missed() == [("device_offline", "active")])
    last = next(node["last_heard"] for node in county.get("/nodes")["items"] if node["id"] == "other")
    assert datetime.fromisoformat(last)
    lower.report("health", {"figures": {}})
    assert state() == "online"
    seen("it back", lambda: missed() and missed()[0] == ("device_offline", "cleared"))
