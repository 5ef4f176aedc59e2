"""The event stream: from a real socket, resumed, bounded, ended in time."""

import asyncio

import pytest

from gateway.console.stream import encode
from gateway.console.tail import AlertChange, Tail
from gateway.model import CameraState, Draft, Forwarding
from gateway.observability.metrics import REGISTRY
from gateway.supervision.clock import SystemClock


def change(position: int) -> AlertChange:
    return AlertChange(position, f"a{position}", 1, None, f'{{"n":{position}}}')


class TestTail:
    def test_gives_what_is_newer_in_order(self) -> None:
        tail = Tail(10)
        tail.extend([change(11), change(13)], 14)
        tail.extend([change(15)], 15)
        assert [each.position for each in tail.after(10)] == [11, 13, 15]
        assert [each.position for each in tail.after(13)] == [15]
        assert tail.after(15) == []
        assert (tail.start, tail.position) == (10, 15)

    def test_says_from_where_it_is_whole_once_it_forgets(self) -> None:
        tail = Tail(0)
        for position in range(1, 5001):
            tail.extend([change(position)], position)
        assert len(tail.after(tail.start)) == 2000
        assert tail.start == 3000

    def test_the_megabytes_of_a_stuck_button_are_not_all_kept(self) -> None:
        tail = Tail(0)
        for position in range(1, 101):
            tail.extend([AlertChange(position, "a1", position, None, "x" * 1_000_000)], position)
        assert (tail.start, tail.position) == (92, 100)
        assert [each.position for each in tail.after(tail.start)] == list(range(93, 101))


def test_event_is_three_lines_and_an_empty_one() -> None:
    assert encode("alert", '{"a":"王"}', 7) == 'event: alert\nid: 7\ndata: {"a":"王"}\n\n'.encode()
    assert encode("ping", "{}") == b"event: ping\ndata: {}\n\n"


async def test_fresh_stream_starts_with_a_ping_and_every_state_then_tells_alerts(house, events) -> None:
    old = await house.raise_alert()
    house.register.seen("tv-0001", SystemClock().now())
    await house.video.say("cam-street", CameraState.ONLINE, codec="h264")
    async with events(house.bearer("viewer")) as stream:
        ping = await stream.next()
        assert ping.event == "ping"
        assert ping.id is not None
        assert ping.data["resumed"] is True
        states = [await stream.next() for _ in range(5)]
        assert {(each.event, each.data["id"], each.data["state"], each.id) for each in states} == {
            ("camera", "cam-street", "online", None),
            ("camera", "cam-far", "connecting", None),
            ("camera", "cam-home", "connecting", None),
            ("terminal", "tv-0001", "online", None),
            ("terminal", "tv-0002", "unknown", None),
        }
        alert = await house.raise_alert()
        told = await stream.next("alert")
        assert (told.data["id"], told.data["workflow"]) == (alert, "new")
        assert "entries" not in told.data
        assert int(told.id) > int(ping.id)
        await house.act(old, "acknowledge", "li")
        told = await stream.next("alert")
        assert (told.data["id"], told.data["workflow"]) == (old, "acknowledged")


async def test_states_are_told_when_they_change(house, events) -> None:
    async with events(house.bearer("viewer")) as stream:
        for _ in range(6):
            await stream.next()
        await house.video.say("cam-far", CameraState.OFFLINE, reason="no route")
        camera = await stream.next("camera")
        assert (camera.data["id"], camera.data["state"], camera.data["reason"]) == ("cam-far", "offline", "no route")
        house.register.seen("tv-0002", SystemClock().now(), online=False)
        terminal = await stream.next("terminal")
        assert (terminal.data["id"], terminal.data["state"]) == ("tv-0002", "offline")


async def test_resumes_without_a_gap_by_header_and_by_query(house, events) -> None:
    headers = house.bearer("viewer")
    async with events(headers) as stream:
        await stream.next("ping")
        first = await house.raise_alert()
        assert (await stream.next("alert")).data["id"] == first
        last = stream.last_id
    missed = [await house.raise_alert() for _ in range(3)]
    await house.act(missed[0], "acknowledge", "li")
    for given, query in (({"Last-Event-ID": last}, ""), ({}, f"?last_event_id={last}")):
        async with events({**headers, **given}, query) as stream:
            assert (await stream.next("ping")).data["resumed"] is True
            told = {(await stream.next("alert")).data["id"] for _ in range(3)}
            assert told == set(missed)


async def test_receipts_of_upper_nodes_are_told(house, events) -> None:
    before = await house.raise_alert()

    async def forwarded(alert: str, seq: int) -> None:
        receipt = Forwarding("county", SystemClock().now(), seq)
        await house.ledger.write(lambda tx: tx.note_forwarding(alert, receipt))

    async with events(house.bearer("viewer")) as stream:
        await stream.next("ping")
        alert = await house.raise_alert()
        await stream.next("alert")
        last = stream.last_id
        for each, seq in ((alert, 17), (before, 18)):
            await forwarded(each, seq)
            told = await stream.next("alert")
            assert (told.data["id"], told.data["receipts"]["forwarded"][0]["seq"]) == (each, seq)
            assert told.id is None  # it has no place of its own in the feed
        async with events({**house.bearer("viewer"), "Last-Event-ID": last}) as resumed:
            assert {(await resumed.next("alert")).data["id"] for _ in range(2)} == {alert, before}
        async with events(house.bearer("viewer")) as fresh:
            for _ in range(6):
                assert (await fresh.next()).event != "alert"
            await house.act(alert, "acknowledge", "li")
            told = await fresh.next("alert")
            assert (told.data["workflow"], len(told.data["receipts"]["forwarded"])) == ("acknowledged", 1)


async def test_a_client_cut_off_before_its_first_alert_resumes_from_the_first_ping(house, events) -> None:
    headers = house.bearer("viewer")
    async with events(headers) as stream:
        await stream.next("ping")
        last = stream.last_id
    alert = await house.raise_alert()
    async with events({**headers, "Last-Event-ID": last}) as stream:
        assert (await stream.next("alert")).data["id"] == alert


async def test_a_long_absence_is_made_up_in_order_and_each_alert_ends_in_its_present_state(house, events) -> None:
    alerts = [await house.raise_alert() for _ in range(40)]

    def work(tx):
        for round_ in range(20):
            for alert in alerts:
                tx.append(Draft(alert, "note", "li", SystemClock().now(), f"note {round_}"))

    await house.ledger.write(work)  # more entries than one read of the feed takes
    async with events({**house.bearer("viewer"), "Last-Event-ID": "0"}) as stream:
        versions: dict[str, int] = {}
        ids = []
        newest = await house.ledger.read(lambda reader: reader.newest_feed())
        while not ids or ids[-1] < newest:
            told = await stream.next("alert")
            ids.append(int(told.id))
            versions[told.data["id"]] = told.data["version"]
    assert ids == sorted(ids)
    assert set(versions) == set(alerts)
    for alert, version in versions.items():
        stored = await house.ledger.read(lambda reader, alert=alert: reader.alert(alert))
        assert version == stored.version


@pytest.mark.parametrize("last", ["999999", "rubbish", "-1", "9" * 40, "٣"])
async def test_an_id_that_is_none_of_ours_starts_afresh(house, events, last) -> None:
    async with events(house.bearer("viewer"), f"?last_event_id={last}") as stream:
        await stream.next("ping")
        alert = await house.raise_alert()
        assert (await stream.next("alert")).data["id"] == alert


async def test_an_id_from_before_the_ledger_was_restored_says_that_lists_must_be_loaded(house, events) -> None:
    async with events({**house.bearer("viewer"), "Last-Event-ID": "999999"}) as stream:
        assert (await stream.next("ping")).data["resumed"] is False


async def test_only_the_askers_areas_are_told(house, events) -> None:
    async with events(house.bearer("near")) as stream:
        states = [await stream.next("camera", "terminal") for _ in range(3)]
        assert {state.data["id"] for state in states} == {"cam-street", "cam-home", "tv-0001"}
        await house.raise_alert("tv-0002", area="511725002")
        nowhere = await house.raise_alert("tv-9999", area=None)
        near = await house.raise_alert("tv-0001")
        assert (await stream.next("alert")).data["id"] == nowhere
        assert (await stream.next("alert")).data["id"] == near


async def test_pings_come_though_nothing_happens(house, events, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.stream.PING_S", 0.05)
    async with events(house.bearer("viewer")) as stream:
        first, *later = [await stream.next("ping") for _ in range(4)]
    assert first.id is not None
    assert [ping.id for ping in later] == [None] * 3


async def test_ends_when_the_token_is_revoked_or_the_login_ended(house, http, events, log_in, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.stream.PING_S", 0.05)
    cookie = await log_in("operator")
    async with events(house.bearer("viewer")) as by_token, events(cookie) as by_cookie:
        await by_token.next("ping")
        await by_cookie.next("ping")
        house.accounts.revoke_token("t-viewer")
        await by_token.ended()
        async with http.delete("/api/v1/session", headers=cookie) as answer:
            assert answer.status == 204
        await by_cookie.ended()


async def test_ends_at_once_when_the_server_stops(house, events) -> None:
    async with events(house.bearer("viewer")) as stream:
        await stream.next("ping")
        await house.server.stop(30)  # the stream does not wait for the grace to pass
        await stream.ended()


async def test_a_client_that_leaves_gives_its_seat_back(house, events) -> None:
    def streams() -> float | None:
        return REGISTRY.get_sample_value("gateway_event_streams")

    async with events(house.bearer("viewer")) as stream:
        await stream.next("ping")
        assert streams() == 1
        stream.answer.close()
        async with asyncio.timeout(60):
            while streams() != 0:
                await asyncio.sleep(0.01)


async def test_each_caller_has_a_bounded_number_of_streams(house, http, events) -> None:
    async with asyncio.timeout(60):
        opened = [events(house.bearer("viewer")) for _ in range(12)]
        streams = [await each.__aenter__() for each in opened]
        for stream in streams:
            await stream.next("ping")
        async with http.get("/api/v1/stream", headers=house.bearer("viewer")) as answer:
            assert answer.status == 429
            assert answer.content_type == "application/problem+json"
        async with events(house.bearer("operator")) as other:
            await other.next("ping")
        for each in opened:
            await each.__aexit__(None, None, None)
        while True:  # the server notices that they are gone
            async with http.get("/api/v1/stream", headers=house.bearer("viewer")) as answer:
                if answer.status == 200:
                    break


async def test_a_broken_source_ends_the_streams_and_they_can_be_opened_again(house, events) -> None:
    async def broken(seen: int) -> int:
        raise OSError("the worker is gone")

    whole, house.video.health_changed = house.video.health_changed, broken
    async with events(house.bearer("viewer")) as stream:
        await stream.ended()
    house.video.health_changed = whole
    async with events(house.bearer("viewer")) as stream:
        await stream.next("ping")
        alert = await house.raise_alert()
        assert (await stream.next("alert")).data["id"] == alert


async def test_a_client_that_takes_nothing_is_cut_off_and_holds_nobody_up(house, events, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.stream._SEND_S", 3.0)
    cut = REGISTRY.get_sample_value("gateway_event_streams_cut_total")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port, limit=1024)
    token = house.tokens["viewer"]
    writer.write(f"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    await reader.readuntil(b"event: ping")
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    async with events(house.bearer("operator")) as stream:
        async with asyncio.timeout(60):
            while REGISTRY.get_sample_value("gateway_event_streams_cut_total") == cut:
                alert = await house.raise_alert(detail={"text": "x" * 200_000})
                while (await stream.next("alert")).data["id"] != alert:
                    continue
    writer.close()
