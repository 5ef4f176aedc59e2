"""One attempt at a device over real sockets: what it sends is heard, what it refuses is told, what we leave is cleaned up."""

import asyncio
import io
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import uvicorn
from aiohttp import ClientSession, web

from adapters.onvif.events.listener import EventListener, Heard, Leftover, Timing
from adapters.onvif.events.notify import LONGEST_BODY, MOST_OF_A_DEVICE, NotifyDesk
from adapters.onvif.events.states import States
from adapters.onvif.events.subscription import FULL_FOR
from adapters.onvif.faults import NotPermitted
from adapters.onvif.services import Services
from gateway.errors import AuthFailed, Busy, DeviceError, NotSpoken, Unreachable
from gateway.model import Kind

QUICK = Timing(hold=1.0, longest_hold=2.0, after_empty=0.05, after_some=0.0, anew=0.0, tick=0.02)
DEADLINE = 60.0


class Memory:
    """What would be on disk."""

    def __init__(self, left: Leftover | None = None) -> None:
        self.kept: dict[str, Leftover] = {}
        self.first = left

    def remember(self, device: str, subscription: Leftover) -> None:
        self.kept[device] = subscription

    def forget(self, device: str) -> None:
        self.first = None
        self.kept.pop(device, None)

    def left(self, device: str) -> Leftover | None:
        return self.first or self.kept.get(device)


class Clock:
    """The monotonic clock, which a test may push on."""

    def __init__(self) -> None:
        self.pushed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.pushed


def notification(
    topic: str, state: str, operation: str = "Changed", source: str = "InputToken", name: str = "1"
) -> str:
    return (
        f'<NotificationMessage><Topic>{topic}</Topic><Message><Message UtcTime="2026-01-02T03:04:05Z" '
        f'PropertyOperation="{operation}"><Source><SimpleItem Name="{source}" Value="{name}"/></Source>'
        f'<Data><SimpleItem Name="State" Value="{state}"/></Data></Message></Message></NotificationMessage>'
    )


PRESSED = notification("tns1:Device/Trigger/DigitalInput", "true")
RELEASED = notification("tns1:Device/Trigger/DigitalInput", "false")
IDLE = notification("tns1:Device/Trigger/DigitalInput", "false", "Initialized")


@dataclass
class Events:
    """The events service of ``device``: what it has to say waits in ``queue`` for a pull."""

    device: object
    soap: dict[str, Callable[..., web.Response]]
    queue: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    states: tuple[str, ...] = (IDLE,)
    address: str = "http://192.168.1.108/onvif/Events/PullSubManager_5"
    parameters: str = ""
    lease: str = (
        "<CurrentTime>2017-12-31T16:00:00Z</CurrentTime><TerminationTime>2018-12-31T16:00:00Z</TerminationTime>"
    )
    made: int = 0

    def __post_init__(self) -> None:
        self.device.answers.update(
            CreatePullPointSubscription=self.create,
            Subscribe=self.create,
            PullMessages=self.pull,
            Renew=f"<RenewResponse>{self.lease}</RenewResponse>",
            SetSynchronizationPoint=self.synchronise,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.device.port}/onvif/event_service"

    async def create(self, request: web.Request) -> web.Response:
        self.made += 1
        reference = f"<Address>{self.address}</Address><ReferenceParameters>{self.parameters}</ReferenceParameters>"
        return self.soap["answer"](
            f"<MadeResponse><SubscriptionReference>{reference}</SubscriptionReference>{self.lease}</MadeResponse>"
        )

    async def synchronise(self, request: web.Request) -> web.Response:
        for state in self.states:
            self.queue.put_nowait(state)
        return self.soap["answer"]("<SetSynchronizationPointResponse/>")

    async def pull(self, request: web.Request) -> web.Response:
        hold = float(re.search(r"PT(\d+)S", (await request.read()).decode())[1])
        said: list[str] = []
        mine, until = self.made, time.monotonic() + hold
        while self.queue.empty() and time.monotonic() < until and mine == self.made:
            if request.transport is None or request.transport.is_closing():
                return web.Response()  # whoever asked has gone: what is here is for the next
            await asyncio.sleep(0.01)
        while not self.queue.empty() and mine == self.made:
            said.append(self.queue.get_nowait())
        return self.soap["answer"](f"<PullMessagesResponse>{''.join(said)}</PullMessagesResponse>")


@pytest.fixture
def events(device, soap_bodies) -> Events:
    device.wants = ""
    return Events(device, soap_bodies)


class Attempt:
    """A listener under way, and what it heard."""

    def __init__(self, events: Events, connect: Callable[..., object], **options) -> None:
        self.heard: list[Heard] = []
        self.online = 0
        self.memory = options.pop("remembered", None) or Memory()
        self.clock = Clock()
        services = options.pop("services", Services(events=events.url))
        client = options.pop("client", None) or connect()
        options.setdefault("timing", QUICK)
        self.listener = EventListener(
            client,
            services,
            self.heard.append,
            remembered=self.memory,
            mono=self.clock,
            rng=random.Random(1),
            **options,
        )

    def _online(self) -> None:
        self.online += 1

    async def fails(self) -> DeviceError:
        with pytest.raises(DeviceError) as failed:
            await asyncio.wait_for(self.listener.run(self._online), DEADLINE)
        return failed.value

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator["Attempt"]:
        task = asyncio.create_task(self.listener.run(self._online))
        self.task = task
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=DEADLINE)
            assert task.done()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)

    @property
    def kinds(self) -> list[tuple[Kind, bool | None]]:
        return [(one.occurrence.kind, one.occurrence.active) for one in self.heard]


async def test_an_input_is_heard_and_the_subscription_ended_on_the_way_down(events, device, connect) -> None:
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: device.operations.count("PullMessages") >= 2)
        assert attempt.online == 1
        assert list(attempt.memory.kept) == [f"http://127.0.0.1:{device.port}/onvif/device_service"]
        events.queue.put_nowait(PRESSED)
        await attempt.until(lambda: attempt.heard)
        events.queue.put_nowait(RELEASED)
        await attempt.until(lambda: len(attempt.heard) == 2)
    assert attempt.kinds == [(Kind.DIGITAL_INPUT, True), (Kind.DIGITAL_INPUT, False)]
    assert attempt.heard[0].notification.topic == "tns1:Device/Trigger/DigitalInput"
    assert device.operations[-1] == "Unsubscribe"
    assert attempt.memory.kept == {}


async def test_it_goes_on_where_the_last_attempt_ended(events, device, connect) -> None:
    states = States()
    async with Attempt(events, connect, states=states).under_way() as attempt:
        await attempt.until(lambda: device.operations.count("PullMessages") >= 2)
    events.states = (notification("tns1:Device/Trigger/DigitalInput", "true", "Initialized"),)
    async with Attempt(events, connect, states=states).under_way() as attempt:
        await attempt.until(lambda: attempt.heard)
    assert attempt.kinds == [(Kind.DIGITAL_INPUT, True)]
    assert not attempt.heard[0].occurrence.initial


async def test_subscription_addresses_are_rewritten_and_their_parameters_echoed(events, device, connect) -> None:
    events.address = "http://192.168.1.108:80/onvif/services?id=5"
    events.parameters = '<dom0:SubscriptionId xmlns:dom0="http://www.axis.com/2009/event">\n 5 \n</dom0:SubscriptionId>'
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: "PullMessages" in device.operations)
    for operation in ("PullMessages", "SetSynchronizationPoint", "Unsubscribe"):
        body = device.bodies[device.operations.index(operation)]
        assert re.search(r'IsReferenceParameter="true"[^>]*>5</dom0:SubscriptionId>', body)
        assert f">http://127.0.0.1:{device.port}/onvif/services?id=5</To>" in body
        assert "/Action>" in body and "urn:uuid:" in body


async def test_renewed_by_our_clock_whatever_year_the_device_names(events, device, connect) -> None:
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: "PullMessages" in device.operations)
        attempt.clock.pushed += 481
        await attempt.until(lambda: "Renew" in device.operations)
        assert "PT600S" in device.bodies[device.operations.index("Renew")]
    assert events.made == 1


async def test_a_shorter_lease_is_believed(events, device, connect) -> None:
    events.lease = (
        "<CurrentTime>2018-02-27T18:28:52Z</CurrentTime><TerminationTime>2018-02-27T18:29:52Z</TerminationTime>"
    )
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: "PullMessages" in device.operations)
        attempt.clock.pushed += 49
        await attempt.until(lambda: "Renew" in device.operations)


async def test_a_device_that_cannot_read_a_duration_is_given_a_time(events, device, connect) -> None:
    events.lease = (
        "<CurrentTime>2018-02-27T18:28:52Z</CurrentTime><TerminationTime>2018-02-27T18:28:52Z</TerminationTime>"
    )
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: device.operations.count("PullMessages") > 1)
    assert device.operations.count("Renew") == 1
    assert re.search(
        r"<TerminationTime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ<", device.bodies[device.operations.index("Renew")]
    )


async def test_a_duration_that_is_refused_is_asked_for_as_a_time(events, device, connect, soap_bodies) -> None:
    async def create(request: web.Request) -> web.Response:
        refused = "PT600S" in (await request.read()).decode()
        return soap_bodies["fault"]("InvalidArgVal") if refused else await events.create(request)

    device.answers["CreatePullPointSubscription"] = create
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: attempt.online)


async def test_a_renewal_that_is_refused_makes_a_new_subscription(events, device, connect, soap_bodies) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return soap_bodies["fault"]("ResourceUnknown")

    device.answers["Renew"] = refuse
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: device.operations.count("PullMessages") > 1)
        attempt.clock.pushed += 481
        await attempt.until(lambda: events.made == 2)
        events.queue.put_nowait(PRESSED)
        await attempt.until(lambda: attempt.heard)


@pytest.mark.parametrize("how", ["blocked", "empty"])
async def test_a_device_without_a_subscription_left_is_left_alone_for_minutes(
    events, device, connect, soap_bodies, recorded, how: str
) -> None:
    path = {"blocked": "dahua/CreatePullPointSubscription.Fault-BlockedThreadUpperLimit.xml"}
    device.answers["CreatePullPointSubscription"] = recorded(
        path.get(how, "axis/CreatePullPointSubscription.Fault.xml")
    )
    failed = await Attempt(events, connect).fails()
    assert isinstance(failed, Busy)
    assert FULL_FOR <= failed.after <= 1.25 * FULL_FOR
    assert f"127.0.0.1:{device.port}" in str(failed)
    assert device.operations.count("CreatePullPointSubscription") == 1


async def test_a_user_without_the_right_to_events_is_told_from_a_wrong_password(events, device, connect) -> None:
    device.wants = "token"
    device.forbidden = {"CreatePullPointSubscription"}
    services = Services(events=events.url, media=events.url)
    failed = await Attempt(events, connect, services=services).fails()
    assert isinstance(failed, NotPermitted)
    assert device.failed == 0


async def test_a_wrong_password_is_tried_once(events, device, connect) -> None:
    device.wants = "token"
    services = Services(events=events.url, media=events.url)
    failed = await Attempt(events, connect, services=services, client=connect("wrong")).fails()
    assert isinstance(failed, AuthFailed)
    assert device.failed == 1


async def test_no_events_service_is_said_so(events, connect) -> None:
    assert isinstance(await Attempt(events, connect, services=Services()).fails(), NotSpoken)


@pytest.mark.parametrize("status", [200, 404])
async def test_a_web_page_for_an_answer_means_no_pull_points(events, device, connect, status: int) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html><body>404 Not Found</body></html>", status=status, content_type="text/html")

    device.answers["CreatePullPointSubscription"] = page
    failed = await Attempt(events, connect).fails()
    assert isinstance(failed, NotSpoken)
    assert "a web page" in str(failed) and "CreatePullPointSubscription" in str(failed)


async def test_pulls_that_are_refused_again_and_again_mean_no_pull_points(events, device, connect, soap_bodies) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return soap_bodies["fault"]("InvalidArgs")

    device.answers["PullMessages"] = refuse
    assert isinstance(await Attempt(events, connect).fails(), NotSpoken)
    assert events.made == 2
    assert device.operations.count("Unsubscribe") == 2


async def test_a_device_that_gives_fewer_messages_at_once_is_asked_for_fewer(
    events, device, connect, soap_bodies
) -> None:
    async def pull(request: web.Request) -> web.Response:
        too_many = "<MessageLimit>100<" in (await request.read()).decode()
        return soap_bodies["fault"]("InvalidArgVal") if too_many else await events.pull(request)

    device.answers["PullMessages"] = pull
    async with Attempt(events, connect).under_way() as attempt:
        events.queue.put_nowait(PRESSED)
        await attempt.until(lambda: attempt.heard)
    assert events.made == 1


async def test_a_hold_that_is_refused_is_made_shorter(events, device, connect, soap_bodies) -> None:
    async def pull(request: web.Request) -> web.Response:
        too_long = "PT2S" in (await request.read()).decode()
        return soap_bodies["fault"]("InvalidArgVal") if too_long else await events.pull(request)

    device.answers["PullMessages"] = pull
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: any("PT2S" in body for body in device.bodies))
        events.queue.put_nowait(PRESSED)
        await attempt.until(lambda: attempt.heard)
    assert events.made == 1


async def test_a_device_that_never_answers_the_synchronisation_is_heard(events, device, connect) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        request.transport.close()
        return web.Response()

    device.answers["SetSynchronizationPoint"] = hang_up
    async with Attempt(events, connect).under_way() as attempt:
        events.queue.put_nowait(PRESSED)
        await attempt.until(lambda: attempt.heard)


async def test_what_a_crash_left_is_ended_first(events, device, connect) -> None:
    url = f"http://127.0.0.1:{device.port}/onvif/Subscription?Idx=4"
    memory = Memory(Leftover(url, "", time.time() + 60))
    async with Attempt(events, connect, remembered=memory).under_way() as attempt:
        await attempt.until(lambda: attempt.online)
    assert device.operations.index("Unsubscribe") < device.operations.index("CreatePullPointSubscription")
    assert url in device.bodies[device.operations.index("Unsubscribe")]


@pytest.mark.parametrize(("path", "seconds"), [("Subscription?Idx=4", -1), ("Events/pullSubmanager", 60)])
async def test_what_may_be_somebody_elses_is_left_alone(events, device, connect, path: str, seconds: float) -> None:
    memory = Memory(Leftover(f"http://127.0.0.1:{device.port}/onvif/{path}", "", time.time() + seconds))
    async with Attempt(events, connect, remembered=memory).under_way() as attempt:
        await attempt.until(lambda: attempt.online)
        assert "Unsubscribe" not in device.operations


async def test_a_device_that_goes_away_is_remembered(events, device, connect) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        request.transport.close()
        return web.Response()

    device.answers["PullMessages"] = hang_up
    attempt = Attempt(events, connect)
    assert isinstance(await attempt.fails(), Unreachable)
    assert attempt.memory.kept
    assert "Unsubscribe" not in device.operations


async def test_a_device_that_hangs_up_on_a_long_hold_is_asked_to_hold_shorter(events, device, connect) -> None:
    async def pull(request: web.Request) -> web.Response:
        if "PT1S" not in (await request.read()).decode():
            request.transport.close()
        return await events.pull(request)

    device.answers["PullMessages"] = pull
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: any("PT2S" in body for body in device.bodies))
        await attempt.until(lambda: "PT1S" in device.bodies[-1])
        events.queue.put_nowait(PRESSED)
        await attempt.until(lambda: attempt.heard)
    assert events.made == 1


async def test_a_device_that_hangs_up_sooner_than_any_hold_we_begin_with_keeps_its_subscription(
    events, device, connect
) -> None:
    attempt = Attempt(events, connect, timing=Timing(hold=8.0, longest_hold=30.0, after_empty=0.05, anew=0.0))

    async def pull(request: web.Request) -> web.Response:
        if "PT1S" not in (await request.read()).decode():
            attempt.clock.pushed += 2.0
            request.transport.close()
        return await events.pull(request)

    device.answers["PullMessages"] = pull
    async with attempt.under_way():
        await attempt.until(lambda: any("PT1S" in body for body in device.bodies))
        events.queue.put_nowait(PRESSED)
        await attempt.until(lambda: attempt.heard)
    assert events.made == 1


async def test_a_subscription_that_says_nothing_any_more_is_replaced(events, device, connect) -> None:
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: device.operations.count("PullMessages") > 1)
        events.states = ()
        attempt.clock.pushed += 1801
        await attempt.until(lambda: device.operations.count("SetSynchronizationPoint") == 2)
        attempt.clock.pushed += 61
        await attempt.until(lambda: events.made == 2)


async def test_a_quiet_device_that_tells_its_states_is_left_in_peace(events, device, connect) -> None:
    async with Attempt(events, connect).under_way() as attempt:
        await attempt.until(lambda: device.operations.count("PullMessages") > 1)
        attempt.clock.pushed += 1801
        await attempt.until(lambda: device.operations.count("SetSynchronizationPoint") == 2)
        pulls = device.operations.count("PullMessages")
        await attempt.until(lambda: device.operations.count("PullMessages") >= pulls + 2)
        attempt.clock.pushed += 61
        pulls = device.operations.count("PullMessages")
        await attempt.until(lambda: device.operations.count("PullMessages") > pulls)
    assert events.made == 1


@pytest.mark.parametrize("operation", ["GetVideoSourceConfigurations", "GetProfiles"])
async def test_configurations_are_told_by_their_source(events, device, connect, operation: str) -> None:
    name = "Configurations" if operation == "GetVideoSourceConfigurations" else "VideoSourceConfiguration"
    told = "".join(f'<{name} token="conf{n}"><SourceToken>src{n}</SourceToken></{name}>' for n in (1, 2))
    device.answers[operation] = f"<R><Profiles>{told}</Profiles></R>"
    services = Services(events=events.url, media=events.url)
    async with Attempt(events, connect, services=services).under_way() as attempt:
        said = notification(
            "tns1:RuleEngine/CellMotionDetector/Motion", "true", "Changed", "VideoSourceConfigurationToken", "conf2"
        )
        events.queue.put_nowait(said)
        await attempt.until(lambda: attempt.heard)
    assert attempt.heard[0].occurrence.source == "src2"


# ---------------------------------------------------------------------------------------------- base notification


@pytest.fixture
async def desk() -> AsyncIterator[NotifyDesk]:
    app = NotifyDesk("http://127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    server.capture_signals = _no_signals
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(DEADLINE):
        while not server.started:
            await asyncio.sleep(0.01)
    app.base_url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield app
    server.should_exit = True
    await asyncio.wait_for(task, DEADLINE)


def _no_signals():
    return nullcontext()


def consumer_of(device) -> str:
    body = device.bodies[device.operations.index("Subscribe")]
    return re.search(r"<ConsumerReference><Address[^>]*>([^<]*)<", body)[1]


def notify(said: str) -> bytes:
    return f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><Notify>{said}</Notify></s:Body></s:Envelope>'.encode()


async def test_a_device_without_pull_points_posts_its_events(events, device, connect, desk, http, soap_bodies) -> None:
    async def unknown(request: web.Request) -> web.Response:
        return soap_bodies["fault"]("ActionNotSupported")

    device.answers["CreatePullPointSubscription"] = unknown
    async with Attempt(events, connect, notify=desk).under_way() as attempt:
        await attempt.until(lambda: attempt.online)
        consumer = consumer_of(device)
        async with http.post(consumer, data=notify(PRESSED)) as answer:
            assert answer.status == 200
        assert attempt.kinds == [(Kind.DIGITAL_INPUT, True)]
        attempt.clock.pushed += 481
        await attempt.until(lambda: "Renew" in device.operations)
    assert device.operations[-1] == "Unsubscribe"
    async with http.post(consumer, data=notify(RELEASED)) as answer:
        assert answer.status == 404


HAS_STATES = '<GetEventPropertiesResponse><TopicSet><X><MessageDescription IsProperty="true"/></X></TopicSet></GetEventPropertiesResponse>'


async def test_a_device_that_cannot_reach_us_is_told_of_and_left_alone_for_a_while(
    events, device, connect, desk
) -> None:
    device.answers["GetEventProperties"] = HAS_STATES
    attempt = Attempt(events, connect, notify=desk, mode="push", timing=replace(QUICK, call=0.0))
    error = await attempt.fails()
    assert isinstance(error, Busy)
    assert error.after >= 60
    assert f"does not reach us at {desk.base_url}; " in str(error)
    assert attempt.online == 0
    assert device.operations[-1] == "Unsubscribe"
    assert attempt.memory.kept == {}


async def test_a_device_that_calls_with_the_states_it_was_asked_for_is_listened_to(
    events, device, connect, desk, http
) -> None:
    device.answers["GetEventProperties"] = HAS_STATES
    async with Attempt(events, connect, notify=desk, mode="push").under_way() as attempt:
        await attempt.until(lambda: "SetSynchronizationPoint" in device.operations)
        assert attempt.online == 0
        async with http.post(consumer_of(device), data=notify(IDLE)) as answer:
            assert answer.status == 200
        await attempt.until(lambda: attempt.online)


async def test_a_device_that_calls_before_it_has_answered_has_called(
    events, device, connect, desk, http, soap_bodies
) -> None:
    async def synchronise(request: web.Request) -> web.Response:
        async with http.post(consumer_of(device), data=notify(IDLE)) as answer:
            assert answer.status == 200
        return soap_bodies["answer"]("<SetSynchronizationPointResponse/>")

    device.answers |= {"GetEventProperties": HAS_STATES, "SetSynchronizationPoint": synchronise}
    async with Attempt(events, connect, notify=desk, mode="push").under_way() as attempt:
        await attempt.until(lambda: attempt.online)


async def test_push_alone_never_asks_for_a_pull_point(events, device, connect, desk) -> None:
    async with Attempt(events, connect, notify=desk, mode="push").under_way() as attempt:
        await attempt.until(lambda: attempt.online)
    assert "CreatePullPointSubscription" not in device.operations


@pytest.mark.parametrize("renews", [True, False])
async def test_a_device_that_calls_us_and_booted_is_subscribed_to_anew_within_a_minute(
    events, device, connect, desk, soap_bodies, renews: bool
) -> None:
    """One that knows no renewing looks the same the first time, and is then asked no more than it must."""

    async def forgotten(request: web.Request) -> web.Response:
        return soap_bodies["fault"]("InvalidArgVal", "no such subscription")

    async with Attempt(events, connect, notify=desk, mode="push").under_way() as attempt:
        await attempt.until(lambda: attempt.online == 1)
        if renews:
            attempt.clock.pushed += 61
            await attempt.until(lambda: "Renew" in device.operations)
        device.answers["Renew"] = forgotten
        attempt.clock.pushed += 61
        await attempt.until(lambda: attempt.online == 2)
        asked = device.operations.count("Renew")
        attempt.clock.pushed += 61
        if renews:
            await attempt.until(lambda: attempt.online == 3)
        else:
            await asyncio.sleep(0.2)  # ten ticks
            assert device.operations.count("Renew") == asked


async def test_push_without_anybody_to_take_it_is_said_so(events, connect) -> None:
    assert isinstance(await Attempt(events, connect, mode="push").fails(), NotSpoken)


async def test_pull_alone_is_never_pushed(events, device, connect, desk, soap_bodies) -> None:
    async def unknown(request: web.Request) -> web.Response:
        return soap_bodies["fault"]("ActionNotSupported")

    device.answers["CreatePullPointSubscription"] = unknown
    assert isinstance(await Attempt(events, connect, notify=desk, mode="pull").fails(), NotSpoken)
    assert "Subscribe" not in device.operations


async def test_the_desk_takes_nothing_but_what_it_asked_for(desk: NotifyDesk, http: ClientSession) -> None:
    taken = []
    url = desk.open("10.0.0.5:80", taken.append)
    base = url.rpartition("/")[0]

    async def status(method: str, address: str, data: bytes = b"") -> int:
        async with http.request(method, address, data=io.BytesIO(data)) as answer:
            await answer.read()
            return answer.status

    assert await status("POST", f"{base}/guess", notify(PRESSED)) == 404
    assert await status("POST", f"{base}/", notify(PRESSED)) == 404
    assert await status("GET", url) == 405
    assert await status("POST", url, b"<html>") == 400
    assert await status("POST", url, b"x" * (LONGEST_BODY + 1)) == 413
    assert taken == []
    assert await status("POST", url, notify(PRESSED)) == 200
    assert len(taken) == 1
    assert len(url.rpartition("/")[2]) >= 32


async def test_a_device_that_calls_slowly_takes_nobody_elses_place(desk: NotifyDesk, http: ClientSession) -> None:
    taken = []
    hostile, other = desk.open("10.0.0.5:80", taken.append), desk.open("10.0.0.6:80", taken.append)
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"<"
        await go_on.wait()

    async def post(url: str, data) -> int:
        async with http.post(url, data=data) as answer:
            return answer.status

    holding = [asyncio.create_task(post(hostile, slowly())) for _ in range(MOST_OF_A_DEVICE)]
    async with asyncio.timeout(DEADLINE):
        while desk._under_way < MOST_OF_A_DEVICE:
            await asyncio.sleep(0.01)
        async with ClientSession() as more:
            async with more.post(hostile, data=notify(PRESSED)) as answer:
                assert answer.status == 503
            async with more.post(other, data=notify(PRESSED)) as answer:
                assert answer.status == 200
        go_on.set()
        assert await asyncio.gather(*holding) == [400] * MOST_OF_A_DEVICE
    assert len(taken) == 1


async def test_a_device_whose_calls_cost_much_is_read_a_tenth_of_the_time(
    desk: NotifyDesk, http: ClientSession
) -> None:
    spans = []

    def take(_) -> None:
        began = time.monotonic()
        time.sleep(0.02)
        spans.append((began, time.monotonic()))

    url = desk.open("10.0.0.5:80", take)
    for _ in range(3):
        async with http.post(url, data=notify(PRESSED)) as answer:
            assert answer.status == 200
    for (began, ended), (next_began, _) in pairwise(spans):
        assert next_began - ended >= 8 * (ended - began)
