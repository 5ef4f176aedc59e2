"""Pictures taken along with what was drawn over them burnt in."""

import asyncio
import hashlib
import io
import json
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gateway.console import export_turns
from gateway.console.api import export as route
from gateway.video.masking import masker

LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that begins takes its time on a busy machine."""
    monkeypatch.setitem(masker.DEADLINE_S, "picture", 250.0)


@pytest.fixture
async def alert(house):
    """With a real picture, bright all over."""
    id_ = await house.raise_alert()
    _, jpeg = cv2.imencode(".jpg", np.full((90, 160, 3), 200, np.uint8))
    sha256 = await house.media.put(jpeg.tobytes(), "image/jpeg")
    data = {"camera": "cam-street", "snapshot": "s1", "state": "ready", "sha256": sha256, "width": 160, "height": 90}
    await house.act(id_, "picture", "gateway", **data)
    return id_


async def export(http, headers, alert, body):
    async with http.post(f"/api/v1/alerts/{alert}/export", headers=headers, json=body) as answer:
        return answer.status, await answer.read()


async def test_what_was_drawn_is_burnt_in_and_the_manifest_says_by_whom(house, http, log_in, alert) -> None:
    body = {"reason": "通报", "items": [{"kind": "picture", "id": "s1", "covers": [{"polygon": LEFT}]}]}
    status, content = await export(http, await log_in("operator"), alert, body)
    assert status == 200
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    [told] = manifest["files"]
    jpeg = archive.read(told["path"])
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown[:, :70].max() < 12 and shown[:, 90:].min() > 180
    assert (manifest["made_by"], manifest["reason"], manifest["alert"]) == ("operator", "通报", alert)
    assert told["sha256"] == hashlib.sha256(jpeg).hexdigest() != told["original_sha256"]
    assert told["covered"] == [{"polygon": LEFT}]
    assert hashlib.sha256(house.media.kept[told["original_sha256"]]).hexdigest() == told["original_sha256"]
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 1))
    assert (lines[0].action, lines[0].reason, lines[0].actor) == ("export_masked", "通报", "operator")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"reason": "  "}, 422),
        ({"items": []}, 422),
        ({"items": [{"kind": "picture", "id": "none"}]}, 404),
        (
            {
                "items": [
                    {"kind": "picture", "id": "s1"},
                    {"kind": "picture", "id": "s1", "covers": [{"polygon": LEFT}]},
                ]
            },
            422,
        ),
        ({"items": [{"kind": "picture", "id": "s1", "covers": [{"polygon": [[0, 0], [1, 1]]}]}]}, 422),
        ({"items": [{"kind": "picture", "id": "s1", "covers": [{"polygon": [[0, 0], [1, 2], [0, 1]]}]}]}, 422),
        ({"items": [{"kind": "picture", "id": "s1", "covers": [{"polygon": LEFT, "to_ms": 0}]}]}, 422),
        ({"items": [{"kind": "picture", "id": "s1", "covers": [{"polygon": LEFT, "from_ms": 9, "to_ms": 9}]}]}, 422),
    ],
)
async def test_what_is_not_whole_is_refused_before_anything_is_made(
    house, http, log_in, alert, change, expected
) -> None:
    body = {"reason": "通报", "items": [{"kind": "picture", "id": "s1"}], **change}
    assert (await export(http, await log_in("operator"), alert, body))[0] == expected
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 9))
    assert "export_masked" not in [line.action for line in lines]


WHOLE = {"reason": "通报", "items": [{"kind": "picture", "id": "s1", "covers": [{"polygon": LEFT}]}]}
EXPORTS = ["/alerts/{}/bundle.zip?reason=x", "/reports/figures.xlsx", "/reports/figures.csv"]


async def test_a_file_that_is_named_twice_is_told(house, http, log_in, alert) -> None:
    status, content = await export(http, await log_in("operator"), alert, {**WHOLE, "items": WHOLE["items"] * 3})
    assert status == 422
    assert "the picture s1 is named 3 times; name it once" in json.loads(content)["detail"]


async def test_no_room_for_the_files_costs_nobody_a_turn(
    house, http, log_in, alert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = await log_in("operator")
    with monkeypatch.context() as full:
        full.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
        for _ in range(export_turns.AT_ONCE + 1):
            status, content = await export(http, operator, alert, WHOLE)
            assert (status, json.loads(content)["detail"]) == (
                503,
                "The covered files cannot be put together: No such file or directory.",
            )
    assert (await export(http, operator, alert, WHOLE))[0] == 200


async def test_one_that_takes_too_long_is_ended_whatever_it_holds(
    house, http, log_in, alert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(*_: Any) -> None:
        await asyncio.Event().wait()

    (folder := tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    operator = await log_in("operator")
    with monkeypatch.context() as slow:
        slow.setattr(route, "mask", endless)
        slow.setattr(route, "_DEADLINE_S", 0.2)
        for _ in range(export_turns.AT_ONCE + 1):
            status, content = await export(http, operator, alert, WHOLE)
            assert status == 503
            assert "took longer than 0.2 s, and nothing of it was kept" in json.loads(content)["detail"]
    assert list(folder.iterdir()) == []
    assert (await export(http, operator, alert, WHOLE))[0] == 200


async def test_one_whose_time_ends_before_its_folder_is_there_leaves_none(
    house, http, log_in, alert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, begun, go_on = tempfile.TemporaryDirectory, threading.Event(), threading.Event()

    def late(**how: Any) -> tempfile.TemporaryDirectory[str]:
        begun.set()
        go_on.wait(60)
        return make(**how)

    (folder := tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(tempfile, "TemporaryDirectory", late)
    monkeypatch.setattr(route, "_DEADLINE_S", 0.05)
    asked = asyncio.create_task(export(http, await log_in("operator"), alert, WHOLE))
    assert await asyncio.to_thread(begun.wait, 60)
    await asyncio.sleep(0.1)  # past the deadline
    go_on.set()
    assert (await asked)[0] == 503
    assert list(folder.iterdir()) == []


async def test_who_finds_all_turns_taken_is_told_when_to_come_again(
    house, http, log_in, alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hangs: neither on covered files, nor on a case bundle, nor on a table."""
    mask, go_on, under_way = route.mask, asyncio.Event(), asyncio.Semaphore(0)

    async def held(*asked: Any) -> Any:
        under_way.release()
        await go_on.wait()
        return await mask(*asked)

    monkeypatch.setattr(route, "mask", held)
    monkeypatch.setattr(export_turns, "WAIT_S", 0.1)
    operator = await log_in("operator")
    taken = [asyncio.create_task(export(http, operator, alert, WHOLE)) for _ in range(export_turns.AT_ONCE)]
    try:
        async with asyncio.timeout(60):
            for _ in taken:
                await under_way.acquire()
            for path in EXPORTS:
                async with http.get(f"/api/v1{path.format(alert)}", headers=operator) as answer:
                    assert (answer.status, answer.headers.get("Retry-After")) == (503, "10"), path
                    assert "Others are being exported just now" in (await answer.json())["detail"]
            assert (await export(http, operator, alert, WHOLE))[0] == 503
    finally:
        go_on.set()
        ended = await asyncio.gather(*taken)
    assert [status for status, _ in ended] == [200] * len(taken)
    for path in EXPORTS:
        async with http.get(f"/api/v1{path.format(alert)}", headers=operator) as answer:
            assert answer.status == 200, path
