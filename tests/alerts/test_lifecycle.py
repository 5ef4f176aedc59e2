"""The fold: the same entries make the same alert, whatever the order, the clocks and the authors' intentions."""

import functools
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alerts import causality, reading
from gateway.alerts.causality import order
from gateway.alerts.lifecycle import apply, fold, is_held, permitted, release_refused, shelved_until
from gateway.model import Alert, Clip, Condition, Entry, Kind, PictureState, Status, Workflow

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
SHA = "ab" * 32
ACTIONS = ("acknowledge", "dispatch", "arrive", "close", "cancel", "reopen", "return", "assign", "note", "pressed")
ASIDE = (
    "escalate",
    "undelivered",
    "delivered",
    "withdrawn",
    "urge",
    "defer",
    "suspend",
    "shelve",
    "unshelve",
    "hold",
    "release",
)  # what leaves the workflow alone


def base(**changes: Any) -> dict[str, Any]:
    camera = {"id": "c1", "name": "Crossing", "distance_m": 35, "snapshots": [{"id": "s1", "wanted_ms": -5000}]}
    return {
        "kind": "sos",
        "severity": 1,
        "status": "actual",
        "source": {"type": "terminal", "id": "tv-1", "name": "Li", "known": True},
        "place": {"lon": 107.2, "lat": 30.7, "address": "1 Main St", "area_code": "511724"},
        "title": "Help",
        "device_time": None,
        "raised_at": "2026-03-01T08:00:00.000Z",
        "detail": {"press_ids": ["p1"]},
        "cameras": [camera],
        **changes,
    }


class Author:
    """A node that writes entries after all that it knows."""

    def __init__(self, node: str, known: Iterable[Entry] = (), at: datetime = AT) -> None:
        self.node = node
        self.known: dict[str, Entry] = {entry.id: entry for entry in known}
        self.at = at
        self.seq = 0

    def act(self, action: str, data: Mapping[str, Any] | None = None, actor: str = "wang") -> Entry:
        self.seq += 1
        self.at += timedelta(seconds=1)
        named = {parent for entry in self.known.values() for parent in entry.parents}
        heads = tuple(sorted(id for id in self.known if id not in named))
        entry = Entry(
            f"{self.node}-{self.seq}", "a1", self.node, self.seq, heads, self.at, actor, action, None, data or {}
        )
        self.known[entry.id] = entry
        return entry

    def learn(self, other: "Author") -> None:
        self.known |= other.known

    @property
    def alert(self) -> Alert:
        alert = fold(self.known.values())
        assert alert is not None
        return alert


def raised(**changes: Any) -> Author:
    author = Author("low")
    author.act("raised", {"base": base(**changes)}, actor="terminal/tv-1")
    return author


def upper(low: Author, node: str = "up") -> Author:
    return Author(node, low.known.values())


class TestRaised:
    def test_carries_the_base(self) -> None:
        alert = raised().alert
        assert (alert.id, alert.node, alert.kind, alert.severity) == ("a1", "low", Kind.SOS, 1)
        assert (alert.status, alert.workflow, alert.condition) == (Status.ACTUAL, Workflow.NEW, Condition.ACTIVE)
        assert alert.raised_at == alert.last_press_at == AT
        assert alert.place.area_code == "511724" and alert.source.name == "Li"
        assert alert.detail == {"press_ids": ["p1"]} and alert.count == 1
        (camera,) = alert.cameras
        assert (camera.distance_m, camera.snapshots[0].press, camera.snapshots[0].state) == (
            35,
            1,
            PictureState.PENDING,
        )

    def test_without_it_there_is_no_alert(self) -> None:
        low = raised()
        note = low.act("note")
        assert fold([]) is None
        assert fold([note]) is None
        assert fold([note, *low.known.values()]) == low.alert

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"base": None},
            {"base": []},
            {"base": {"kind": "flood", "severity": 9, "status": {}, "source": "x", "place": [], "cameras": {"id": 1}}},
            {"base": {"severity": True, "title": 7, "raised_at": "9999-12-31T23:59:59-23:59", "cameras": [None, {}]}},
            {"base": {"place": {"lon": 10**400, "lat": "x"}, "cameras": [{"id": "c", "snapshots": [{}, 1, "x"]}]}},
            {"base": {"detail": {"press_ids": {"a": 1}}, "raised_at": "2026-03-01T08:00:00"}},
        ],
    )
    def test_a_base_that_makes_no_sense_is_still_a_grave_alert(self, data: dict[str, Any]) -> None:
        author = Author("low")
        entry = author.act("raised", data)
        assert author.alert.severity == 1
        assert author.alert.status is Status.ACTUAL
        assert author.alert.raised_at == entry.at
        assert author.alert.kind is Kind.OTHER


class TestSteps:
    def test_forward(self) -> None:
        low = raised()
        first = low.act("acknowledge", actor="wang")
        assert low.alert.workflow is Workflow.ACKNOWLEDGED
        assert (low.alert.assignee, low.alert.accepted_by) == ("wang", "wang")
        assert (low.alert.accepted_at, low.alert.accepted_node) == (first.at, "low")
        low.act("dispatch", actor="zhou")
        assert low.alert.workflow is Workflow.DISPATCHED
        low.act("arrive", actor="zhou")
        assert low.alert.workflow is Workflow.ON_SCENE
        low.act("close", {"disposition": "real"}, actor="zhou")
        assert (low.alert.workflow, low.alert.disposition) == (Workflow.CLOSED, "real")
        assert low.alert.condition is Condition.CLEARED
        assert (low.alert.assignee, low.alert.accepted_by) == ("wang", "wang")

    @pytest.mark.parametrize("action", ["acknowledge", "dispatch", "arrive", "close"])
    def test_the_first_to_take_responsibility_is_remembered(self, action: str) -> None:
        low = raised()
        low.act("note")
        entry = low.act(action, {"disposition": "real"}, actor="zhou")
        low.act("acknowledge", actor="late")
        assert (low.alert.accepted_at, low.alert.accepted_by) == (entry.at, "zhou")

    def test_return_goes_back_to_acknowledged(self) -> None:
        low = raised()
        for action in ("acknowledge", "dispatch", "arrive", "return"):
            low.act(action)
        assert low.alert.workflow is Workflow.ACKNOWLEDGED
        low.act("dispatch")
        assert low.alert.workflow is Workflow.DISPATCHED

    def test_return_of_a_new_alert_is_nothing(self) -> None:
        low = raised()
        low.act("return")
        assert low.alert.workflow is Workflow.NEW

    def test_reopen_starts_anew(self) -> None:
        low = raised()
        low.act("acknowledge")
        accepted_at = low.alert.accepted_at
        low.act("close", {"disposition": "false_alarm"})
        low.act("reopen")
        assert (low.alert.workflow, low.alert.disposition) == (Workflow.NEW, None)
        assert low.alert.condition is Condition.ACTIVE
        assert low.alert.accepted_at == accepted_at
        low.act("cancel")
        assert (low.alert.workflow, low.alert.condition) == (Workflow.CANCELLED, Condition.CLEARED)

    @pytest.mark.parametrize("data", [{}, {"disposition": None}, {"disposition": ""}, {"disposition": ["real"]}])
    def test_close_needs_a_disposition(self, data: dict[str, Any]) -> None:
        low = raised()
        low.act("close", data)
        assert low.alert.workflow is Workflow.NEW
        assert low.alert.accepted_at is None

    @pytest.mark.parametrize("action", ["acknowledge", "dispatch", "arrive", "return", "assign", "close", "cancel"])
    def test_who_has_seen_it_closed_changes_nothing(self, action: str) -> None:
        low = raised()
        low.act("close", {"disposition": "real"}, actor="wang")
        low.act(action, {"disposition": "drill", "assignee": "zhou"}, actor="zhou")
        assert (low.alert.workflow, low.alert.disposition, low.alert.assignee) == (Workflow.CLOSED, "real", None)
        low.act("reopen")
        assert low.alert.workflow is Workflow.NEW

    def test_assign(self) -> None:
        low = raised()
        low.act("assign", {"assignee": "zhou"})
        low.act("assign", {"assignee": 7})
        low.act("acknowledge", actor="wang")
        assert low.alert.assignee == "zhou"

    def test_unknown_actions_do_nothing(self) -> None:
        low = raised()
        before = low.alert
        for action in ("teleport", "shelve", "urge", "defer", "suspend", "escalate", "note", "", "raised"):
            low.act(action, {"base": base(title="Forged")})
        assert low.alert == before

    def test_a_press_stays_active_until_it_is_closed(self) -> None:
        low = raised()
        low.act("cleared")
        assert low.alert.condition is Condition.ACTIVE
        device = raised(source={"type": "camera", "id": "c1"})
        device.act("cleared")
        assert (device.alert.condition, device.alert.workflow) == (Condition.CLEARED, Workflow.NEW)


class TestShelving:
    UNTIL = "2026-03-01T09:00:00.000Z"

    def device(self) -> Author:
        return raised(source={"type": "camera", "id": "c1"})

    def shelve(self, author: Author, until: object = UNTIL, actor: str = "wang") -> Entry:
        return author.act("shelve", {"until": until}, actor)

    def mark(self, author: Author) -> Any:
        return author.alert.detail.get("shelved")

    def test_it_is_set_aside_with_its_end_its_reason_and_who_said_so(self) -> None:
        low = self.device()
        entry = replace(self.shelve(low), comment="works in the street")
        low.known[entry.id] = entry
        assert self.mark(low) == {"until": self.UNTIL, "reason": "works in the street", "by": "wang"}
        assert low.alert.workflow is Workflow.NEW

    @pytest.mark.parametrize("ends", ["unshelve", "reopen"])
    def test_it_ends_at_an_unshelve_and_when_it_is_opened_anew(self, ends: str) -> None:
        low = self.device()
        self.shelve(low)
        low.act("close", {"disposition": "other"})
        if ends == "reopen":
            low.act("reopen")
        else:
            low = self.device()
            self.shelve(low)
            low.act("unshelve")
        assert "shelved" not in low.alert.detail

    def test_of_two_in_a_row_the_later_speaks(self) -> None:
        low = self.device()
        self.shelve(low, actor="li")
        self.shelve(low, "2026-03-02T09:00:00.000Z")
        assert (self.mark(low)["by"], self.mark(low)["until"]) == ("wang", "2026-03-02T09:00:00.000Z")

    def test_an_unshelve_takes_back_only_what_its_author_had_seen(self) -> None:
        low = self.device()
        self.shelve(low, actor="li")
        up = upper(low)
        self.shelve(up, actor="zhou")
        low.act("unshelve")
        low.learn(up)
        up.learn(low)
        assert self.mark(low)["by"] == "zhou"
        assert low.alert == up.alert

    @pytest.mark.parametrize("until", [None, 7, "soon", "", []])
    def test_nothing_is_set_aside_without_an_end(self, until: object) -> None:
        low = self.device()
        self.shelve(low, until)
        assert "shelved" not in low.alert.detail

    def test_a_press_is_never_set_aside_whatever_an_entry_says(self) -> None:
        forged = {"press_ids": ["p1"], "shelved": {"until": "2999-01-01T00:00:00Z", "by": "evil"}}
        low = raised(detail=forged)
        self.shelve(low)
        assert "shelved" not in low.alert.detail
        assert shelved_until(replace(low.alert, detail=forged), AT) is None

    def test_for_who_reads_it_ends_by_itself_and_with_the_alert(self) -> None:
        low = self.device()
        self.shelve(low)
        until = AT + timedelta(hours=1)
        assert shelved_until(low.alert, AT) == until
        assert shelved_until(low.alert, until - timedelta(seconds=1)) == until
        assert shelved_until(low.alert, until) is None
        low.act("cancel")
        assert shelved_until(low.alert, AT) is None


class TestHolding:
    def test_nobody_below_lets_go_of_what_was_held_above(self) -> None:
        low = raised()
        low.act("hold", {"level": "township"})
        county = upper(low)
        county.act("hold", {"level": "county"}, actor="li")
        low.learn(county)
        assert low.alert.detail["held"]["by"] == "li"
        low.act("release", {"level": "township"})
        assert low.alert.detail["held"]["node"] == "up"  # its own alone is taken back
        assert release_refused(low.alert, "township") and release_refused(low.alert, "county") is None
        county.learn(low)
        county.act("release", {"level": "county"})
        assert "held" not in county.alert.detail and release_refused(county.alert, "village") is None

    def test_who_is_further_up_releases_those_below_too(self) -> None:
        low = raised()
        low.act("hold", {"level": "village"})
        county = upper(low)
        county.act("release", {"level": "county"})
        assert "held" not in county.alert.detail

    @pytest.mark.parametrize("level", [None, 7, "emperor", ["county"], {}])
    def test_a_level_that_is_none_is_the_lowest(self, level: object) -> None:
        low = raised()
        low.act("hold", {"level": "county"})
        low.act("release", {"level": level})
        assert is_held(low.alert)


class TestPresses:
    def test_another_press_joins(self) -> None:
        low = raised()
        snapshots = [{"id": "s2", "wanted_ms": 0, "press": 77}, {"id": "s1", "wanted_ms": 9}]
        entry = low.act("pressed", {"press_id": "p2", "cameras": [{"id": "c1", "snapshots": snapshots}, {"id": "c2"}]})
        alert = low.alert
        assert (alert.count, alert.last_press_at) == (2, entry.at)
        assert alert.detail["press_ids"] == ["p1", "p2"]
        assert [(s.id, s.press, s.wanted_ms) for s in alert.cameras[0].snapshots] == [("s1", 1, -5000), ("s2", 2, 0)]
        assert [camera.id for camera in alert.cameras] == ["c1", "c2"]

    def test_a_stuck_button_does_not_grow_the_alert_without_end(self) -> None:
        low = raised()
        alert = low.alert
        for n in range(2, 300):
            camera = {"id": "c1", "snapshots": [{"id": f"s{n}", "wanted_ms": 0}]}
            entry = Entry(
                f"x{n}", "a1", "low", n, (), AT, "t", "pressed", None, {"press_id": f"p{n}", "cameras": [camera]}
            )
            alert = apply(alert, entry)
        assert alert.count == 299
        assert len(alert.detail["press_ids"]) == reading.MAX_PRESS_IDS
        assert len(alert.cameras[0].snapshots) == reading.MAX_SNAPSHOTS

    def test_taken_back(self) -> None:
        low = raised()
        low.act("withdrawn", {"press_id": "p1"})
        assert low.alert.detail["withdrawn_at"] == "2026-03-01T08:00:02.000Z"
        assert low.alert.workflow is Workflow.NEW


class TestMarks:
    def test_told_further_up_it_stays_as_grave_and_as_new_as_it_was(self) -> None:
        low = raised()
        low.act("escalate", {"to": "county"})
        low.act("escalate", {"to": ["li", "", "county", 7, "wang"]})
        assert low.alert.detail["escalated_to"] == ["county", "li", "wang"]
        assert (low.alert.severity, low.alert.workflow) == (1, Workflow.NEW)

    @pytest.mark.parametrize("to", [None, "", [], 7, {"a": 1}, [None]])
    def test_told_to_nobody_it_is_not_told(self, to: Any) -> None:
        low = raised()
        low.act("escalate", {"to": to})
        assert "escalated_to" not in low.alert.detail

    def test_two_levels_that_escalate_at_once_agree_on_the_order(self) -> None:
        low = raised()
        up = upper(low)
        low.act("escalate", {"to": "township"})
        up.act("escalate", {"to": "county"})
        low.learn(up)
        up.learn(low)
        assert low.alert == up.alert
        assert low.alert.detail["escalated_to"] == ["township", "county"]

    def test_who_has_seen_it_closed_escalates_nothing(self) -> None:
        low = raised()
        up = upper(low)
        low.act("close", {"disposition": "real"})
        low.act("escalate", {"to": "city"})
        up.act("escalate", {"to": "county"})
        low.learn(up)
        assert low.alert.detail["escalated_to"] == ["county"]

    def test_ways_that_stay_silent_are_each_nodes_own(self) -> None:
        low = raised()
        up = upper(low)
        low.act("undelivered", {"sink": "county", "after_s": 15})
        up.act("undelivered", {"sink": "county", "after_s": 15})
        low.act("undelivered", {"sink": "county", "after_s": 15})
        low.learn(up)
        assert low.alert.detail["undelivered"] == ["county", "up:county"]
        low.act("delivered", {"sink": "county", "seq": 4})
        assert low.alert.detail["undelivered"] == ["up:county"]
        up.learn(low)
        up.act("delivered", {"sink": "county", "seq": 4})
        assert "undelivered" not in up.alert.detail

    def test_a_closed_alert_too_says_that_the_county_has_it_now(self) -> None:
        low = raised()
        low.act("undelivered", {"sink": "county"})
        low.act("close", {"disposition": "real"})
        assert low.alert.detail["undelivered"] == ["county"]
        low.act("delivered", {"sink": "county", "seq": 4})
        assert "undelivered" not in low.alert.detail and low.alert.workflow is Workflow.CLOSED

    @pytest.mark.parametrize("sink", [None, "", 7, ["county"], "up:county"])
    def test_a_way_that_makes_no_sense_is_none(self, sink: Any) -> None:
        low = raised()
        low.act("undelivered", {"sink": sink})
        assert "undelivered" not in low.alert.detail

    def test_the_latest_call_back_speaks_and_a_withdrawal_asks_for_another(self) -> None:
        low = raised()
        low.act("note", {"callback": "no_answer"}, actor="li")
        entry = low.act("note", {"callback": "reached"}, actor="wang")
        low.act("note", {"callback": "perhaps"})
        low.act("note", {})
        at = entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert low.alert.detail["callback"] == {"outcome": "reached", "at": at, "by": "wang"}
        low.act("close", {"disposition": "real"})
        low.act("note", {"callback": "line_busy"})
        assert low.alert.detail["callback"]["outcome"] == "line_busy"
        low.act("withdrawn", {"press_id": "p1"})
        assert "callback" not in low.alert.detail

    def test_the_level_of_whoever_took_it_first(self) -> None:
        low = raised()
        low.act("acknowledge", {"level": "county"})
        low.act("dispatch", {"level": "township"})
        assert low.alert.accepted_level == "county"

    @pytest.mark.parametrize("level", ["the moon", 7, None, ["county"]])
    def test_a_level_that_there_is_not_is_none(self, level: Any) -> None:
        low = raised()
        low.act("acknowledge", {"level": level})
        assert (low.alert.accepted_level, low.alert.accepted_by) == (None, "wang")

    def test_who_was_told_is_kept_without_effect(self) -> None:
        low = raised()
        before = low.alert
        low.act("notified", {"to": "li", "role": "cadre", "by": "wecom"}, actor="gateway")
        assert low.alert == before


class TestPictures:
    READY: Mapping[str, Any] = {
        "camera": "c1",
        "snapshot": "s1",
        "state": "ready",
        "offset_ms": -4720,
        "taken_at": "2026-03-01T07:59:55.280Z",
        "sha256": SHA,
        "width": 640,
        "height": 360,
    }
    FAILED: Mapping[str, Any] = {"camera": "c1", "snapshot": "s1", "state": "failed", "reason": "camera offline"}

    def test_fills_its_snapshot(self) -> None:
        low = raised()
        low.act("picture", self.READY)
        (snapshot,) = low.alert.cameras[0].snapshots
        assert (snapshot.id, snapshot.wanted_ms, snapshot.press) == ("s1", -5000, 1)
        assert (snapshot.state, snapshot.offset_ms, snapshot.sha256) == (PictureState.READY, -4720, SHA)
        assert snapshot.taken_at == AT - timedelta(milliseconds=4720)

    def test_ready_wins_over_failed_and_the_first_over_the_second(self) -> None:
        low = raised()
        low.act("picture", self.FAILED)
        assert low.alert.cameras[0].snapshots[0].reason == "camera offline"
        low.act("picture", {**self.FAILED, "reason": "again"})
        assert low.alert.cameras[0].snapshots[0].reason == "camera offline"
        low.act("picture", self.READY)
        low.act("picture", self.FAILED)
        low.act("picture", {**self.READY, "offset_ms": 1})
        assert low.alert.cameras[0].snapshots[0].offset_ms == -4720

    @pytest.mark.parametrize(
        "changes",
        [
            *({"snapshot": wrong} for wrong in ("s9", None, ["s1"])),
            *({"sha256": wrong} for wrong in (None, "../etc", "G" * 64)),
            *({"state": wrong} for wrong in ("pending", [], None)),
            {"camera": "c9"},
        ],
    )
    def test_what_makes_no_sense_is_ignored(self, changes: dict[str, Any]) -> None:
        low = raised()
        before = low.alert
        low.act("picture", {**self.READY, **changes})
        assert low.alert == before


class TestClips:
    READY: Mapping[str, Any] = {
        "camera": "c1",
        "clip": "k1",
        "state": "ready",
        "from_ms": -30_250,
        "to_ms": 30_000,
        "sha256": SHA,
        "codec": "h264",
        "reason": None,
    }
    FAILED: Mapping[str, Any] = {"camera": "c1", "clip": "k1", "state": "failed", "reason": "nothing was kept"}

    @staticmethod
    def asked(**clip: Any) -> Author:
        return raised(cameras=[{"id": "c1", "name": "Crossing", "clip": {"id": "k1", **clip}}])

    @staticmethod
    def clip(author: Author) -> Clip | None:
        return author.alert.cameras[0].clip

    def test_is_pending_until_its_entry_says_otherwise(self) -> None:
        low = self.asked()
        assert self.clip(low) == Clip("k1")
        low.act("clip", self.READY)
        assert self.clip(low) == Clip("k1", PictureState.READY, None, -30_250, 30_000, SHA, "h264")

    def test_a_camera_that_was_asked_for_none_has_none(self) -> None:
        assert self.clip(raised()) is None
        low = self.asked(state="failed", reason="the press came late")
        assert self.clip(low) == Clip("k1", PictureState.FAILED, "the press came late")

    def test_ready_wins_over_failed_and_the_first_over_the_second(self) -> None:
        low = self.asked()
        low.act("clip", self.FAILED)
        low.act("clip", {**self.FAILED, "reason": "again"})
        assert self.clip(low) == Clip("k1", PictureState.FAILED, "nothing was kept")
        low.act("clip", self.READY)
        low.act("clip", self.FAILED)
        low.act("clip", {**self.READY, "from_ms": 1})
        found = self.clip(low)
        assert found is not None and (found.state, found.from_ms) == (PictureState.READY, -30_250)

    def test_a_fold_of_the_former_version_learns_of_the_clip_when_it_comes(self) -> None:
        low = raised()  # as it was folded without a look at its clips
        before = low.alert
        assert apply(before, low.act("clip", self.READY)) == low.alert
        found = self.clip(low)
        assert found is not None and found.sha256 == SHA

    def test_a_press_that_joins_takes_no_clip_away(self) -> None:
        low = self.asked()
        low.act("clip", self.READY)
        low.act("pressed", {"press_id": "p2", "cameras": [{"id": "c1", "clip": {"id": "k2"}}, {"id": "c2"}]})
        assert [camera.clip and camera.clip.id for camera in low.alert.cameras] == ["k1", None]

    @pytest.mark.parametrize(
        "changes",
        [
            *({"clip": wrong} for wrong in ("k9", None, ["k1"])),
            *({"sha256": wrong} for wrong in (None, "../etc", "G" * 64)),
            *({"state": wrong} for wrong in ("pending", "none", [], None)),
            {"camera": "c9"},
        ],
    )
    def test_what_makes_no_sense_is_ignored(self, changes: dict[str, Any]) -> None:
        low = self.asked()
        before = low.alert
        low.act("clip", {**self.READY, **changes})
        assert low.alert == before

    def test_numbers_and_words_that_make_no_sense_are_left_out(self) -> None:
        low = self.asked()
        low.act("clip", {**self.READY, "from_ms": "x", "to_ms": 10**40, "codec": {"a": 1}})
        assert self.clip(low) == Clip("k1", PictureState.READY, sha256=SHA)


class TestConcurrent:
    def test_acts_never_move_it_backwards(self) -> None:
        low = raised()
        up = upper(low)
        for action in ("acknowledge", "dispatch", "arrive"):
            low.act(action)
        for _ in range(5):
            up.act("note")
        up.act("acknowledge")
        low.learn(up)
        assert low.alert.workflow is Workflow.ON_SCENE

    def test_return_takes_back_only_what_its_author_had_seen(self) -> None:
        low = raised()
        low.act("dispatch")
        up = upper(low)
        up.act("note")
        up.act("note")
        up.act("return")
        low.act("arrive")
        low.learn(up)
        assert low.alert.workflow is Workflow.ON_SCENE

    def test_close_stands_until_a_reopen_that_has_seen_it(self) -> None:
        low = raised()
        up = upper(low)
        low.act("close", {"disposition": "real"})
        up.act("cancel")
        up.act("reopen")  # has not seen the close
        for _ in range(3):
            up.act("note")
        up.act("acknowledge")
        low.learn(up)
        assert (low.alert.workflow, low.alert.disposition) == (Workflow.CLOSED, "real")
        assert low.alert.condition is Condition.CLEARED
        low.act("reopen")
        assert low.alert.workflow is Workflow.NEW
        assert low.alert.closings == ()

    def test_an_advance_that_the_reopen_had_not_seen_remains(self) -> None:
        low = raised()
        up = upper(low)
        low.act("close", {"disposition": "duplicate"})
        low.act("reopen")
        up.act("dispatch")
        low.learn(up)
        assert low.alert.workflow is Workflow.DISPATCHED

    def test_of_two_closings_the_first_in_order_speaks_until_it_is_lifted(self) -> None:
        low = raised()
        up = upper(low, "zzz")
        low.act("close", {"disposition": "real"})
        seen_first = upper(low, "mid")
        seen_first.act("reopen")
        up.act("note")
        up.act("close", {"disposition": "false_alarm"})
        low.learn(up)
        assert (low.alert.disposition, len(low.alert.closings)) == ("real", 2)
        low.learn(seen_first)
        assert (low.alert.workflow, low.alert.disposition) == (Workflow.CLOSED, "false_alarm")

    def test_clocks_do_not_matter(self) -> None:
        low = raised()
        up = upper(low)
        up.at = datetime(1970, 1, 1, tzinfo=UTC)
        low.act("close", {"disposition": "real"})
        up.learn(low)
        up.act("reopen")
        assert up.alert.workflow is Workflow.NEW
        low.at = datetime(2106, 2, 7, tzinfo=UTC)
        low.learn(up)
        low.act("acknowledge")
        assert low.alert.workflow is Workflow.ACKNOWLEDGED


class TestOrder:
    def entry(self, id: str, *parents: str, node: str = "n", seq: int = 1) -> Entry:
        return Entry(id, "a1", node, seq, parents, AT, "x", "note")

    def ids(self, *entries: Entry) -> list[str]:
        return [entry.id for entry in order(entries)]

    def test_depth_then_node_then_sequence_then_id(self) -> None:
        entries = [
            self.entry("f", "d", "gone"),
            self.entry("d", "a"),
            self.entry("c", "a", node="m"),
            self.entry("b", "gone", seq=2),
            self.entry("a"),
            self.entry("aa"),
        ]
        assert self.ids(*entries) == ["a", "aa", "b", "c", "d", "f"]

    def test_a_cycle_ends_and_those_behind_it_keep_their_order(self) -> None:
        entries = [
            self.entry("root"),
            self.entry("x", "y", "root"),
            self.entry("y", "x"),
            self.entry("self", "self", "root"),
            self.entry("z1", "x", node="z"),
            self.entry("a2", "z1", node="a"),
        ]
        assert self.ids(*entries) == ["root", "y", "self", "x", "z1", "a2"]

    def test_heads_are_what_the_next_entry_has_to_follow(self) -> None:
        entries = [self.entry("a", "a"), self.entry("b", "a"), self.entry("c", "a", "gone")]
        assert causality.heads(entries) == ["b", "c"]
        cycle = [self.entry("x", "y", "a"), self.entry("y", "x"), self.entry("z", "x")]
        assert causality.heads([*entries, *cycle]) == ["b", "c", "x", "y", "z"]
        last = self.entry("last", *causality.heads([*entries, *cycle]), node="a")
        assert self.ids(*entries, *cycle, last)[-1] == "last"

    def test_a_long_chain_and_a_long_cycle_neither_recurse_nor_hang(self) -> None:
        chain = [self.entry(f"e{n}", f"e{n - 1}", seq=n) for n in range(20_000)]
        random.Random(1).shuffle(chain)
        assert [entry.seq for entry in order(chain)] == list(range(20_000))
        closed = [*chain[1:], self.entry("e0", "e19999", seq=0)]
        assert len(order(closed)) == len({entry.id for entry in closed})


# ------------------------------------------------------------------------------------------------ properties

_steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([*ACTIONS, *ASIDE, "learn", "learn", "learn", "picture", "clip"]),
        st.integers(0, 2),
    ),
    max_size=25,
)


CASE: Mapping[str, Any] = {
    "class": "02",
    "subclass": "0201",
    "name": "Help",
    "grade": 1,
    "department": "police",
    "due": {"register": "2026-03-01T08:05:00.000Z", "close": "2026-03-01T10:00:00.000Z"},
}


def _played(steps: Iterable[tuple[int, str, int]], source: str = "camera") -> list[Author]:
    """Three nodes that act and hear of each other as the steps say; one of them lives in 1970."""
    first = raised(detail={"press_ids": ["p1"], "case": dict(CASE)}, source={"type": source, "id": "x"})
    authors = [first, upper(first, "mid"), upper(first, "top")]
    authors[1].at = datetime(1970, 1, 1, tzinfo=UTC)
    for who, action, other in steps:
        if action == "learn":
            authors[who].learn(authors[other])
            continue
        data = {
            "disposition": ("real", "drill", "other")[other],
            "assignee": f"u{other}",
            "press_id": f"p{other}",
            "to": ("township", "county", ["li", "wang"])[other],
            "level": ("village", "township", "county")[who],
            "sink": ("county", "up")[other % 2],
            "callback": ("reached", "no_answer", "line_busy")[other],
            "until": f"2026-03-0{2 + other}T08:00:00.000Z",
            "cameras": [
                {
                    "id": f"c{other}",
                    "snapshots": [{"id": f"{who}{len(authors[who].known)}", "wanted_ms": 0}],
                    "clip": {"id": f"k{who}"},
                }
            ],
        }
        made = {"picture": TestPictures.READY, "clip": {**TestClips.READY, "clip": f"k{other}"}}
        authors[who].act(action, made.get(action, data), actor=f"user{who}")
    return authors


@settings(deadline=None)
@given(_steps, st.randoms(use_true_random=False))
def test_any_order_of_arrival_makes_the_same_alert(steps: list[tuple[int, str, int]], rng: random.Random) -> None:
    entries = list({id: entry for author in _played(steps) for id, entry in author.known.items()}.values())
    expected = fold(entries)
    rng.shuffle(entries)
    assert fold(entries) == expected
    assert [entry.id for entry in order(entries)] == [entry.id for entry in order(reversed(entries))]


@settings(deadline=None)
@given(_steps, st.lists(st.integers(0, 2), max_size=200), st.randoms(use_true_random=False))
def test_any_partition_of_the_entries_over_nodes_ends_in_one_alert(
    steps: list[tuple[int, str, int]], dealt: list[int], rng: random.Random
) -> None:
    """Whoever got which entries first, and applied them one by one where it could: once all have all, all agree."""
    entries = list({id: entry for author in _played(steps) for id, entry in author.known.items()}.values())
    rng.shuffle(entries)
    holders: list[dict[str, Entry]] = [{}, {}, {}]
    for number, entry in enumerate(entries):
        holders[dealt[number] if number < len(dealt) else 0][entry.id] = entry
    for holder in holders:
        fold(holder.values())  # a part of the story folds too, whatever it lacks
    for holder in holders:
        for other in rng.sample(holders, 3):
            holder |= other
    assert [fold(holder.values()) for holder in holders] == [fold(entries)] * 3


@settings(deadline=None)
@given(_steps)
def test_one_more_entry_that_follows_all_is_as_good_as_folding_all(steps: list[tuple[int, str, int]]) -> None:
    for author in _played(steps):
        before = author.alert
        for action in (*ACTIONS, *ASIDE):
            at_once = Author(author.node, author.known.values(), author.at)
            at_once.seq = author.seq
            said = {"disposition": "real", "assignee": "x", "press_id": "p9", "to": "city", "sink": "county"}
            said["until"] = "2026-03-09T08:00:00.000Z"
            entry = at_once.act(action, said, actor="last")
            assert apply(before, entry) == at_once.alert


@settings(deadline=None)
@given(st.lists(st.sampled_from([*ACTIONS, *ASIDE]), max_size=20))
def test_of_a_history_in_a_row_the_fold_is_the_sum_of_its_steps(actions: list[str]) -> None:
    low = raised(source={"type": "camera", "id": "c1"})
    start = low.alert
    said = {"disposition": "real", "assignee": "x", "to": "county", "sink": "up", "callback": "reached"}
    said["until"] = "2026-03-09T08:00:00.000Z"
    entries = [low.act(action, said) for action in actions]
    assert functools.reduce(apply, entries, start) == low.alert


@settings(deadline=None)
@given(_steps)
def test_closed_stands_until_a_reopen_that_has_seen_it(steps: list[tuple[int, str, int]]) -> None:
    entries = {id: entry for author in _played(steps) for id, entry in author.known.items()}
    alert = fold(entries.values())
    assert alert is not None

    @functools.cache
    def ancestors(id: str) -> frozenset[str]:
        parents = entries[id].parents
        return frozenset(parents).union(*(ancestors(parent) for parent in parents))

    lifted = {id for entry in entries.values() if entry.action == "reopen" for id in ancestors(entry.id)}
    standing = {id for id, entry in entries.items() if entry.action in ("close", "cancel")} - lifted
    assert (alert.workflow in (Workflow.CLOSED, Workflow.CANCELLED)) == bool(standing)
    assert set(alert.closings) == standing


@settings(deadline=None)
@given(_steps)
def test_shelved_stands_while_one_stands_that_nobody_who_saw_it_took_back(steps: list[tuple[int, str, int]]) -> None:
    entries = {id: entry for author in _played(steps) for id, entry in author.known.items()}
    alert = fold(entries.values())
    assert alert is not None
    press = fold({id: entry for author in _played(steps, "terminal") for id, entry in author.known.items()}.values())
    assert press is not None and "shelved" not in press.detail
    mark = alert.detail.get("shelved")
    shelvings = [entry for entry in entries.values() if entry.action == "shelve"]
    lifting = [entry for entry in entries.values() if entry.action in ("unshelve", "reopen")]
    if mark is not None:
        assert any(entry.actor == mark["by"] and entry.data["until"] == mark["until"] for entry in shelvings)
    elif not lifting and not any(entry.action in ("close", "cancel") for entry in entries.values()):
        assert not shelvings


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(SHA),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_NAMES = """base kind severity status source place title device_time raised_at detail cameras press_id press_ids camera
    snapshot snapshots clip from_ms codec state id wanted_ms sha256 disposition to level sink callback undelivered
    escalated_to case due until shelved"""
_fields = st.sampled_from(_NAMES.split())
_forged = st.dictionaries(
    _fields, _junk | st.dictionaries(_fields, _junk) | st.sampled_from(["c1", "s1", "k1", "ready"])
)
_all_actions = st.sampled_from([*ACTIONS, *ASIDE, "raised", "picture", "clip", "withdrawn", "cleared", "teleport"])
_hostile = st.builds(
    Entry,
    id=st.sampled_from([f"h{n}" for n in range(8)]),
    alert_id=st.just("a1"),
    node=st.sampled_from(["low", "evil"]),
    seq=st.integers(1, 5),
    parents=st.lists(st.sampled_from([*(f"h{n}" for n in range(8)), "low-1", "gone"]), max_size=4).map(tuple),
    at=st.datetimes(timezones=st.just(UTC)),
    actor=st.text(max_size=3),
    action=_all_actions,
    comment=st.none(),
    data=_forged | st.fixed_dictionaries({"base": _forged}),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_hostile, max_size=8, unique_by=lambda entry: entry.id), st.sampled_from(ACTIONS))
def test_nothing_that_an_entry_says_raises(entries: list[Entry], action: str) -> None:
    start = raised()
    alert = fold([*start.known.values(), *entries])
    assert alert == fold([*reversed(entries), *start.known.values()])
    assert alert is not None and alert.count >= 1
    known = [*start.known.values(), *entries]
    last = Entry("last", "a1", "aaa", 1, tuple(causality.heads(known)), AT, "x", action, None, {"disposition": "x"})
    assert apply(alert, last) == fold([*known, last])
    for entry in entries:
        alert = apply(alert, entry)
    assert alert.id == "a1"


# ------------------------------------------------------------------------------------------------ permitted

_ANY_OPEN = frozenset({"new", "acknowledged", "dispatched", "on_scene"})
_TABLE = {
    "acknowledge": {"new"},
    "dispatch": {"acknowledged", "dispatched", "on_scene"},
    "arrive": {"dispatched"},
    "close": _ANY_OPEN,
    "cancel": _ANY_OPEN,
    "reopen": {"closed", "cancelled"},
    "return": {"dispatched", "on_scene"},
    "note": set(Workflow),
    **dict.fromkeys(("suspend", "defer", "urge", "assign", "escalate"), _ANY_OPEN),
    "shelve": set(),
    "raised": set(),
    "": set(),
}


@pytest.mark.parametrize("action", list(_TABLE))
@pytest.mark.parametrize("workflow", list(Workflow))
def test_what_an_operator_may_do(action: str, workflow: Workflow) -> None:
    low = raised()
    ways = {"new": (), "acknowledged": ("acknowledge",), "dispatched": ("dispatch",), "on_scene": ("arrive",)}
    for step in ways.get(workflow, ("close",) if workflow is Workflow.CLOSED else ("cancel",)):
        low.act(step, {"disposition": "real"})
    assert low.alert.workflow is workflow
    refusal = permitted(low.alert, action)
    assert (refusal is None) == (workflow in _TABLE[action])
    assert refusal is None or refusal


def test_only_a_press_is_never_shelved() -> None:
    device = raised(source={"type": "camera", "id": "c1"})
    assert permitted(device.alert, "shelve") is None
    assert permitted(raised().alert, "unshelve") == "a press is never shelved"
    device.act("cancel")
    assert permitted(device.alert, "shelve") == (
        "the alert is cancelled; shelve is allowed while it is new, acknowledged, dispatched, on_scene"
    )
