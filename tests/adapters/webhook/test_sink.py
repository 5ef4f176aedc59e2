"""Against a real HTTP receiver, which checks every message with the standardwebhooks library."""

import asyncio
import contextlib
import json
import os
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from adapters.webhook import sink as webhook_sink
from adapters.webhook.settings import WebhookSettings
from adapters.webhook.sink import WebhookSink
from gateway.errors import ConfigError, Refused, TryLater, TurnedAway
from gateway.model import Answer, Entry, Lane, Parcel, Stage
from gateway.supervision.clock import SystemClock

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALERT = {
    "id": "a1",
    "version": 3,
    "cameras": [
        {
            "id": "c1",
            "snapshots": [
                {"url": "/api/v1/alerts/a1/snapshots/s1", "sha256": "00ff"},
                {"url": None, "sha256": None},
            ],
            "clip": {"url": None, "state": "none"},
        }
    ],
}


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with ``answer`` as it stands, byte for byte, and keeps what came."""

    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: set = field(default_factory=set)

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader, writer) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
                    headers = {
                        name.lower(): value for name, _, value in (line.partition(": ") for line in head if line)
                    }
                    body = await reader.readexactly(int(headers["content-length"]))
                    self.received.append(Received(headers, body))
                    writer.write(self.answer)
                    await writer.drain()
                    if b"204" not in self.answer[:16]:
                        return
        finally:
            writer.close()
            self._tasks.discard(task)


@pytest.fixture
async def receiver():
    made = Receiver()
    made.url = await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def make_sink(receiver):
    sinks = []

    def make(within=9.5, alert=ALERT, **changes):
        values = {"kind": "webhook", "id": "hub", "url": receiver.url, "secret": SECRET, **changes}

        async def look_up(alert_id):
            return alert

        sink = WebhookSink(WebhookSettings.model_validate(values), "zhuyang", look_up, SystemClock(), within=within)
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        await sink.close()


def parcel(content=None):
    entry = Entry(
        "e1", "a1", "zhuyang", 1, (), AT, "terminal/tv-0001", "raised", "着火了 🔥", {"base": {"kind": "sos"}}
    )
    return Parcel(1, "hub", Lane.ALARM, content or entry)


async def test_a_message_is_a_cloudevent_that_the_receivers_library_verifies(receiver, make_sink):
    assert await make_sink().send(parcel()) is None
    (got,) = receiver.received
    event = Webhook(SECRET).verify(got.body, got.headers)
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert (event["specversion"], event["type"], event["source"]) == ("1.0", "gateway.entry.v1", "/nodes/zhuyang")
    assert event["id"] == event["data"]["entry"]["id"] == got.headers["webhook-id"] == "e1"
    assert event["data"]["entry"]["comment"] == "着火了 🔥"
    assert event["data"]["alert"] == ALERT
    assert got.body == json.dumps(event, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


async def test_a_changed_body_or_another_secret_is_not_verified(receiver, make_sink):
    await make_sink().send(parcel())
    (got,) = receiver.received
    for body, secret in ((got.body + b" ", SECRET), (got.body, "whsec_" + "AAAA" * 8)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, got.headers)


async def test_while_the_secret_changes_both_verify(receiver, make_sink):
    await make_sink(secret=[SECRET, "plain text as a key"]).send(parcel())
    (got,) = receiver.received
    assert Webhook(SECRET).verify(got.body, got.headers) == Webhook(b"plain text as a key").verify(
        got.body, got.headers
    )


async def test_pictures_are_named_by_hash_and_by_an_address_that_the_partner_reaches(receiver, make_sink):
    await make_sink(pictures="https://zhuyang.example/").send(parcel())
    (camera,) = json.loads(receiver.received[0].body)["data"]["alert"]["cameras"]
    assert camera["snapshots"][0] == {
        "url": "https://zhuyang.example/api/v1/alerts/a1/snapshots/s1",
        "sha256": "00ff",
    }
    assert camera["snapshots"][1]["url"] is None and camera["clip"]["url"] is None


async def test_an_entry_whose_alert_is_not_known_yet_is_told_alone(receiver, make_sink):
    await make_sink(alert=None).send(parcel())
    assert json.loads(receiver.received[0].body)["data"]["alert"] is None


async def test_messages_share_a_connection(receiver, make_sink):
    sink = make_sink()
    for _ in range(3):
        await sink.send(parcel())
    assert (len(receiver.received), receiver.connections) == (3, 1)


async def test_what_is_no_entry_is_refused_and_not_sent(receiver, make_sink):
    answer = Answer("tv", "tv-0001", "p1", "a1", Stage.RECEIVED, "zhuyang", AT, "received")
    with pytest.raises(Refused, match="entries of alerts"):
        await make_sink().send(parcel(answer))
    assert receiver.received == []


def answered(status, *headers, body=b""):
    return b"\r\n".join([f"HTTP/1.1 {status} X".encode(), *headers, b"Connection: close", b"", body])


@pytest.mark.parametrize("status", [400, 410, 413, 415, 422])
async def test_what_will_never_be_taken_is_refused_with_the_receivers_words(receiver, make_sink, status):
    receiver.answer = answered(status, body=b"no\r\nsuch\x1b[31m field")
    with pytest.raises(Refused, match=rf"HTTP {status}: no  such \[31m field"):
        await make_sink().send(parcel())


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_web_page_on_the_way_refuses_nothing(receiver, make_sink, status):
    receiver.answer = answered(status, b"Content-Type: text/html; charset=utf-8", body=b"<h1>Too large</h1>")
    with pytest.raises(TurnedAway, match=rf"web page \(HTTP {status}"):
        await make_sink().send(parcel())


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        (429, (b"Retry-After: 7",), 7.0),
        (503, (b"Retry-After: 99999",), 300.0),
        (503, (b"Retry-After: soon",), None),
        (500, (), None),
        (408, (), None),
        (302, (b"Location: http://127.0.0.1:1/elsewhere",), 30.0),
        (401, (), 30.0),
        (404, (), 30.0),
    ],
)
async def test_what_may_be_taken_later_says_when(receiver, make_sink, status, headers, after):
    receiver.answer = answered(status, *headers)
    with pytest.raises(TryLater) as caught:
        await make_sink().send(parcel())
    assert caught.value.after == after
    assert SECRET not in str(caught.value)


async def test_a_silent_receiver_is_given_up(receiver, make_sink):
    receiver.answer = b""
    with pytest.raises(TryLater, match=r"could not be reached|no answer"):
        await make_sink(within=0.2).send(parcel())


async def test_an_endless_answer_is_read_to_a_bound(receiver, make_sink):
    receiver.answer = b"HTTP/1.1 500 X\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000
    with pytest.raises(TryLater, match=r"x{200}"):
        await make_sink().send(parcel())


async def test_nobody_there_and_a_send_that_is_cancelled(receiver, make_sink):
    with pytest.raises(TryLater, match="could not be reached"):
        await make_sink(url="http://127.0.0.1:1/hook").send(parcel())
    sending = asyncio.create_task(make_sink().send(parcel()))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_is_answered_it_is_taken_refused_or_for_later(receiver, make_sink, seed):
    rng = random.Random(seed)
    pieces = [
        f"HTTP/1.{rng.randrange(3)} {rng.choice([200, 204, 100, 199, 299, 304, 400, 410, 429, 500, 999, 0, -1])}".encode(),
        rng.choice([b" X\r\n", b"\r\n", b"\n", b""]),
        rng.choice([b"Retry-After: -5\r\n", b"Retry-After: " + b"9" * 500 + b"\r\n", b"X: \xff\r\n", b""]),
        rng.choice([b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", b"\r\n", b"junk"]),
        rng.randbytes(rng.randrange(50)),
    ]
    receiver.answer = b"".join(pieces)
    with contextlib.suppress(Refused, TryLater):
        await make_sink(within=1.0).send(parcel())
    receiver.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    await make_sink().send(parcel())


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://h/x"},
        {"url": "https://user:pw@h/x"},
        {"secret": "short"},
        {"secret": "whsec_no base64!"},
        {"secret": []},
        {"pictures": "zhuyang"},
        {"unknown": 1},
    ],
)
async def test_settings_that_cannot_work_are_refused_without_repeating_a_secret(make_sink, changes):
    with pytest.raises(ValueError) as caught:
        make_sink(**changes)
    assert "no base64!" not in str(caught.value).partition("[type=")[0]


async def test_a_certificate_authority_that_is_not_there_is_named(make_sink, tmp_path):
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        make_sink(url="https://h/x", tls={"ca": os.fspath(tmp_path / "ca.pem")})


class Spent:
    """A budget with nothing left until ``full`` is set."""

    def __init__(self, bits) -> None:
        self.bits, self.counted, self.asked, self.full = bits, [], asyncio.Event(), asyncio.Event()

    def count(self, size) -> None:
        self.counted.append(size)

    async def spend(self, size, urgency) -> None:
        self.asked.set()
        await self.full.wait()


async def test_pictures_wait_for_the_budget_and_alarms_are_only_counted(receiver, make_sink, monkeypatch):
    budgets = []
    monkeypatch.setattr(webhook_sink, "Budget", lambda bits: budgets.append(Spent(bits)) or budgets[0])
    sink = make_sink(budget="8 kbit/s")
    entry = parcel().content
    picture = asyncio.create_task(sink.send(Parcel(2, "hub", Lane.PICTURE, replace(entry, id="e2"))))
    async with asyncio.timeout(60):
        await budgets[0].asked.wait()
        await sink.send(parcel())
        assert [got.headers["webhook-id"] for got in receiver.received] == ["e1"]
        budgets[0].full.set()
        await picture
    assert [got.headers["webhook-id"] for got in receiver.received] == ["e1", "e2"]
    assert (budgets[0].bits, len(budgets[0].counted)) == (8000, 1)
    assert budgets[0].counted[0] > len(receiver.received[0].body)
