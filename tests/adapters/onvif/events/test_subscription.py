import asyncio
import base64
import random
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from adapters.onvif import soap
from adapters.onvif.client import SoapClient
from adapters.onvif.events.notifications import parse_pull, xml_of
from adapters.onvif.events.pullpoint import MESSAGE_LIMIT, Pulling
from adapters.onvif.events.subscription import LEASE, Book, Leftover, managed_at, subscribe
from adapters.onvif.events.timing import Timing
from adapters.onvif.events.topics import Unknown, occurrence
from adapters.onvif.events.unknown import LONGEST_XML, MOST_TOPICS, UnknownTopics
from gateway.errors import ProtocolFault
from gateway.model import OnvifAddress

_HERE = OnvifAddress("203.0.113.7", 8080)
_EVENTS = "http://203.0.113.7:8081/onvif/event_service"


class Memory:
    def __init__(self) -> None:
        self.written: list[Leftover] = []

    def remember(self, device: str, subscription: Leftover) -> None:
        self.written.append(subscription)

    def forget(self, device: str) -> None: ...

    def left(self, device: str) -> Leftover | None:
        return None


@pytest.mark.parametrize(
    ("told", "reached"),
    [
        ("http://203.0.113.7:8899/onvif/Sub?Idx=1", "http://203.0.113.7:8899/onvif/Sub?Idx=1"),
        ("http://192.168.1.108/onvif/Sub?Idx=1", "http://203.0.113.7:8081/onvif/Sub?Idx=1"),
        ("http://192.168.1.108:80:80/onvif/Sub?Idx=1", "http://203.0.113.7:8081/onvif/Sub?Idx=1"),
        (
            "\n http://admin:x@192.168.1.108:8000/onvif/Sub?Idx=1&amp;b=2 ",
            "http://203.0.113.7:8081/onvif/Sub?Idx=1&b=2",
        ),
        ("/onvif/Sub?Idx=1", "http://203.0.113.7:8080/onvif/Sub?Idx=1"),
    ],
)
def test_subscriptions_are_managed_at_the_host_that_answered(told: str, reached: str) -> None:
    assert managed_at(told, _EVENTS, _HERE) == reached


async def made(client: SoapClient, url: str, memory: Memory, clock: SimpleNamespace):
    book = Book(memory, lambda: clock.mono, lambda: clock.now)
    return await subscribe(
        client, url, "urn:create", lambda until: b"<Create/>", operation="Create", book=book, rng=random.Random(1)
    )


@pytest.mark.parametrize(
    "path",
    [
        "axis/CreatePullPointSubscription.xml",
        "dahua/CreatePullPointSubscription.xml",
        "hikvision/CreatePullPointSubscription.xml",
        "hikvision_2025/CreatePullPointSubscription.xml",
        "pelco/CreatePullPointSubscription.xml",
        "reolink/CreatePullPointSubscription.xml",
        "_malformed/CreatePullPointSubscription.undeclared-wsa.xml",
    ],
)
async def test_recorded_answers_give_a_subscription(
    device, connect, recorded: Callable[[str], bytes], path: str
) -> None:
    device.wants = ""
    device.answers["Create"] = recorded(path)
    memory, clock = Memory(), SimpleNamespace(mono=100.0, now=1000.0)
    subscription = await made(connect(), f"http://127.0.0.1:{device.port}/onvif/event_service", memory, clock)
    assert subscription.url.startswith(f"http://127.0.0.1:{device.port}/onvif/")
    assert 100 + 0.8 * 60 <= subscription.renew_at <= 100 + 0.8 * LEASE
    (left,) = memory.written
    assert left.url == subscription.url
    assert ("SubscriptionId" in left.headers) == path.startswith(("axis", "pelco"))


async def test_an_answer_without_an_address_is_a_fault_that_names_device_and_operation(device, connect) -> None:
    device.wants = ""
    device.answers["Create"] = "<CreateResponse><SubscriptionReference/></CreateResponse>"
    with pytest.raises(ProtocolFault, match=rf"127\.0\.0\.1:{device.port} answered Create without"):
        await made(connect(), f"http://127.0.0.1:{device.port}/x", Memory(), SimpleNamespace(mono=0.0, now=0.0))


async def test_of_a_flood_of_reference_parameters_few_are_taken(device, connect) -> None:
    flood = "<P>1</P>" * 10_000
    device.wants = ""
    device.answers["Create"] = (
        f"<CreateResponse><SubscriptionReference><Address>http://127.0.0.1/s</Address>"
        f"<ReferenceParameters>{flood}</ReferenceParameters></SubscriptionReference></CreateResponse>"
    )
    memory = Memory()
    await made(connect(), f"http://127.0.0.1:{device.port}/x", memory, SimpleNamespace(mono=0.0, now=0.0))
    assert 0 < memory.written[-1].headers.count("<P") <= 32


async def test_one_that_is_made_while_we_leave_is_given_back(device, connect, recorded, monkeypatch) -> None:
    monkeypatch.setattr("adapters.onvif.events.subscription._MADE_WITHIN", 60.0)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slowly(request: web.Request) -> web.Response:
        asked.set()
        await answer.wait()
        return web.Response(body=recorded("hikvision/CreatePullPointSubscription.xml"))

    device.wants, device.answers["Create"] = "", slowly
    url, clock = f"http://127.0.0.1:{device.port}/x", SimpleNamespace(mono=0.0, now=0.0)
    leaving = asyncio.create_task(made(connect(), url, Memory(), clock))
    async with asyncio.timeout(60):
        await asked.wait()
        leaving.cancel()
        await asyncio.sleep(0)
        answer.set()
        await asyncio.wait([leaving])
    assert leaving.cancelled()
    assert device.operations[-2:] == ["Create", "Unsubscribe"]


async def test_it_is_written_down_now_and_then_and_always_until_it_ends(device, connect, recorded) -> None:
    device.wants = ""
    device.answers["Create"] = recorded("hikvision/CreatePullPointSubscription.xml")
    memory, clock = Memory(), SimpleNamespace(mono=0.0, now=0.0)
    subscription = await made(connect(), f"http://127.0.0.1:{device.port}/x", memory, clock)
    for _ in range(100):
        clock.mono = clock.now = clock.now + 48
        await subscription.renew()
        assert memory.written[-1].until >= clock.now + LEASE
    assert len(memory.written) <= 100 * 48 / LEASE + 2


def test_a_device_that_holds_nothing_is_not_asked_without_a_pause() -> None:
    clock = SimpleNamespace(now=10.0)
    pulling = Pulling(Timing(), lambda: clock.now)
    assert pulling.pause(10.0, 0) == pytest.approx(0.5)
    assert pulling.pause(10.0, 3) == pytest.approx(0.1)
    assert pulling.pause(10.0, MESSAGE_LIMIT) == 0.0
    assert pulling.pause(2.0, 3) == 0.0


def unknown(topic: str = "tns1:New/Thing", value: str = "x") -> tuple[Unknown, Callable[[], bytes], object]:
    said = (
        f"<R><NotificationMessage><Topic>{topic}</Topic><Message><Message><Data>"
        f'<SimpleItem Name="a" Value="{value}"/></Data></Message></Message></NotificationMessage></R>'
    )
    body = soap.read(soap.envelope(said.encode()), "x", "PullMessages")
    (notification,) = parse_pull(body)
    found = occurrence(notification)
    assert isinstance(found, Unknown)
    return found, lambda: xml_of(body, notification), notification


def test_unknown_topics_are_logged_once_and_can_be_replayed() -> None:
    topics = UnknownTopics()
    found, xml, notification = unknown()
    with capture_logs() as lines:
        for device in ("10.0.0.5:80", "10.0.0.6:80"):
            topics.note(device, "Maker", found, xml)
        topics.note("10.0.0.7:80", "Other maker", found, xml)
    assert [line["vendor"] for line in lines] == ["Maker", "Other maker"]
    assert topics.total == 3
    again = soap.read(soap.envelope(b"<R>" + base64.b64decode(lines[0]["xml"]) + b"</R>"), "x", "PullMessages")
    assert parse_pull(again) == [notification]


def test_unknown_topics_are_bounded() -> None:
    topics = UnknownTopics()
    with capture_logs() as lines:
        for n in range(MOST_TOPICS + 50):
            found, xml, _ = unknown(f"tns1:New/Thing{n}")
            topics.note("x", "Maker", found, xml)
        assert len(lines) == MOST_TOPICS
        found, xml, _ = unknown("tns1:Big", "v" * LONGEST_XML)
        UnknownTopics().note("x", "Maker", found, xml)
    assert lines[-1]["xml"] == ""


def test_unknown_messages_that_tell_who_somebody_is_are_not_kept() -> None:
    found, xml, _ = unknown("tns1:New/Gate", "PersonName=Li")
    with capture_logs() as lines:
        UnknownTopics().note("x", "Maker", found, xml)
    assert [(line["topic"], line["xml"]) for line in lines] == [("tns1:New/Gate", "")]
