"""Clips over HTTP, as a player asks for them."""

from pathlib import Path

import pytest

from gateway.errors import StoreFailed
from gateway.ports import StoredMedia


async def clip_url(house, http) -> str:
    alert = await house.raise_alert()
    await house.clip_ready(alert)
    async with http.get(f"/api/v1/alerts/{alert}", headers=house.bearer("operator")) as answer:
        clip = (await answer.json())["cameras"][0]["clip"]
    assert (clip["state"], clip["from_ms"], clip["to_ms"], clip["codec"]) == ("ready", -30_250, 30_000, "h264")
    return str(clip["url"])


def content(house) -> bytes:
    (found,) = house.media.kept.values()
    return bytes(found)


async def viewings(house) -> list[tuple[str, str]]:
    audit, _ = await house.ledger.read(lambda reader: reader.audit(None, 50))
    return [(line.actor, line.object) for line in audit if line.action == "view_clip"]


async def test_a_clip_is_served_whole_and_in_ranges(house, http) -> None:
    url = await clip_url(house, http)
    whole, headers = content(house), house.bearer("viewer")
    async with http.get(url, headers=headers) as answer:
        assert (answer.status, answer.content_type, await answer.read() == whole) == (200, "video/mp4", True)
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Cache-Control"].startswith("private")
        etag = answer.headers["ETag"]
    for asked, start, end in (
        ("bytes=0-", 0, len(whole)),
        ("bytes=300000-", 300_000, len(whole)),
        ("bytes=5-9", 5, 10),
        ("bytes=-7", len(whole) - 7, len(whole)),
        (f"bytes=100-{len(whole) * 2}", 100, len(whole)),
    ):
        async with http.get(url, headers={**headers, "Range": asked, "If-Range": etag}) as answer:
            assert (answer.status, await answer.read() == whole[start:end]) == (206, True)
            assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(whole)}"


async def test_what_changed_or_is_not_understood_is_served_whole_and_what_is_known_not_at_all(house, http) -> None:
    url = await clip_url(house, http)
    whole, headers = content(house), house.bearer("viewer")
    for more in ({"Range": "bytes=0-9", "If-Range": '"another"'}, {"Range": "bytes=0-1,5-6"}, {"Range": "lines=1-2"}):
        async with http.get(url, headers={**headers, **more}) as answer:
            assert (answer.status, len(await answer.read())) == (200, len(whole))
            etag = answer.headers["ETag"]
    async with http.get(url, headers={**headers, "If-None-Match": etag}) as answer:
        assert answer.status == 304


async def test_a_range_beyond_its_end_is_416(house, http) -> None:
    url = await clip_url(house, http)
    size = len(content(house))
    async with http.get(url, headers={**house.bearer("viewer"), "Range": f"bytes={size}-"}) as answer:
        assert (answer.status, answer.content_type) == (416, "application/problem+json")
        assert answer.headers["Content-Range"] == f"bytes */{size}"
    assert await viewings(house) == []


async def test_head_tells_the_size_and_shows_nothing(house, http) -> None:
    url = await clip_url(house, http)
    async with http.head(url, headers=house.bearer("viewer")) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(content(house))))
        assert answer.headers["Accept-Ranges"] == "bytes"
    async with http.head(url) as answer:
        assert answer.status == 401
    assert await viewings(house) == []


async def test_one_viewing_is_one_line_of_the_audit_wherever_it_begins(house, http) -> None:
    url = await clip_url(house, http)
    name = url.removeprefix("/api/v1/").removesuffix(".mp4")
    for asked in ("bytes=500-", "bytes=0-", "bytes=100-200"):
        async with http.get(url, headers={**house.bearer("viewer"), "Range": asked}) as answer:
            assert answer.status == 206
    assert await viewings(house) == [("t-viewer", name)]
    async with http.get(url, headers=house.bearer("operator")) as answer:
        assert answer.status == 200
    assert await viewings(house) == [("t-operator", name), ("t-viewer", name)]


async def test_no_audit_no_clip(house, http, monkeypatch: pytest.MonkeyPatch) -> None:
    url = await clip_url(house, http)

    async def refuse(work: object) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(house.ledger, "write", refuse)
        async with http.get(url, headers=house.bearer("viewer")) as answer:
            assert (answer.status, (await answer.json())["detail"]) == (503, "the disk is full")
    async with http.get(url, headers=house.bearer("viewer")) as answer:
        assert answer.status == 200
    assert len(await viewings(house)) == 1


async def test_a_clip_that_is_not_there_says_why(house, http) -> None:
    async def problem(alert: str, clip: str = "k1") -> tuple[int, str]:
        async with http.get(f"/api/v1/alerts/{alert}/clips/{clip}.mp4", headers=house.bearer("operator")) as answer:
            return answer.status, (await answer.json())["detail"]

    linked = {"id": "cam-street", "name": "十字口东", "snapshots": []}
    alert = await house.raise_alert(cameras=[{**linked, "clip": {"id": "k1"}}])
    assert await problem(alert) == (404, "This clip is not there: it is still being made.")
    assert await problem(alert, "k9") == (404, "There is no clip k9 of this alert.")
    await house.act(alert, "clip", camera="cam-street", clip="k1", state="failed", reason="the camera was offline")
    assert await problem(alert) == (404, "This clip is not there: the camera was offline.")
    await house.clip_ready(alert)  # made after all; a failure gives way
    house.media.kept.clear()
    assert await problem(alert) == (404, "This clip has not come from its node yet.")
    assert await problem(await house.raise_alert(cameras=[linked])) == (404, "There is no clip k1 of this alert.")
    assert await viewings(house) == []


async def test_a_file_that_goes_just_then_is_404(house, http, monkeypatch: pytest.MonkeyPatch) -> None:
    url = await clip_url(house, http)

    async def gone(sha256: str) -> StoredMedia:
        return StoredMedia(Path("/nowhere/clip.mp4"), 10, "video/mp4")

    monkeypatch.setattr(house.media, "find", gone)
    async with http.get(url, headers={**house.bearer("viewer"), "Range": "bytes=0-"}) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_a_picture_that_a_lower_node_calls_a_clip_is_none_and_a_clip_no_picture(house, http) -> None:
    alert = await house.raise_alert(
        cameras=[{"id": "cam-street", "name": "东", "snapshots": [{"id": "s1", "wanted_ms": 0}], "clip": {"id": "k1"}}]
    )
    picture, clip = await house.media.put(b"jpeg", "image/jpeg"), await house.media.put(b"mp4", "video/mp4")
    said = {"camera": "cam-street", "state": "ready", "taken_at": "2026-05-01T08:00:00Z", "offset_ms": 0}
    await house.act(alert, "picture", **said, snapshot="s1", sha256=clip, width=640, height=360)
    await house.act(alert, "clip", **said, clip="k1", sha256=picture, from_ms=0, to_ms=1, codec="h264")
    for url in (f"/api/v1/alerts/{alert}/clips/k1.mp4", f"/api/v1/alerts/{alert}/snapshots/s1"):
        async with http.get(url, headers=house.bearer("viewer")) as answer:
            assert (answer.status, (await answer.json())["detail"].rpartition(" has not ")[2]) == (
                404,
                "come from its node yet.",
            )
