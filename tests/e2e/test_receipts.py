"""What a household is told, seen by televisions, upper nodes and partners that nobody here wrote."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from standardwebhooks.webhooks import Webhook

STAGES = ["received", "forwarded", "accepted", "closed"]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOMES = [{"id": name, "household": {"name": name}, "place": {"area_code": "511724001001"}} for name in ("tv-1", "tv-2")]


@pytest.fixture
def hook(foreign: Any) -> Iterator[Any]:
    made = foreign.Hook()
    yield made
    made.close()


@pytest.fixture
def upper(foreign: Any) -> Iterator[Any]:
    made = foreign.UpperNode()
    yield made
    made.close()


def township(node_of: Any, mosquitto: Any, **sections: Any) -> Any:
    sections = {"terminals": HOMES, **sections}
    return node_of("zhuyang", "township", "511724001", sources=[{"kind": "mqtt", "id": "tv", "url": mosquitto.url}],
                   **sections)  # fmt: skip


def county_of(node_of: Any) -> Any:
    return node_of("dazhu", "county", "511724", sources=[{"kind": "cascade", "id": "lower"}])


def test_every_stage_reaches_old_and_new_televisions_and_a_repeat_hears_the_highest(
    node_of, mosquitto, tv, seen
) -> None:  # type: ignore[no-untyped-def]
    county = county_of(node_of)
    town = township(node_of, mosquitto, uppers={"county": (county, None)})
    county.start()
    town.start()
    seen("the broker", lambda: town.hears("tv"))
    old, new = tv("tv-1"), tv("tv-2", version=mqtt.MQTTv5)
    told: dict[str, Callable[[str], list[dict[str, Any]]]] = {
        "old": lambda stage: old.acks("p", stage),
        "new": lambda stage: new.acks("p", stage),
        "reply": lambda stage: [each for ask, each in new.replies if ask == b"\x00\xff7" and each["stage"] == stage],
    }
    old.press("p")
    new.press("p", ask=b"\x00\xff7")
    ids = {}
    for stage in STAGES:
        if stage in ("accepted", "closed"):
            action = {"accepted": "acknowledge", "closed": "close"}[stage]
            for alert_id in {ids["old"], ids["new"]}:
                words = {"disposition": "real"} if action == "close" else {}
                assert seen("it at the county", lambda alert_id=alert_id: county.alert(alert_id))
                assert county.act(alert_id, action, **words)[0] == 200
        for name, heard in told.items():
            first = seen(f"{stage} ({name})", lambda heard=heard, stage=stage: heard(stage))[0]
            assert ids.setdefault(name, first["alert_id"]) == first["alert_id"]
            assert {"press_id", "alert_id", "stage", "node", "at", "text"} <= set(first), first
            if stage == "forwarded":
                (forwarding,) = town.alert(first["alert_id"])["receipts"]["forwarded"]
                assert first["receipt"]["seq"] == forwarding["seq"] > 0
                assert len(bytes.fromhex(first["receipt"]["sha256"])) == 32
            if stage == "accepted":
                assert (first["level"], first["at_node"], bool(first["by"])) == ("county", "dazhu", True)
        for one, ask in ((old, None), (new, b"\x00\xff7")):
            before = len(one.stages("p"))
            one.press("p", ask=ask)
            # R2 may come between: then that is the highest
            reached = set(STAGES[STAGES.index(stage) :])
            seen(
                f"{stage} again", lambda one=one, before=before, reached=reached: reached & {*one.stages("p")[before:]}
            )
            again = [told for word, told in one.told if word == "ack"][-1]
            assert again["alert_id"] == ids["old" if one is old else "new"]
            if stage == "forwarded":
                assert again["receipt"] == one.acks("p", stage)[0]["receipt"]
    assert ids["reply"] == ids["new"] != ids["old"]
    for one in (old, new):
        assert list(dict.fromkeys(one.stages("p"))) == STAGES
    for node in (town, county):
        assert sorted(alert["count"] for alert in node.alerts()) == [1, 1]


def test_a_dead_county_is_shown_and_a_partner_told_until_it_is_back(node_of, mosquitto, tv, hook, seen) -> None:  # type: ignore[no-untyped-def]
    county = county_of(node_of)
    town = township(
        node_of, mosquitto, uppers={"county": (county, None)}, alerts={"second_way_after": "1s"},
        sinks=[{"kind": "webhook", "id": "hub", "url": f"{hook.url}/in", "secret": SECRET, "standby_for": "county"}],
    )  # fmt: skip
    town.start()
    seen("the broker", lambda: town.hears("tv"))
    one = tv("tv-1")
    one.press("p")
    alert_id = seen("R1", lambda: one.acks("p", "received"))[0]["alert_id"]
    seen("undelivered", lambda: town.alert(alert_id)["detail"].get("undelivered") == ["county"])

    def told() -> list[dict[str, Any]]:
        """Each message is signed; nothing is taken that is not."""
        found = []
        for _, headers, body in list(hook.heard):
            names = {name.lower(): value for name, value in headers.items()}
            event = Webhook(SECRET).verify(body, names)
            assert event["id"] == names["webhook-id"] and event["specversion"] == "1.0"
            found.append(event["data"])
        return found

    raised = seen("the partner", lambda: [each for each in told() if each["entry"]["action"] == "raised"])[0]
    assert (raised["entry"]["alert_id"], raised["alert"]["id"]) == (alert_id, alert_id)
    assert raised["alert"]["source"]["id"] == "tv-1"
    assert [task["object"] for task in town.get("/tasks")["items"] if task["kind"] == "undelivered"] == [
        f"alerts/{alert_id}"
    ]
    assert not one.acks("p", "forwarded")  # a partner is no upper node

    county.start()
    seen("R2", lambda: one.acks("p", "forwarded"))
    seen("no more undelivered", lambda: not town.alert(alert_id)["detail"].get("undelivered"))
    seen("the last word to the partner", lambda: [each for each in told() if each["entry"]["action"] == "delivered"])
    seen("it at the county", lambda: county.alert(alert_id))
    two = tv("tv-2")
    two.press("q")
    seen("R2 as ever", lambda: two.acks("q", "forwarded"))
    other = two.acks("q", "received")[0]["alert_id"]
    late = any(entry["action"] == "undelivered" for entry in town.alert(other)["entries"])  # R2 on a slow machine
    assert late or not [each for each in told() if each["entry"]["alert_id"] == other]


def test_an_upper_node_of_other_make_confirms_and_acts_and_a_lying_one_confirms_nothing(  # type: ignore[no-untyped-def]
    node_of, mosquitto, tv, upper, seen
) -> None:
    sink = {"kind": "cascade", "id": "county", "url": upper.url, "token": "any-token"}
    town = township(node_of, mosquitto, sinks=[sink])
    town.start()
    seen("the broker", lambda: town.hears("tv"))
    one = tv("tv-1")
    one.press("p")
    r2 = seen("R2", lambda: one.acks("p", "forwarded"))[0]
    (raised,) = upper.entries("raised")
    assert raised["alert_id"] == r2["alert_id"]
    assert (r2["receipt"]["seq"], r2["receipt"]["sha256"]) == upper.book[raised["id"]]
    (forwarding,) = seen("the receipt", lambda: town.alert(r2["alert_id"])["receipts"]["forwarded"])
    assert (forwarding["sink"], forwarding["seq"]) == ("county", r2["receipt"]["seq"])

    upper.send_down(upper.diary.entry(raised["alert_id"], "acknowledge", [raised["id"]], actor="li"))
    r3 = seen("R3", lambda: one.acks("p", "accepted"))[0]
    assert (r3["by"], r3["at_node"]) == ("li", "dazhu")
    closing = upper.diary.entry(raised["alert_id"], "close", [raised["id"]], actor="li", data={"disposition": "real"})
    upper.send_down(closing)
    seen("closed", lambda: one.acks("p", "closed"))
    alert = town.alert(raised["alert_id"])
    assert (alert["workflow"], alert["disposition"]) == ("closed", "real")

    upper.lying = True
    before = len(upper.told)
    two = tv("tv-2")
    two.press("q")
    seen("R1", lambda: two.acks("q", "received"))
    seen("two attempts", lambda: len(upper.told) >= before + 2)
    assert not two.acks("q", "forwarded")
    assert not town.alert(two.acks("q", "received")[0]["alert_id"])["receipts"]["forwarded"]
    upper.lying = False
    r2 = seen("R2 once it tells the truth", lambda: two.acks("q", "forwarded"))[0]
    (raised,) = [entry for entry in upper.entries("raised") if entry["alert_id"] == r2["alert_id"]]
    assert (r2["receipt"]["seq"], r2["receipt"]["sha256"]) == upper.book[raised["id"]]


def test_who_is_away_from_the_desk_is_told_and_the_siren_sounds(node_of, mosquitto, tv, hook, seen) -> None:  # type: ignore[no-untyped-def]
    address = hook.url.replace("http://", "json://")
    another_day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    people = [
        {"id": "wang", "name": "王网格员", "role": "grid_worker", "areas": ["511724001001"], "addresses": [f"{address}/wang"]},
        {"id": "fire", "role": "officer", "kinds": ["fire"], "addresses": [f"{address}/fire"]},
        {"id": "elsewhere", "role": "cadre", "areas": ["511724002"], "addresses": [f"{address}/elsewhere"]},
        {"id": "never", "role": "cadre", "days": [another_day], "addresses": [f"{address}/never"]},
    ]  # fmt: skip
    siren = {"id": "square", "via": "tv", "topic": "village/square/siren", "on": {"state": 1}, "off": {"state": 0}}
    town = township(
        node_of, mosquitto, sinks=[{"kind": "notify", "id": "people", "people": people}], alerts={"sirens": [siren]}
    )
    town.start()
    seen("the broker", lambda: town.hears("tv"))
    blown: list[Any] = []
    hears = threading.Event()
    horn = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="horn")
    horn.on_message = lambda _c, _u, message: blown.append(json.loads(message.payload))
    horn.on_subscribe = lambda *_: hears.set()
    horn.connect("127.0.0.1", mosquitto.port, 30)
    horn.subscribe("village/square/siren", 1)
    horn.loop_start()
    try:
        seen("the siren's SUBACK", hears.is_set)
        one, two = tv("tv-1"), tv("tv-2")
        one.press("test", test=True)
        seen("R1 of the test", lambda: one.acks("test", "received"))
        two.press("p")
        sos = seen("R1", lambda: two.acks("p", "received"))[0]["alert_id"]
        one.press("f", "fire")
        fire = seen("R1", lambda: one.acks("f", "received"))[0]["alert_id"]

        def told(alert_id: str) -> set[str]:
            said = [entry["data"] for entry in town.alert(alert_id)["entries"] if entry["action"] == "notified"]
            return {each["to"] for each in said if each["role"] != "siren"}

        seen("who is told of the fire", lambda: told(fire) == {"wang", "fire"})
        seen("who is told of the sos", lambda: told(sos) == {"wang"})
        assert {path for path, _, _ in hook.heard} == {"/wang", "/fire"}
        assert all(address not in json.dumps(town.alert(each)) for each in (sos, fire))
        seen("the siren", lambda: {"state": 1} in blown)
        for alert_id in (sos, fire):
            assert town.act(alert_id, "acknowledge")[0] == 200
        seen("its end", lambda: blown[-1] == {"state": 0})
        (tried,) = [alert for alert in town.alerts() if alert["status"] == "test"]
        assert told(tried["id"]) == set()
    finally:
        horn.disconnect()
        horn.loop_stop()
