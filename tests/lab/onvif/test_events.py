"""Pull points and base notification of a simulated device."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from gateway.lab.onvif.faults import FAULTS, parse

MakeClient = Callable[..., Any]
INPUT = "tns1:Device/Trigger/DigitalInput"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_pull_waits_for_an_event_and_brings_it_once(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one, device = client(park), park.devices[1]
    point = await one.subscribe()
    pull = asyncio.create_task(one.pull(point))
    await until(lambda: device.subscriptions.pulling == 1)
    park.fire("input")
    assert await pull == [(INPUT, "Changed", "true")]
    assert await one.pull(point, "PT0S") == []
    park.fire("input", active=False)
    park.fire("line")
    assert await one.pull(point) == [(INPUT, "Changed", "false"), ("tns1:RuleEngine/LineDetector/Crossed", "", "3")]


async def test_the_same_motion_is_told_twice_in_one_pull(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one, device = client(park), park.devices[1]
    pull = asyncio.create_task(one.pull(await one.subscribe()))
    await until(lambda: device.subscriptions.pulling == 1)
    park.fire("motion")
    assert [topic for topic, _, _ in await pull] == [
        "tns1:RuleEngine/CellMotionDetector/Motion",
        "tns1:VideoSource/MotionAlarm",
    ]


async def test_a_synchronisation_point_tells_states_as_they_are(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one = client(park)
    park.fire("input", place=2)
    point = await one.subscribe()
    await one.call("tev:SetSynchronizationPoint", to=point)
    told = await one.pull(point)
    assert {operation for _, operation, _ in told} == {"Initialized"}
    assert [state for topic, _, state in told if topic == INPUT] == ["false", "true"]


async def test_a_subscription_is_renewed_ended_and_lapses(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one, device = client(park), park.devices[1]
    point, other = await one.subscribe(), await one.subscribe("PT0.3S")
    await until(lambda: len(device.subscriptions) == 1)
    assert (await one.call("wsnt:Renew", "<TerminationTime>PT60S</TerminationTime>", to=other)).status == 400
    assert (await one.call("wsnt:Renew", "<TerminationTime>PT60S</TerminationTime>", to=point)).status == 200
    assert (await one.call("wsnt:Unsubscribe", to=point)).status == 200
    told = device.to_json()
    assert {name: told[name] for name in ("created", "renewed", "unsubscribed", "lapsed", "subscriptions")} == {
        "created": 2,
        "renewed": 2,
        "unsubscribed": 1,
        "lapsed": 1,
        "subscriptions": 0,
    }


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        ("blocked_thread_upper_limit=1", 400, "ter:BlockedThreadUpperLimit"),
        ("few_pull_points=1", 500, "SubscribeCreationFailedFault"),
    ],
)
async def test_one_pull_point_too_many_is_refused(
    fault: str, status: int, told: str, open_park: Any, client: MakeClient
) -> None:
    park = await open_park()
    wanted = parse(fault)
    park.set_fault(wanted.fault, None, wanted.argument)
    one = client(park)
    await one.subscribe()
    refused = await one.call("tev:CreatePullPointSubscription")
    assert refused.status == status
    assert told in refused.content.decode()
    assert park.devices[1].figures.refused == 1


async def test_events_may_be_forbidden_to_a_user_who_may_everything_else(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    park.set_fault(FAULTS["events_not_authorized"])
    one = client(park)
    assert (await one.call("tds:GetScopes")).status == 200
    refused = await one.call("tev:CreatePullPointSubscription")
    assert (refused.status, refused.subcodes) == (400, ["ter:NotAuthorized"])


async def test_a_subscription_may_be_known_by_its_header_alone(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    park.set_fault(FAULTS["reference_parameters"])
    one = client(park)
    created = await one.call("tev:CreatePullPointSubscription")
    assert created.text("Address").endswith("/onvif/event_service")
    header = f'<x:SubscriptionId xmlns:x="http://lab.invalid/event">{created.text("SubscriptionId")}</x:SubscriptionId>'
    park.fire("input")
    assert await one.pull("/onvif/event_service", header=header) == [(INPUT, "Changed", "true")]
    assert (await one.call("tev:PullMessages", to="/onvif/event_service")).status == 400


async def test_notifications_are_sent_where_there_are_no_pull_points(
    open_park: Any, client: MakeClient, notified: Any
) -> None:
    park = await open_park()
    park.set_fault(FAULTS["no_pull_point"])
    one = client(park)
    assert (await one.call("tev:CreatePullPointSubscription")).subcodes == ["ter:ActionNotSupported"]
    async with notified() as (address, heard), asyncio.timeout(60):
        consumer = f"<ConsumerReference><Address>{address}</Address></ConsumerReference>"
        assert (await one.call("wsnt:Subscribe", consumer)).status == 200
        assert (await heard.get())[1] == "Initialized"
        park.fire("input")
        while (told := await heard.get()) != (INPUT, "Changed", "true"):
            assert told[1] == "Initialized"


async def test_a_pull_is_closed_or_stays_silent_as_the_fault_says(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one = client(park)
    point = await one.subscribe()
    wanted = parse("pull_closes=0.2")
    park.set_fault(wanted.fault, None, wanted.argument)
    with pytest.raises(asyncio.IncompleteReadError):
        await one.pull(point)
    park.clear()
    park.set_fault(FAULTS["silent_events"])
    park.fire("input")
    assert await one.pull(point, "PT0.1S") == []


async def test_flapping_goes_on_until_it_is_cleared(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one = client(park)
    point = await one.subscribe()
    park.set_fault(FAULTS["flapping"])
    states: list[str] = []
    while len(states) < 4:
        states += [state for _, _, state in await one.pull(point)]
    assert states[:4] == ["true", "false", "true", "false"]
    park.clear()


async def test_times_and_leases_may_be_nonsense(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one = client(park)
    park.set_fault(FAULTS["lease_a_year_ahead"])
    created = await one.call("tev:CreatePullPointSubscription")
    now, ends = (datetime.fromisoformat(created.text(name)) for name in ("CurrentTime", "TerminationTime"))
    assert 365 <= (ends - now).days < 367
    park.set_fault(FAULTS["bad_times"])
    created = await one.call("tev:CreatePullPointSubscription")
    assert ":61:" in created.text("CurrentTime")


async def test_a_pull_whose_client_left_loses_nothing(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one, device = client(park), park.devices[1]
    point = await one.subscribe()
    pull = asyncio.create_task(one.pull(point))
    await until(lambda: device.subscriptions.pulling == 1)
    pull.cancel()
    await asyncio.gather(pull, return_exceptions=True)
    await until(lambda: device.subscriptions.pulling == 0)
    park.fire("input")
    assert await one.pull(point) == [(INPUT, "Changed", "true")]


@pytest.mark.parametrize(
    ("fault", "topic"),
    [
        ("topics_hikvision", "tns1:Device/Trigger/tnshik:AlarmIn"),
        ("topics_axis", "tns1:Device/tnsaxis:IO/Port"),
        ("topics_tapo", INPUT),
    ],
)
async def test_makers_have_their_own_words(fault: str, topic: str, open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    park.set_fault(FAULTS[fault])
    one = client(park)
    point = await one.subscribe()
    park.fire("input")
    assert await one.pull(point) == [(topic, "Changed", "true")]
    announced = await one.call("tev:GetEventProperties")
    for step in topic.split("/"):
        assert announced.element(step.rpartition(":")[2]) is not None
