from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.alerts.duties import Duties
from gateway.alerts.intake import Intake
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.register import Register
from gateway.alerts.routing import REST, Person, Plan, Route, Routing, Wanted
from gateway.alerts.sirens import LONGEST, Siren, Sirens
from gateway.alerts.spans import Span
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import (
    Draft,
    Household,
    Kind,
    Lane,
    Level,
    Notice,
    Parcel,
    Place,
    Press,
    Receipt,
    Signal,
    SourceRef,
    Status,
    Terminal,
    Timer,
)

ZONE = ZoneInfo("Asia/Shanghai")  # the clock of these tests begins at 16:00 there
NIGHT = Span(22 * 60, 6 * 60)


class Town:
    """A ledger whose reactions are the routing alone."""

    def __init__(self, ledger: SqliteLedger, duties: Duties, clock: Any) -> None:
        self.ledger, self.duties, self.clock = ledger, duties, clock
        terminals = [
            Terminal(
                "tv-1", Household("张桂芳", "13800000001", "北大街 12 号"), Place(107.2, 30.7, None, "511724001001")
            ),
            Terminal("tv-2", Household("李国富"), Place(area_code="511724002001")),
        ]
        self.intake = Intake(ledger, Register([], terminals), IntakePolicy("town"), clock)

    async def press(self, terminal: str = "tv-1", kind: Kind = Kind.SOS, **words: Any) -> str:
        signal = Signal(
            via="tv",
            source=SourceRef("terminal", terminal),
            kind=kind,
            received_at=self.clock.now(),
            received_mono=self.clock.mono(),
            status=words.pop("status", Status.ACTUAL),
            press=Press(None, None, "d"),
            detail=words,
        )
        return (await self.intake.emit(signal)).alert_id

    async def act(self, alert_id: str, action: str, **data: Any) -> None:
        await self.ledger.write(lambda tx: tx.append(Draft(alert_id, action, "wang", self.clock.now(), data=data)))

    async def parcels(self, sink: str, lane: Lane = Lane.ALARM) -> list[Parcel]:
        due = self.clock.now() + timedelta(days=1)
        found = await self.ledger.read(lambda reader: reader.parcels(sink, lane, 1000, due))
        return sorted(found, key=lambda parcel: parcel.id)

    async def told(self, sink: str = "people") -> list[str]:
        return [parcel.content.to for parcel in await self.parcels(sink) if isinstance(parcel.content, Notice)]

    async def sirens(self) -> list[tuple[str, Any]]:
        contents = [parcel.content for parcel in await self.parcels("tv")]
        return [(c.data["state"], c.data["payload"]) for c in contents if isinstance(c, Notice) and c.kind == "siren"]

    async def deliver(self, sink: str, by: str) -> None:
        parcels = [parcel for parcel in await self.parcels(sink) if isinstance(parcel.content, Notice)]

        def work(tx: Any) -> None:
            for parcel in parcels:
                tx.delivered(parcel.id)
                self.duties.settle(tx, parcel, Receipt(by, "0" * 64, 0, self.clock.now()))

        await self.ledger.write(work)

    async def run_timer(self, name: str) -> Timer:
        timers = await self.ledger.read(lambda reader: reader.due_timers(self.clock.now() + timedelta(days=1), 100))
        (timer,) = [timer for timer in timers if timer.name == name]

        def work(tx: Any) -> None:
            tx.clear_timer(timer.name, timer.key)
            self.duties.expired(tx, timer)

        await self.ledger.write(work)
        return timer

    async def entries(self, alert_id: str, action: str) -> list[Mapping[str, Any]]:
        found = await self.ledger.read(lambda reader: reader.entries(alert_id))
        return [line.entry.data for line in found if line.entry.action == action]


@pytest.fixture
async def town(tmp_path: Path, house: Any) -> AsyncIterator[Any]:
    opened: list[SqliteLedger] = []

    async def open(*people: Person, sirens: Any = (), partners: Any = (), routes: Any = ()) -> Town:
        plan = Plan(ZONE, people, partners, routes)
        duties = Duties(Routing(plan, house.clock), Sirens(sirens, plan, house.clock))
        ledger = await SqliteLedger.open(tmp_path / f"{len(opened)}.db", "town", house.clock, duties.react)
        opened.append(ledger)
        return Town(ledger, duties, house.clock)

    yield open
    for ledger in opened:
        await ledger.close()


def person(id: str, **words: Any) -> Person:
    return Person(id, "people", **words)


async def test_people_are_told_by_place_kind_severity_and_hour(town: Any) -> None:
    node = await town(
        person("all"),
        person("here", wanted=Wanted(areas=("511724001",))),
        person("there", wanted=Wanted(areas=("511724002",))),
        person("fire", wanted=Wanted(kinds=frozenset({Kind.FIRE}))),
        person("grave", wanted=Wanted(severities=frozenset({1}))),
        person("slight", wanted=Wanted(severities=frozenset({3, 4}))),
        person("night", span=NIGHT),
        person("classed", wanted=Wanted(classes=("02",))),
    )
    await node.press()
    assert await node.told() == ["all", "here", "grave"]


async def test_an_alert_from_nowhere_known_is_everybodys(town: Any) -> None:
    node = await town(person("there", wanted=Wanted(areas=("511724002",))))
    await node.press("stranger")
    assert await node.told() == ["there"]


async def test_a_clock_that_was_never_set_knows_no_hours(town: Any) -> None:
    node = await town(person("night", span=NIGHT))
    node.clock.at = node.clock.at.replace(year=1970)
    await node.press()
    assert await node.told() == ["night"]


@pytest.mark.parametrize("status", [Status.TEST, Status.DRILL])
async def test_tests_and_drills_are_for_those_who_want_them(town: Any, status: Status) -> None:
    node = await town(person("keen", drills=True), person("other"))
    await node.press(status=status)
    assert await node.told() == ["keen"]
    (parcel,) = await node.parcels("people")
    assert "警情" not in parcel.content.text.splitlines()[0]


async def test_the_message_names_the_household_only_to_who_needs_it(town: Any) -> None:
    node = await town(person("officer", full=True, answer="回电 0818-110"), person("shop"))
    alert_id = await node.press(late=True)
    officer, shop = [parcel.content for parcel in await node.parcels("people")]
    for word in (
        "【警情】一键求助 1 级",
        "张桂芳",
        "13800000001",
        "北大街 12 号",
        "107.2",
        "05月01日 16:00:00",
        "延迟送达",
        "回电 0818-110",
    ):
        assert word in officer.text
    for word in ("张桂芳", "1380000", "北大街", "107.2"):
        assert word not in shop.text and word not in str(shop.data)
    assert "一键求助" in shop.text and "16:00:00" in shop.text and alert_id[-6:] in shop.text


async def test_what_was_told_stands_in_the_alerts_entries_without_the_address(town: Any) -> None:
    node = await town(person("officer", role="officer"))
    alert_id = await node.press()
    assert await node.entries(alert_id, "notified") == []
    await node.deliver("people", "wecombot")
    (said,) = await node.entries(alert_id, "notified")
    assert (said["to"], said["role"], said["by"]) == ("officer", "officer", "wecombot")
    assert said["at"] == "2026-05-01T08:00:00.000Z" and "一键求助" in said["text"]
    assert await node.told() == []


async def test_an_escalation_is_told_to_those_who_wait_for_it_or_are_named(town: Any) -> None:
    node = await town(
        person("first"),
        person("leader", when=frozenset({"escalated"})),
        person("county", when=frozenset({"escalated"}), levels=frozenset({Level.COUNTY})),
        person("city", when=frozenset({"escalated"}), levels=frozenset({Level.CITY})),
        person("named", when=frozenset({"escalated"}), span=NIGHT),
    )
    alert_id = await node.press()
    assert await node.told() == ["first"]
    await node.act(alert_id, "escalate", to="county", because="not_acknowledged")
    assert await node.told() == ["first", "leader", "county"]
    assert "已升级至县级" in (await node.parcels("people"))[-1].content.text
    await node.act(alert_id, "escalate", to="county")
    assert len(await node.told()) == 3  # told once of each rung
    await node.act(alert_id, "escalate", to=["named"])
    assert (await node.told())[3:] == ["named"]


async def test_nobody_is_told_of_what_is_over(town: Any) -> None:
    node = await town(person("leader", when=frozenset({"escalated"})))
    alert_id = await node.press()
    await node.act(alert_id, "close", disposition="real")
    await node.act(alert_id, "escalate", to="county")
    assert await node.told() == []


async def test_an_alert_that_is_opened_anew_is_told_anew(town: Any) -> None:
    node = await town(person("officer"), person("leader", when=frozenset({"escalated"})))
    alert_id = await node.press()
    await node.act(alert_id, "close", disposition="real")
    await node.act(alert_id, "reopen")
    assert await node.told() == ["officer", "officer"]


async def test_a_storm_reaches_a_person_as_ten_messages_and_a_sum(town: Any) -> None:
    node = await town(person("officer"))
    ids = [await node.press(f"stranger-{number}") for number in range(25)]
    assert len(await node.told()) == 10
    node.clock.turn(60)
    timer = await node.run_timer(REST)
    assert timer.data["count"] == 15
    *_, last = await node.parcels("people")
    assert last.content.alert_id is None and "另有 15 起" in last.content.text
    await node.deliver("people", "sms")
    for alert_id in ids:
        assert [said["by"] for said in await node.entries(alert_id, "notified")] == ["sms"]
    await node.press("stranger-99")
    assert len(await node.told()) == 1  # the next minute begins with the sum


async def test_a_partner_gets_what_a_route_gives_it_and_else_everything(town: Any) -> None:
    routes = [
        Route(frozenset({"fire"}), Wanted(kinds=frozenset({Kind.FIRE}))),
        Route(frozenset({"fire", "grave"}), Wanted(severities=frozenset({1}), statuses=frozenset({Status.DRILL}))),
    ]
    node = await town(partners=("hub", "fire", "grave"), routes=routes)
    alert_id = await node.press()
    await node.press("tv-2", Kind.FIRE)
    await node.press("tv-2", status=Status.DRILL)
    await node.act(alert_id, "acknowledge")
    counts = {name: len(await node.parcels(name)) for name in ("hub", "fire", "grave")}
    assert counts == {"hub": 3, "fire": 2, "grave": 1}
    assert [len(await node.parcels(name, Lane.UPDATE)) for name in ("hub", "fire")] == [1, 0]


async def test_a_partner_that_an_escalation_names_gets_the_alert_as_it_came(town: Any) -> None:
    node = await town(partners=("hub",), routes=[Route(frozenset({"hub"}), Wanted(kinds=frozenset({Kind.FIRE})))])
    alert_id = await node.press()
    await node.act(alert_id, "escalate", to=["hub"])
    sent = [*await node.parcels("hub"), *await node.parcels("hub", Lane.UPDATE)]
    assert [parcel.content.action for parcel in sent] == ["raised", "escalate"]


def siren(**words: Any) -> Siren:
    return Siren("s", "tv", "village/siren", **{"on": "1", "off": "0"} | words)


async def test_a_siren_sounds_until_somebody_acts_for_all_that_hold_it(town: Any) -> None:
    node = await town(sirens=[siren()])
    first, second = await node.press(), await node.press("tv-2")
    assert await node.sirens() == [("on", "1")]
    await node.act(first, "acknowledge")
    assert await node.sirens() == [("on", "1")]
    await node.act(second, "close", disposition="real")
    assert await node.sirens() == [("on", "1"), ("off", "0")]
    await node.deliver("tv", "mqtt")
    (said,) = await node.entries(first, "notified")
    assert (said["to"], said["role"], said["by"], said["text"]) == ("s", "siren", "mqtt", "警笛鸣响")


@pytest.mark.parametrize("words", [{"status": Status.TEST}, {"status": Status.DRILL}, {"late": True}])
async def test_a_siren_is_silent_in_drills_and_for_what_is_long_past(town: Any, words: dict[str, Any]) -> None:
    node = await town(sirens=[siren()])
    await node.press(**words)
    assert await node.sirens() == []


async def test_a_siren_does_not_howl_for_ever(town: Any) -> None:
    node = await town(sirens=[siren(until="closed", longest=60)])
    alert_id = await node.press()
    await node.act(alert_id, "acknowledge")
    assert await node.sirens() == [("on", "1")]
    await node.run_timer(LONGEST)
    assert await node.sirens() == [("on", "1"), ("off", "0")]
    await node.act(alert_id, "close", disposition="real")
    assert len(await node.sirens()) == 2
