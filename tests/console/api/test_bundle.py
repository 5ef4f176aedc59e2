"""Case bundles over HTTP, and whether they are whole: no byte of one can be changed unseen."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.console.bundle import MANIFEST, as_json
from gateway.console.bundle_check import NotWhole, Own, check
from gateway.console.bundle_zip import archive, measured, opened
from gateway.console.node_key import NodeKey, public_of
from gateway.errors import UsageError
from gateway.ledger.audit_trail import links_of


async def fetch(http: aiohttp.ClientSession, headers: Any, alert: str, **params: str) -> tuple[int, bytes]:
    async with http.get(f"/api/v1/alerts/{alert}/bundle.zip", params=params, headers=headers) as answer:
        content = await answer.read()
        if answer.status == 200:
            assert answer.content_type == "application/zip"
            assert answer.headers["Content-Disposition"] == f'attachment; filename="case-{alert}.zip"'
            assert int(answer.headers["Content-Length"]) == len(content)
        return answer.status, content


@pytest.fixture
async def case(house: Any, http: Any, tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """An alert with a picture and a clip, somebody who looked at it, and its bundle."""
    alert = await house.raise_alert()
    await house.picture_ready(alert)
    await house.clip_ready(alert)
    await house.act(alert, "acknowledge", "li")
    async with http.get(f"/api/v1/alerts/{alert}/snapshots/s1", headers=house.bearer("viewer")) as answer:
        assert answer.status == 200
    status, content = await fetch(http, house.bearer("operator"), alert, reason="派出所")
    assert status == 200
    path = tmp_path / "case.zip"
    path.write_bytes(content)
    yield alert, path


def own(tmp_path: Path) -> Own:
    ledger = tmp_path / "ledger.db"
    return Own("zhuyang", public_of(tmp_path / "bundle-key.pem"), lambda numbers: links_of(ledger, numbers))


def rewritten(path: Path, changes: dict[str, bytes], key: NodeKey | None = None) -> None:
    """As somebody would who knows the form: with ``key`` also the manifest is made to fit."""
    contents = {each.name: b"".join(each.pieces()) for each in opened(path)} | changes
    if key is not None:
        manifest = json.loads(contents[MANIFEST])
        manifest["key"] = key.public().hex()
        members = [measured(name, content) for name, content in contents.items() if not name.startswith("manifest")]
        manifest["files"] = [{"path": each.name, "bytes": each.size, "sha256": each.sha256} for each in members]
        contents[MANIFEST] = as_json(manifest)
        contents["manifest.sig"] = key.sign(contents[MANIFEST])
    path.write_bytes(b"".join(archive([measured(name, content) for name, content in contents.items()])))


async def test_a_bundle_holds_everything_and_is_whole(case: Any, tmp_path: Path, house: Any) -> None:
    alert, path = case
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        names = file.namelist()
        audit = [json.loads(line["text"]) for line in json.loads(file.read("audit.json"))]
        told = json.loads(file.read("alert.json"))
        manifest = json.loads(file.read(MANIFEST))
    assert names == [
        "manifest.json", "manifest.sig", "README.txt", "alert.json", "entries.json", "audit.json",
        "pictures/001_cam-street_-4720ms.jpg", "clips/002_cam-street_-30250ms.mp4",
    ]  # fmt: skip
    assert [(line["actor"], line["action"], line["reason"]) for line in audit] == [
        ("t-viewer", "view_snapshot", None),
        ("t-operator", "export_bundle", "派出所"),
    ]
    assert [entry["action"] for entry in told["entries"]] == ["raised", "picture", "clip", "acknowledge"]
    assert (manifest["made_by"], manifest["reason"], manifest["missing"]) == ("t-operator", "派出所", [])
    for against in (None, own(tmp_path)):
        found = check(path, against)
        assert (found.alert, found.node, found.files, found.entries, found.audit) == (alert, "zhuyang", 8, 4, 2)


async def test_no_byte_can_be_changed_unseen(case: Any, tmp_path: Path) -> None:
    whole = case[1].read_bytes()
    path = tmp_path / "changed.zip"

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(whole) - 1) | st.integers(0, 9000), st.integers(1, 255))
    def changed(at: int, by: int) -> None:
        content = bytearray(whole)
        content[at] ^= by
        path.write_bytes(content)
        with pytest.raises(NotWhole):
            check(path)

    changed()
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(NotWhole):
            check(path)


async def test_who_signs_anew_needs_the_nodes_key(case: Any, tmp_path: Path) -> None:
    _, path = case
    rewritten(path, {}, stranger := NodeKey(tmp_path / "stranger"))
    assert check(path).files == 8  # from far away nobody can know whose key it is
    with pytest.raises(NotWhole, match="another key"):
        check(path, own(tmp_path))
    assert stranger.public() != public_of(tmp_path / "bundle-key.pem")


@pytest.mark.parametrize("name", ["alert.json", "entries.json", "audit.json", "clips/002_cam-street_-30250ms.mp4"])
async def test_even_the_nodes_own_key_cannot_tell_another_story(case: Any, tmp_path: Path, name: str) -> None:
    """The chain of the ledger, and the hashes that entries name, hold what a signature alone would not."""
    _, path = case
    with zipfile.ZipFile(path) as file:
        content = file.read(name)
    other = content.replace(b'"li"', b'"yu"').replace(b'\\"li\\"', b'\\"yu\\"').replace(b"t-viewer", b"t-nobody")
    if name.startswith("clips"):
        other = content[:-1] + b"x"
    assert other != content
    rewritten(path, {name: other}, NodeKey(tmp_path / "bundle-key.pem"))
    with pytest.raises(NotWhole):
        check(path)


async def test_what_a_stranger_puts_into_a_bundle_is_refused_in_a_sentence(case: Any, tmp_path: Path) -> None:
    """Names that would lie elsewhere when unpacked, JSON without end, and words that write over a terminal."""
    _, path = case
    whole, stranger = path.read_bytes(), NodeKey(tmp_path / "stranger")
    for name in ("../../home/li/.bashrc", "/etc/cron.d/x", "pictures/../../x", "C:\\x", "pictures/a\x1b[2J", ".ssh"):
        path.write_bytes(whole)
        rewritten(path, {name: b"x"}, stranger)
        with pytest.raises(NotWhole, match="no name of a file"):
            check(path)
    for name, content in {
        MANIFEST: b"[" * 200_000,
        "entries.json": b'[{"n": 1e999}]',
        "audit.json": b"[" * 200_000,
        "alert.json": b"null",
    }.items():
        path.write_bytes(whole)
        rewritten(path, {name: content}, None if name == MANIFEST else stranger)
        with pytest.raises(NotWhole):
            check(path)
    path.write_bytes(whole)
    manifest = json.loads(b"".join(next(each for each in opened(path) if each.name == MANIFEST).pieces()))
    rewritten(path, {MANIFEST: as_json(manifest | {"node_name": "\x1b[1A\x1b[2Kwhole"})}, stranger)
    with pytest.raises(NotWhole, match="node_name"):
        check(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UsageError, match="is a file"):
        check(path)


async def test_a_ledger_that_was_changed_since_is_told(case: Any, tmp_path: Path) -> None:
    _, path = case
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    connection.execute("UPDATE chain SET link = zeroblob(32) WHERE n = 2")
    with pytest.raises(NotWhole, match="line 2 of the chain is another one"):
        check(path, own(tmp_path))
    connection.execute("DELETE FROM chain WHERE n = 2")
    connection.close()
    with pytest.raises(NotWhole, match="line 2 of the chain is not in this node's ledger"):
        check(path, own(tmp_path))
    with pytest.raises(UsageError, match="made by node zhuyang"):
        check(path, Own("other", None, lambda _: {}))


async def test_what_is_not_here_is_named_and_the_rest_goes_out(house: Any, http: Any, tmp_path: Path) -> None:
    alert = await house.raise_alert()
    house.media.kept.pop(await house.picture_ready(alert))
    status, content = await fetch(http, house.bearer("operator"), alert)
    assert status == 200
    (tmp_path / "case.zip").write_bytes(content)
    assert check(tmp_path / "case.zip").missing == 1


async def test_who_may_not_handle_an_alert_is_given_no_bundle(house: Any, http: Any, log_in: Any) -> None:
    alert, far = await house.raise_alert(), await house.raise_alert("tv-0002", area="511725002")
    assert (await fetch(http, house.bearer("viewer"), alert))[0] == 403
    assert (await fetch(http, house.bearer("near"), far))[0] == 404
    assert (await fetch(http, await log_in("maintainer"), alert))[0] == 200
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 50))
    assert [line.actor for line in lines if line.action == "export_bundle"] == ["maintainer"]


async def test_the_command_line_says_it_in_plain_sentences(case: Any, tmp_path: Path) -> None:
    alert, path = case

    def verify(*options: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "gateway", "audit", "verify", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    config = tmp_path / "node.yaml"
    config.write_text("node: {id: zhuyang}\ndata_dir: .\n", encoding="utf-8")
    code, told, _ = verify(str(path))
    assert code == 0 and f"whole: alert {alert}" in told
    code, told, _ = verify(str(path), "-c", str(config))
    assert code == 0 and "stand in this node's ledger" in told
    rewritten(path, {"README.txt": b"other"})
    code, _, said = verify(str(path))
    assert (code, "README.txt was changed" in said, "Traceback" in said) == (1, True, False)
    assert verify(str(tmp_path / "none.zip"))[0] == 2
    assert verify()[0] == 2
