"""What somebody has to see to."""

from dataclasses import replace
from datetime import UTC, datetime

from gateway.alerts.register import Register
from gateway.console.api import schemas
from gateway.model import CameraHealth, CameraState, ClockReading, DeviceHealth, EventsState, Lane, ParcelDraft
from gateway.ports import Report
from gateway.supervision.clock import SystemClock


async def tasks(http, house, role="operator", query=""):
    async with http.get(f"/api/v1/tasks{query}", headers=house.bearer(role)) as answer:
        assert answer.status == 200, await answer.text()
        page = await answer.json()
    schemas.Page[schemas.Task].model_validate(page)
    return page


async def test_a_household_is_called_back_until_somebody_says_what_came_of_it(house, http) -> None:
    alert = await house.raise_alert()
    (task,) = (await tasks(http, house))["items"]
    assert (task["kind"], task["object"], task["overdue"]) == ("callback", f"alerts/{alert}", False)
    assert task["detail"]["household"]["phone"] == "13800000000"
    await house.act(alert, "note", "wang", callback="line_busy")
    assert (await tasks(http, house))["items"] == []
    await house.act(alert, "withdrawn", "terminal/tv-0001")
    assert [task["kind"] for task in (await tasks(http, house))["items"]] == ["callback"]
    await house.act(alert, "close", "wang", disposition="false_alarm")
    assert (await tasks(http, house))["items"] == []


async def test_one_that_waits_too_long_is_overdue(house, http) -> None:
    await house.raise_alert(raised_at="2026-01-01T00:00:00.000Z")
    (task,) = (await tasks(http, house))["items"]
    assert (task["due"], task["overdue"]) == ("2026-01-01T00:02:00.000Z", True)


async def test_tests_and_what_cameras_notice_need_no_call(house, http) -> None:
    await house.raise_alert(status="test")
    await house.raise_alert(kind="tamper", source={"type": "camera", "id": "cam-street"})
    await house.raise_alert(kind="device_offline")
    shown = (await tasks(http, house))["items"]
    assert [(task["kind"], task["detail"]) for task in shown] == [("camera_covered", {"camera": "cam-street"})]


async def test_what_is_not_confirmed_above_and_who_is_silent(house, http) -> None:
    alert = await house.raise_alert(status="test")
    await house.act(alert, "undelivered", sink="county", after_s=15)
    silent = await house.raise_alert(kind="device_offline", source={"type": "node", "id": "xinmin"})
    house.register.seen("tv-0001", SystemClock().now(), online=False)
    house.register.seen("tv-0002", SystemClock().now(), online=False)
    shown = (await tasks(http, house))["items"]
    assert [(task["kind"], task["object"]) for task in shown] == [
        ("terminals_offline", "terminals"),
        ("node_silent", f"alerts/{silent}"),
        ("undelivered", f"alerts/{alert}"),
    ]
    assert shown[0]["detail"] == {"count": 2, "terminals": ["tv-0001", "tv-0002"]}
    assert shown[2]["detail"] == {"sinks": ["county"]}
    near = (await tasks(http, house, "near"))["items"]
    assert near[0]["detail"]["terminals"] == ["tv-0001"]  # of the caller's own areas alone


async def test_a_node_that_is_heard_again_needs_nobody(house, http) -> None:
    silent = await house.raise_alert(kind="device_offline", source={"type": "node", "id": "xinmin"})
    (task,) = (await tasks(http, house))["items"]
    assert task["detail"] == {"node": "xinmin"}
    await house.act(silent, "cleared", "gateway")
    assert (await tasks(http, house))["items"] == []


async def test_what_a_node_raises_of_itself_is_no_silence(house, http) -> None:
    await house.raise_alert(kind="device_offline", source={"type": "node", "id": "zhuyang"})
    assert (await tasks(http, house))["items"] == []


async def test_what_a_receiver_refused_is_counted_by_sink(house, http) -> None:
    alert = await house.raise_alert(status="test")
    (line,) = await house.ledger.read(lambda reader: reader.entries(alert))

    def work(tx):
        for _ in range(3):
            tx.post(ParcelDraft("hub", Lane.ALARM, entry_id=line.entry.id))
        for parcel in tx.parcels("hub", Lane.ALARM, 2, SystemClock().now()):
            tx.park(parcel.id, "410 Gone")

    await house.ledger.write(work)
    (task,) = (await tasks(http, house))["items"]
    assert (task["kind"], task["object"], task["detail"]) == ("parked", "sinks/hub", {"count": 2})


async def test_pages_hold_no_more_than_is_asked_for_and_miss_nothing(house, http) -> None:
    alerts = [await house.raise_alert() for _ in range(5)]
    for alert in alerts[:2]:
        await house.act(alert, "undelivered", sink="county")
    house.register.seen("tv-0001", SystemClock().now(), online=False)
    seen, query = [], "?limit=3"
    while True:
        page = await tasks(http, house, query=query)
        assert len(page["items"]) <= 3
        seen += [(task["kind"], task["object"]) for task in page["items"]]
        if page["next"] is None:
            break
        query = f"?limit=3&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 1 + 5 + 2
    async with http.get("/api/v1/tasks?cursor=x", headers=house.bearer("operator")) as answer:
        assert answer.status == 422


async def test_who_only_looks_is_shown_no_telephone_number_of_a_presser(house, http, log_in, events) -> None:
    for role, phone in (("viewer", None), ("operator", "13800000000")):
        async with events(await log_in(role)) as stream:
            alert = await house.raise_alert()
            told = (await stream.next("alert")).data
            assert told["detail"]["household"] == {"name": "王家", "phone": phone, "address": "三组7号"}, role
        (task, *_) = (await tasks(http, house, role))["items"]
        assert (task["object"], task["detail"]["household"]["phone"]) == (f"alerts/{alert}", phone), role
        for path in (f"/alerts/{alert}", "/alerts"):
            async with http.get(f"/api/v1{path}", headers=house.bearer(role)) as answer:
                shown = await answer.json()
            shown = shown["items"][0] if "items" in shown else shown
            assert shown["detail"]["household"]["phone"] == phone, (path, role)
            assert shown["detail"]["press_ids"] == ["p1"]


async def test_cameras_in_trouble_are_one_task_for_each_kind_the_longest_first(house, http) -> None:
    long_ago, now = datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC)
    states = house.video.states
    states["cam-street"] = CameraHealth("cam-street", CameraState.OFFLINE, now, "it does not answer")
    states["cam-far"] = CameraHealth("cam-far", CameraState.OFFLINE, long_ago, "no route")
    states["cam-home"] = CameraHealth("cam-home", CameraState.ONLINE, now, faults=("clock", "frozen"))
    clock = ClockReading(900.0, 0.2, now)
    house.devices.known["cam-home"] = DeviceHealth("cam-home", EventsState.LISTENING, clock=clock, faults=("clock",))
    shown = (await tasks(http, house))["items"]
    assert [task["kind"] for task in shown] == ["camera_offline", "camera_frozen", "camera_clock"]
    offline, _, wrong = shown
    assert [camera["id"] for camera in offline["detail"]["cameras"]] == ["cam-far", "cam-street"]
    assert (offline["detail"]["count"], offline["since"]) == (2, "2026-01-01T00:00:00.000Z")
    assert offline["detail"]["cameras"][1]["reason"] == "it does not answer"
    assert wrong["detail"]["cameras"][0]["offset_s"] == 900.0
    near = (await tasks(http, house, "near"))["items"]
    assert near[0]["detail"]["count"] == 1  # of the caller's own areas alone


async def test_what_the_law_wants_otherwise_is_a_task(house, http) -> None:
    """Of this node's cameras, and of lower nodes' where none may stand."""
    change = {"place_type": "员工宿舍", "signage": False}
    register = house.register
    changed = [replace(each, **change) if each.id == "cam-street" else each for each in register.cameras()]
    register.replace(Register(changed, register.terminals()))
    told = [{"id": "c9", "name": "女更衣室", "place": {"area_code": "511724001001"}}]
    house.below.take(Report("r", "gateway.inventory.v1", "xinmin", "0" * 64, 9, {"cameras": told}), "xinmin")
    place, sign = (await tasks(http, house))["items"]
    assert (place["kind"], place["since"]) == ("camera_place", None)
    assert {camera["id"] for camera in place["detail"]["cameras"]} == {"cam-street", "xinmin:c9"}
    assert all("Article 8" in camera["reason"] for camera in place["detail"]["cameras"])
    assert (sign["kind"], [camera["id"] for camera in sign["detail"]["cameras"]]) == ("camera_sign", ["cam-street"])


async def test_a_node_that_cannot_write_says_so(house, http) -> None:
    house.faults.append("The ledger cannot be written: the disk is full.")
    (task,) = (await tasks(http, house))["items"]
    assert (task["kind"], task["detail"]["reasons"]) == ("storage", ["The ledger cannot be written: the disk is full."])
