"""The fault lab's own parts, each without a town."""

import asyncio
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.cascade.answers import HttpAnswer, read_receipt, require_success
from gateway.errors import TryLater, TurnedAway, UsageError
from gateway.lab.book import Verdict
from gateway.lab.faultlab import liar, run
from gateway.lab.faultlab.days import former_schema
from gateway.lab.faultlab.disks import _copy_sparse
from gateway.lab.faultlab.households import settings_of
from gateway.lab.faultlab.run import chosen, report_of, run_faults, table_of
from gateway.lab.faultlab.scenes import SCENES
from gateway.lab.faultlab.tracing import Injection, early_or_late
from gateway.lab.faultlab.trial import Outcome, Scene
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, utc_now, uuid7
from gateway.supervision.clock import SystemClock


def test_scenes_are_chosen_by_name_or_all_of_them() -> None:
    assert [scene.name for scene in chosen(["power", "liar"])] == ["power", "liar"]
    assert chosen([]) == list(SCENES.values())
    with pytest.raises(UsageError, match="there is no such scene; there are kill_home"):
        chosen(["powr"])


def test_a_scene_says_what_it_lacks() -> None:
    async def nothing(trial: Any) -> None:
        return

    lacking = Scene("odd", "needs what nobody has", nothing, tools=("no-such-program",))
    assert lacking.missing() == "scene odd needs no-such-program; install what .ci/packages names for tests"
    assert Scene("plain", "needs nothing", nothing).missing() is None


def test_a_scene_that_cannot_be_played_is_no_success(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    async def nothing(trial: Any) -> None:
        return

    monkeypatch.setitem(SCENES, "odd", Scene("odd", "needs what nobody has", nothing, tools=("no-such-program",)))
    assert run_faults(seed=1, presses=1, names=["odd"]) == 2
    assert "not played" in capsys.readouterr().out


def test_the_report_adds_up_and_is_well_only_if_all_are() -> None:
    good = Outcome("a", 1, Verdict(10, 10), 1.0)
    bad = Outcome("b", 1, Verdict(5, 5, lost=((("tv-1", "p"), (1,)),)), 1.0)
    report = report_of(1, [good, bad], 2.0)
    assert report["totals"]["presses"] == 15
    assert report["totals"]["lost"] == 1
    assert not report["well"]
    assert report_of(1, [good], 1.0)["well"]
    assert not report_of(1, [Outcome("c", 1, Verdict(1, 1), 1.0, broken=("it was ready",))], 1.0)["well"]
    assert not report_of(1, [], 0.0)["well"]
    json.dumps(report)


def test_the_table_has_a_row_for_each_scene_that_was_played_over_all_its_seeds() -> None:
    played = [Outcome("power", seed, Verdict(10, 10), 1.0) for seed in (1, 2)]
    table = table_of(report_of(1, [*played, Outcome("liar", 1, None, 0.0, not_played="no")], 2.0)).splitlines()
    assert table[2] == "| `power` | the power fails | root | 1, 2 | 20 | 0 | 0 |"
    assert table[-1] == "Together 20 presses, 0 lost, 0 doubled."
    assert len(table) == 5


def test_a_run_that_is_stopped_reports_what_it_has_played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def stopped(scenes: Any, *, told: Any, **words: Any) -> list[Outcome]:
        told(Outcome("power", 1, Verdict(3, 3), 1.0))
        raise asyncio.CancelledError

    monkeypatch.setattr(run, "play_all", stopped)
    to = tmp_path / "faults.json"
    assert run_faults(seed=1, presses=3, to=to) == 0
    assert json.loads(to.read_text(encoding="utf-8"))["totals"]["presses"] == 3


@pytest.mark.parametrize("refusal", liar.REFUSALS)
def test_no_refusal_on_the_way_parks_anything(refusal: str) -> None:
    status, kind, content = liar._told(refusal, b"{}", random.Random(1))
    with pytest.raises(TurnedAway):
        require_success(HttpAnswer(status, {"Content-Type": kind}, content), "county")


def test_numbers_of_calls_are_drawn_within_bounds_and_early_ones_often() -> None:
    rng = random.Random(3)
    drawn = [early_or_late(rng, 200) for _ in range(2000)]
    assert min(drawn) == 1
    assert max(drawn) <= 200
    assert 600 < sum(number <= 20 for number in drawn) < 1600


def test_an_injection_names_calls_paths_and_count() -> None:
    words = Injection("fsync", "error=EIO", "7", (Path("/x/ledger.db"),)).words()
    assert words[-4:] == ("-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=7")
    assert words[words.index("-P") : words.index("-P") + 2] == ("-P", "/x/ledger.db")


@pytest.mark.parametrize("lie", sorted({*liar.LIES} - {"hang"}))  # which never comes to an answer
def test_no_lie_is_a_receipt(lie: str) -> None:
    body = json.dumps({"id": "e1"}).encode()
    status, kind, content = liar._told(lie, body, random.Random(1))
    answer = HttpAnswer(status, {"Content-Type": kind}, content)
    with pytest.raises(TryLater):
        require_success(answer, "county")
        read_receipt(answer, "e1", "0" * 64, "county")


def test_a_copy_of_a_sparse_image_has_its_content_and_its_holes(tmp_path: Path) -> None:
    image, copy = tmp_path / "a", tmp_path / "b"
    with image.open("wb") as file:
        file.truncate(64 << 20)
        file.seek(32 << 20)
        file.write(b"here")
    _copy_sparse(image, copy)
    assert copy.stat().st_size == 64 << 20
    assert copy.stat().st_blocks < 1000
    with copy.open("rb") as file:
        file.seek(32 << 20)
        assert file.read(4) == b"here"


def test_half_of_the_households_are_registered() -> None:
    assert [terminal["id"] for terminal in settings_of(range(1, 4, 2))] == ["tv-0001", "tv-0003"]


async def test_a_former_ledger_keeps_its_alerts_and_is_brought_up_to_date(tmp_path: Path) -> None:
    path, alert_id = tmp_path / "ledger.db", uuid7()
    ledger = await SqliteLedger.open(path, "township", SystemClock())
    base = {"kind": "sos", "severity": 1, "source": {"type": "terminal", "id": "tv-1"}, "title": "t"}
    draft = Draft(alert_id, "raised", "terminal/tv-1", utc_now(), None, {"base": base})
    await ledger.write(lambda tx: tx.append(draft))
    await ledger.close()

    assert former_schema(path) == 2
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert not connection.execute("SELECT name FROM sqlite_master WHERE name = 'timer'").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    again = await SqliteLedger.open(path, "township", SystemClock())
    assert await again.read(lambda reader: reader.alert(alert_id)) is not None
    await again.close()
