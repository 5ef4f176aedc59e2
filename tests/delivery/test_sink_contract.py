"""What every sink keeps to (ports.Sink), each against receivers that are away, silent, or talk nonsense."""

import asyncio
import contextlib
import random
from datetime import UTC, datetime

import pytest

from adapters.cascade.settings import CascadeSinkSettings
from adapters.cascade.sink import CascadeSink
from adapters.mqtt.connection import MqttSource
from adapters.mqtt.settings import MqttSettings
from adapters.notify.settings import NotifySettings
from adapters.notify.sink import NotifySink
from adapters.webhook.settings import WebhookSettings
from adapters.webhook.sink import WebhookSink
from gateway.errors import Refused, TryLater
from gateway.model import Answer, Entry, Lane, Notice, Parcel, Receipt, Stage
from gateway.supervision.clock import SystemClock
from gateway.video.media import FileMediaStore

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
ENTRY = Entry("e1", "a1", "zhuyang", 1, (), AT, "terminal/tv-0001", "note")
ANSWER = Answer("tv", "tv-0001", "p1", "a1", Stage.RECEIVED, "zhuyang", AT, "received")
NOTICE = Notice("person", "wang", "a1", AT, "help is needed", {"title": "sos", "role": "officer"})
NOBODY = 1  # a port at which nobody listens
TAKES = {"cascade": ENTRY, "webhook": ENTRY, "notify": NOTICE, "mqtt": ANSWER}
FOREIGN = {"cascade": (ANSWER, NOTICE), "webhook": (ANSWER, NOTICE), "notify": (ANSWER, ENTRY), "mqtt": (ENTRY,)}
OVER_HTTP = ("cascade", "webhook", "notify")


async def _no_alert(alert_id):
    return None


class Receiver:
    """Takes connections and says ``words``, or nothing; closes where it has said something."""

    def __init__(self) -> None:
        self.words: bytes | None = None
        self.heard = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError):
                await reader.read(65536)
                self.heard.set()
                if self.words is None:
                    await asyncio.Event().wait()
                writer.write(self.words)
                await writer.drain()
        finally:
            writer.close()
            self._tasks.discard(asyncio.current_task())


@pytest.fixture
async def receiver():
    made = Receiver()
    made.port = await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def make(tmp_path):
    """``make(kind, port)``: a sink of that kind towards a receiver at the port."""
    sinks, media = [], FileMediaStore(tmp_path / "media")

    def made(kind, port):
        url = f"http://127.0.0.1:{port}"
        if kind == "cascade":
            values = {"kind": kind, "id": "s", "url": url, "token": "t"}
            sink = CascadeSink(CascadeSinkSettings.model_validate(values), "zhuyang", media)
        elif kind == "webhook":
            values = {"kind": kind, "id": "s", "url": url, "secret": "a secret to sign with"}
            sink = WebhookSink(WebhookSettings.model_validate(values), "zhuyang", _no_alert, SystemClock())
        elif kind == "notify":
            people = [{"id": "wang", "addresses": ["wecombot://0a1b2c3d-key"]}]
            values = {"kind": kind, "id": "s", "people": people, "robots": {"wecombot": url}}
            sink = NotifySink(NotifySettings.model_validate(values), now=lambda: AT)
        else:
            values = {"kind": kind, "id": "s", "url": f"mqtt://127.0.0.1:{port}"}
            sink = MqttSource(MqttSettings.model_validate(values), "zhuyang", SystemClock())
        sinks.append(sink)
        return sink

    yield made
    for sink in sinks:
        await sink.close()
    await media.close()


def parcel(content):
    return Parcel(1, "s", Lane.ALARM, content)


@pytest.mark.parametrize("kind", TAKES)
async def test_it_has_a_name_and_a_width_and_can_be_closed_twice_and_unused(make, kind):
    sink = make(kind, NOBODY)
    assert sink.id == "s" and sink.concurrency >= 1
    await sink.close()
    await sink.close()


@pytest.mark.parametrize(("kind", "content"), [(kind, content) for kind in TAKES for content in FOREIGN[kind]])
async def test_what_is_not_for_it_is_refused(make, kind, content):
    with pytest.raises(Refused):
        await make(kind, NOBODY).send(parcel(content))


@pytest.mark.parametrize("kind", TAKES)
async def test_with_nobody_there_it_is_for_later_and_says_why(make, kind):
    with pytest.raises(TryLater, match=r"\w"):
        await make(kind, NOBODY).send(parcel(TAKES[kind]))


@pytest.mark.parametrize("kind", OVER_HTTP)
async def test_a_send_can_be_cancelled_and_nothing_of_it_is_left_after_the_close(make, receiver, kind):
    before = asyncio.all_tasks()
    sink = make(kind, receiver.port)
    sending = asyncio.create_task(sink.send(parcel(TAKES[kind])))
    async with asyncio.timeout(60):
        await receiver.heard.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await sink.close()
        await receiver.stop()
        while left := {task for task in asyncio.all_tasks() - before if not task.done()}:
            await asyncio.wait(left, timeout=0.1)


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize("seed", range(12))
async def test_whatever_a_receiver_says_it_is_taken_refused_or_for_later(make, receiver, kind, seed):
    rng = random.Random(seed)
    status = rng.choice([b"200", b"204", b"301", b"400", b"401", b"404", b"410", b"429", b"500", b"503", b"999", b"x"])
    body = rng.choice([b"", b"{}", b"[]", b"null", b'{"receipts":[{}]}', b'{"errcode":"0"}', b"\xff\xfe", b"[" * 3000])
    length = rng.choice([len(body), len(body) + 5, 10**12])
    receiver.words = b"HTTP/1.1 %b X\r\nContent-Length: %d\r\n\r\n%b" % (status, length, body)
    try:
        receipt = await make(kind, receiver.port).send(parcel(TAKES[kind]))
    except (TryLater, Refused) as error:
        assert str(error) and str(error).isprintable()
    else:
        assert receipt is None or isinstance(receipt, Receipt)
