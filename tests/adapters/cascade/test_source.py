import asyncio
import io
import json

import aiohttp
import pytest

from adapters.cascade import wire
from adapters.cascade.settings import CascadeSourceSettings
from adapters.cascade.source import CascadeSource
from adapters.cascade.sse import EventParser
from gateway.canonical import canonical_json, sha256_hex
from gateway.errors import StoreFailed
from gateway.ports import Digest

EVENTS = "/cascade/v1/events"
JPEG = b"\xff\xd8\xff\xe0" + b"a picture" * 50
MP4 = b"\0\0\0\x18ftypisom" + b"a clip" * 50


async def post(client, upper, body, content_type="application/cloudevents+json", token=None):
    headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client.post(upper.url + EVENTS, data=io.BytesIO(content), headers=headers) as response:
        return response.status, await response.json(content_type=None), response.headers


def report(number, node="zhuyang", kind="gateway.inventory.v1"):
    return {
        "specversion": "1.0",
        "id": f"r{number}",
        "source": f"/nodes/{node}",
        "type": kind,
        "data": {"cameras": [number]},
    }


async def test_one_event_gets_the_receipt_of_its_bytes_after_the_commit(upper, client, make_entry):
    body = json.dumps(wire.event_json(make_entry(1, "raised")), indent=2).encode()
    status, answer, _ = await post(client, upper, body)
    assert status == 200
    [receipt] = answer["receipts"]
    assert receipt.keys() == {"id", "sha256", "seq", "committed_at"}
    assert (receipt["id"], receipt["sha256"]) == ("zhuyang-e1", sha256_hex(body))
    assert answer["refused"] == []
    assert await upper.entries("a1") == [make_entry(1, "raised")]


async def test_a_repeat_gets_the_same_answer_also_after_a_restart(upper, client, make_entry):
    body = wire.event_bytes(make_entry(1, "raised"))
    _, first, _ = await post(client, upper, body)
    await post(client, upper, wire.event_bytes(make_entry(2)))
    _, again, _ = await post(client, upper, body)
    await upper.restart()
    _, later, _ = await post(client, upper, body)
    assert first == again == later
    assert len(await upper.entries("a1")) == 2


async def test_a_list_is_receipted_in_order_by_canonical_json_and_the_refused_are_named(upper, client, make_entry):
    good = [wire.event_json(make_entry(number, "raised" if number == 1 else "note")) for number in range(1, 4)]
    foreign = wire.event_json(make_entry(1, node="longmen"))
    odd = {**good[0], "id": "odd", "type": "gateway.parade.v1"}
    status, answer, _ = await post(
        client, upper, [good[0], odd, good[1], foreign, good[2]], "application/cloudevents-batch+json; charset=utf-8"
    )
    assert status == 200
    assert [receipt["id"] for receipt in answer["receipts"]] == [event["id"] for event in good]
    assert [receipt["sha256"] for receipt in answer["receipts"]] == [
        sha256_hex(canonical_json(event)) for event in good
    ]
    numbers = [receipt["seq"] for receipt in answer["receipts"]]
    assert numbers == sorted(set(numbers))
    assert {refusal["id"] for refusal in answer["refused"]} == {"odd", "longmen-e1"}
    assert all(refusal["reason"] for refusal in answer["refused"])


async def test_a_lone_refused_event_is_named_too(upper, client):
    status, answer, _ = await post(
        client, upper, {"specversion": "1.0", "id": "x", "source": "/", "type": "parade", "data": {}}
    )
    assert (status, answer["receipts"]) == (200, [])
    assert answer["refused"][0]["id"] == "x"
    assert "parade" in answer["refused"][0]["reason"]


async def test_the_receipt_bears_the_id_of_the_event_and_the_entry_keeps_its_own(upper, client, make_entry):
    event = {**wire.event_json(make_entry(1, "raised")), "id": "event-77"}
    _, answer, _ = await post(client, upper, event)
    assert answer["receipts"][0]["id"] == "event-77"
    assert await upper.entries("a1") == [make_entry(1, "raised")]


async def test_reports_are_receipted_and_numbers_rise_over_all_events(upper, client, make_entry):
    events = [report(1), wire.event_json(make_entry(1, "raised")), report(2), report(3), wire.event_json(make_entry(2))]
    numbers = []
    for event in events:
        _, answer, _ = await post(client, upper, event)
        numbers.append(answer["receipts"][0]["seq"])
    assert numbers == sorted(set(numbers))
    _, repeated, _ = await post(client, upper, events)
    assert [receipt["seq"] for receipt in repeated["receipts"]] == numbers


@pytest.mark.parametrize("type_", ["application/json", "application/cloudevents+json; charset=UTF-8"])
async def test_every_json_type_is_tolerated(upper, client, make_entry, type_):
    status, answer, _ = await post(client, upper, wire.event_bytes(make_entry(1, "raised")), type_)
    assert (status, len(answer["receipts"])) == (200, 1)


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"<event/>", "application/xml", 415),
        (b" " * (4 * 1024 * 1024 + 1), "application/json", 413),
        (b"[" + b"1," * 1000 + b"1]", "application/json", 413),
    ],
)
async def test_a_body_that_cannot_be_taken_is_a_problem(upper, client, body, content_type, expected):
    status, problem, headers = await post(client, upper, body, content_type)
    assert (status, problem["status"]) == (expected, expected)
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["detail"]


async def test_a_body_of_unknown_length_is_cut_off_at_the_bound(upper, client):
    async def endless():
        for _ in range(80):
            yield b" " * 65536

    async with client.post(
        upper.url + EVENTS, data=endless(), headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, 401),
        ("Bearer", 401),
        ("Basic dDp0", 401),
        ("Bearer wrong", 401),
        ("Bearer t-operator", 403),
        ("Bearer t-county", 403),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", EVENTS),
        ("PUT", f"/cascade/v1/media/{'0' * 64}"),
        ("GET", "/cascade/v1/downlink"),
        ("GET", "/cascade/v1/digest"),
    ],
)
async def test_only_holders_of_a_node_token_are_heard(upper, authorization, expected, method, path):
    headers = {"Authorization": authorization} if authorization else {}
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.request(method, upper.url + path, headers=headers) as response,
    ):
        problem = await response.json(content_type="application/problem+json")
        assert (response.status, problem["status"]) == (expected, expected)
        assert "t-" not in problem["detail"].replace("not-", "")
        assert ("WWW-Authenticate" in response.headers) or expected == 403


async def test_other_paths_and_methods_are_problems(upper, client):
    for method, path, expected in [("GET", EVENTS, 405), ("GET", "/cascade/v1/nothing", 404)]:
        async with client.request(method, upper.url + path) as response:
            assert (await response.json(content_type="application/problem+json"))["status"] == expected


async def put(client, upper, content, content_type="image/jpeg", name=None):
    path = f"{upper.url}/cascade/v1/media/{name or sha256_hex(content)}"
    async with client.put(path, data=io.BytesIO(content), headers={"Content-Type": content_type}) as response:
        return response.status


@pytest.mark.parametrize(("content", "content_type"), [(JPEG, "image/jpeg"), (MP4, "video/mp4")])
async def test_media_are_stored_once(upper, client, content, content_type):
    assert await put(client, upper, content, content_type) == 201
    assert await put(client, upper, content, content_type) == 200
    assert upper.media.kept == {sha256_hex(content): (content, content_type)}


@pytest.mark.parametrize(
    ("content", "content_type", "name", "expected"),
    [
        (JPEG, "image/jpeg", "0" * 64, 422),
        (JPEG, "video/mp4", None, 422),
        (b"GIF89a", "image/jpeg", None, 422),
        (JPEG, "image/png", None, 415),
        (JPEG, "", None, 415),
        (JPEG, "image/jpeg", "A" * 64, 400),
        (JPEG, "image/jpeg", "..%2f..%2fetc", 404),
        (JPEG + bytes(16 * 1024 * 1024), "image/jpeg", None, 413),
    ],
)
async def test_media_that_are_not_what_they_say_are_refused(upper, client, content, content_type, name, expected):
    assert await put(client, upper, content, content_type, name) == expected
    assert upper.media.kept == {}


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (MP4, "0" * 64, 422),
        (JPEG * 1000, None, 422),
        (b"", None, 422),
        (MP4[:6], None, 422),
        (MP4 + bytes(64 * 1024 * 1024), None, 413),
    ],
)
async def test_clips_that_are_not_what_they_say_are_refused(upper, client, content, name, expected):
    assert await put(client, upper, content, "video/mp4", name) == expected
    assert upper.media.kept == {}


async def test_a_node_has_two_clips_under_way_and_no_more(upper, client, eventually):
    released = asyncio.Event()

    async def dripping():
        yield MP4
        await released.wait()

    path = f"{upper.url}/cascade/v1/media/{sha256_hex(MP4)}"
    headers = {"Content-Type": "video/mp4"}
    first = [asyncio.create_task(client.put(path, data=dripping(), headers=headers)) for _ in range(2)]
    await eventually(lambda: upper.source._clips["zhuyang"] == 2)
    async with client.put(path, data=b"x", headers=headers) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "10")
        assert "2 clips of zhuyang are on their way" in (await response.json())["detail"]
    other = {**headers, "Authorization": "Bearer t-longmen"}
    async with client.put(path, data=MP4, headers=other) as response:
        assert response.status == 201
    released.set()
    assert [(await task).status for task in first] == [200, 200]
    assert await put(client, upper, MP4, "video/mp4") == 200


async def test_a_clip_waits_for_room_on_the_disk(upper, client):
    async def full(sha256, content, media_type):
        raise StoreFailed("a clip could not be stored: the disk is full")

    upper.media.receive = full
    async with client.put(
        f"{upper.url}/cascade/v1/media/{'0' * 64}", data=MP4, headers={"Content-Type": "video/mp4"}
    ) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "60")


class Online:
    def __init__(self):
        self.count = 0

    def online(self):
        self.count += 1


class Listening:
    """A foreign lower node's ear: the entries of a downlink as they come."""

    def __init__(self, response):
        self._response = response
        self._parser = EventParser()
        self._waiting = []

    def close(self):
        self._response.close()

    async def next(self, kind="entry"):
        async with asyncio.timeout(60):
            while True:
                while self._waiting:
                    event = self._waiting.pop(0)
                    if event.event == kind:
                        return event
                chunk = await self._response.content.readany()
                if not chunk:
                    return None
                self._waiting += self._parser.feed(chunk)


async def test_the_downlink_brings_what_is_done_above_and_resumes_without_a_gap(upper, client, make_entry):
    await post(client, upper, wire.event_bytes(make_entry(1, "raised")))
    first = await upper.act("a1")
    async with client.get(upper.url + "/cascade/v1/downlink") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        ear = Listening(response)
        heard = await ear.next()
        assert wire.read_entry(json.loads(heard.data)) == first
        second = await upper.act("a1", "dispatch")
        assert wire.read_entry(json.loads((await ear.next()).data)) == second
    third = await upper.act("a1", "arrive")
    for resume in ({"headers": {"Last-Event-ID": heard.id}}, {"params": {"after": heard.id}}):
        async with client.get(upper.url + "/cascade/v1/downlink", **resume) as response:
            ear = Listening(response)
            assert [wire.read_entry(json.loads((await ear.next()).data)) for _ in range(2)] == [second, third]


async def test_the_downlink_tells_a_node_nothing_of_others_and_nothing_of_its_own(upper, client, make_entry):
    await post(client, upper, wire.event_bytes(make_entry(1, "raised")))
    await post(client, upper, wire.event_bytes(make_entry(1, "raised", "b1", "longmen")), token="t-longmen")
    await upper.act("b1")
    ours = await upper.act("a1")
    async with client.get(upper.url + "/cascade/v1/downlink") as response:
        assert wire.read_entry(json.loads((await Listening(response).next()).data)) == ours


async def test_the_downlink_pings_at_once_and_while_it_is_quiet(upper, client):
    async with client.get(upper.url + "/cascade/v1/downlink") as response:
        ear = Listening(response)
        assert [(await ear.next("ping")).event for _ in range(3)] == ["ping"] * 3


async def test_a_position_that_is_none_is_a_400(upper, client):
    for bad in ("x", "-1", "1e5", "9" * 30):
        async with client.get(upper.url + "/cascade/v1/downlink", params={"after": bad}) as response:
            assert response.status == 400


async def test_a_fifth_downlink_ends_the_oldest_which_may_be_dead(upper, client):
    url = upper.url + "/cascade/v1/downlink"
    ears = []
    for _ in range(5):
        ears.append(Listening(await client.get(url)))
        assert await ears[-1].next("ping")
    assert await ears[0].next() is None
    for ear in ears[1:]:
        assert await ear.next("ping")
    for ear in ears:
        ear.close()


async def test_a_source_that_stopped_opens_no_downlink_until_it_runs_again(upper, client, eventually):
    upper.running.cancel()
    await asyncio.gather(upper.running, return_exceptions=True)
    async with client.get(upper.url + "/cascade/v1/downlink") as response:
        assert response.status == 503
    online = Online()
    upper.running = asyncio.create_task(upper.source.run(online))
    await eventually(lambda: online.count == 1)
    async with client.get(upper.url + "/cascade/v1/downlink") as response:
        assert await Listening(response).next("ping")


async def test_one_digest_at_a_time(upper, client):
    going, done = asyncio.Event(), asyncio.Event()

    async def slow(node, since, until):
        going.set()
        await done.wait()
        return Digest(0, "0" * 64)

    upper.exchange.digest = slow
    url, span = upper.url + "/cascade/v1/digest", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    first = asyncio.create_task(client.get(url, params=span))
    await going.wait()
    async with client.get(url, params=span) as second:
        assert second.status == 429
    done.set()
    async with await first as response:
        assert response.status == 200


async def test_a_large_list_is_taken_like_a_small_one(upper, client, make_entry):
    events = [wire.event_json(make_entry(number, "raised", f"a{number}")) for number in range(1, 301)]
    _, answer, _ = await post(client, upper, events)
    assert [receipt["id"] for receipt in answer["receipts"]] == [event["id"] for event in events]


async def test_open_downlinks_end_when_the_source_stops(upper, client):
    async with client.get(upper.url + "/cascade/v1/downlink") as response:
        ear = Listening(response)
        assert await ear.next("ping")
        upper.running.cancel()
        assert await ear.next() is None


async def test_the_digest_counts_what_came_from_the_asking_node_in_a_span_of_time(upper, client, make_entry):
    url = upper.url + "/cascade/v1/digest"
    always = {"from": "1970-01-01T00:00:00Z", "to": "2999-01-01T00:00:00+00:00"}
    lines = []
    for event in (report(1), wire.event_json(make_entry(1, "raised")), wire.event_json(make_entry(2))):
        _, answer, _ = await post(client, upper, event)
        lines += ["{seq} {id} {sha256}\n".format(**receipt) for receipt in answer["receipts"] if receipt["id"] != "r1"]
    await post(client, upper, wire.event_bytes(make_entry(1, "raised", "b1", "longmen")), token="t-longmen")
    async with client.get(url, params=always) as response:
        digest = await response.json()
    assert (digest["count"], digest["sha256"]) == (2, sha256_hex("".join(lines).encode()))
    async with client.get(url, params={**always, "from": "2990-01-01T00:00:00Z"}) as response:
        assert (await response.json())["count"] == 0


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"from": "yesterday", "to": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-01T00:00:00", "to": "2026-01-02T00:00:00Z"},
    ],
)
async def test_a_digest_needs_two_moments(upper, client, params):
    async with client.get(upper.url + "/cascade/v1/digest", params=params) as response:
        assert response.status == 400


async def test_a_failed_disk_is_no_receipt_but_a_later(upper, client, make_entry, serve):
    class FullDisk:
        async def admit(self, node, arrivals):
            raise StoreFailed("the disk is full")

    source = CascadeSource(CascadeSourceSettings(id="lower"), "county", FullDisk(), upper.media, upper.tokens)
    served = await serve(source.app)
    status, problem, headers = await post(client, served, wire.event_bytes(make_entry(1, "raised")))
    assert (status, problem["detail"]) == (503, "the disk is full")
    assert headers["Retry-After"]
