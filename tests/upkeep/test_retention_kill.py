"""Killed at any system call or moment of a deletion, a node's next start is whole, and its next run finishes the work."""

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from gateway.ledger.audit import verify_file
from gateway.ledger.soundness import first_fault
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Lane, ParcelDraft, utc_now
from gateway.ports import AlertFilter, AuditRecord, Transaction
from gateway.video.media import FileMediaStore

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / "tests" / "peers" / "retention_runner.py"
DAY = timedelta(days=1)
_ENDED, _STAY = 60, ("open", "held", "young", "owed")


@dataclass
class Clock:
    at: datetime = field(default_factory=utc_now)

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """Sixty alerts that are over, of which the newer twenty still have their time without media; four that stay; and what
    somebody looked at years ago."""
    clock = Clock()
    now = clock.at
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "low", clock)
    media = FileMediaStore(tmp_path / "media")

    async def case(id: str, days: int) -> None:
        clock.at = now - days * DAY
        picture, clip = await media.put(_picture(id), "image/jpeg"), await media.put(_clip(id), "video/mp4")
        for path in media._root.glob("??/*"):
            os.utime(path, (0, 0))

        def work(tx: Transaction) -> None:
            base = {"kind": "sos", "severity": 1, "source": {"type": "terminal", "id": id}, "title": "求助" * 500}
            raised = tx.append(Draft(id, "raised", "terminal/tv", clock.at, None, {"base": base}))
            for action, sha in (("picture", picture), ("clip", clip)):
                told = {"camera": "c1", "snapshot": "s", "clip": "c", "state": "ready", "sha256": sha}
                tx.append(Draft(id, action, "gateway", clock.at, None, told))
            tx.record(AuditRecord(clock.at, "wang", "view_snapshot", f"alerts/{id}", "why"))
            if id != "open":
                tx.append(Draft(id, "close", "wang", clock.at, None, {"disposition": "real"}))
            if id == "held":
                tx.append(Draft(id, "hold", "wang", clock.at, "法院"))
            if id == "owed":
                tx.post(ParcelDraft("county", Lane.ALARM, entry_id=raised.id))

        await ledger.write(work)

    for n in range(_ENDED):
        await case(f"ended{n}", 1200 if n < 40 else 100)
    for id in _STAY:
        await case(id, 5 if id == "young" else 2000)
    clock.at = datetime.now(UTC)
    await media.close()
    await ledger.close()
    return tmp_path


def _picture(id: str) -> bytes:
    return f"picture {id}".encode() * 200


def _clip(id: str) -> bytes:
    return f"clip {id}".encode() * 2000


def _runner(data: Path, *before: str) -> list[str]:
    return [*before, sys.executable, str(RUNNER), str(data)]


_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def finish(data: Path) -> None:
    """The next start."""
    done = subprocess.run(_runner(data), env=_ENVIRONMENT, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.endswith("done\n"), done.stdout


def require_nothing_torn(data: Path) -> None:
    """Straight after the kill."""
    assert verify_file(data / "ledger.db").broken is None
    require_all_of_what_stays(data)


def require_all_of_what_stays(data: Path) -> None:
    names = {path.name for path in (data / "media").glob("??/*")}
    for id in _STAY:
        assert f"{hashlib.sha256(_picture(id)).hexdigest()}.jpg" in names, id
        assert f"{hashlib.sha256(_clip(id)).hexdigest()}.mp4" in names, id


async def require_all_done(data: Path) -> None:
    path = data / "ledger.db"
    assert first_fault(path) is None
    assert verify_file(path).broken is None
    require_all_of_what_stays(data)
    assert len(list((data / "media").glob("??/*"))) == 2 * len(_STAY)  # and no file that nobody refers to
    ledger = await SqliteLedger.open(path, "low", Clock())
    found, _ = await ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 500))
    await ledger.close()
    assert {stored.alert.id for stored in found} == {*_STAY, *(f"ended{n}" for n in range(40, _ENDED))}
    connection = apsw.Connection(str(path))
    left = connection.execute("SELECT count(*) FROM entry WHERE body <> '' AND alert_id LIKE 'ended%'").get
    assert left == 4 * (_ENDED - 40)
    assert connection.execute("SELECT count(*) FROM erasing").get == 0
    old = "SELECT group_concat(json_extract(body, '$.object')) FROM audit WHERE json_extract(body, '$.actor') = 'wang'"
    over = connection.execute(f"{old} AND json_extract(body, '$.at') < date('now', '-1097 days')").get
    assert set(str(over).split(",")) == {"alerts/held"}
    connection.close()


# The ledger's pages, its commits, and the files that go after them.
_CALLS = [
    f"{name}:when={n}" for name, calls in
    {"pwrite64": (40, 160, 400), "fdatasync": (4, 9, 14), "unlink,unlinkat": (1, 90)}.items()
    for n in calls
]  # fmt: skip


@pytest.mark.parametrize("call", _CALLS)
async def test_killed_at_a_system_call(data: Path, call: str) -> None:
    names, when = call.split(":")
    inject = f"inject={names}:signal=SIGKILL:{when}"
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={names}", "-e", inject]
    killed = subprocess.run(_runner(data, *strace), env=_ENVIRONMENT, check=False, capture_output=True, timeout=120)
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), killed
    require_nothing_torn(data)
    finish(data)
    await require_all_done(data)


async def test_killed_again_and_again(data: Path) -> None:
    moments = random.Random(7)
    kills = 0
    for _ in range(12):
        with subprocess.Popen(_runner(data), stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            try:
                process.wait(moments.uniform(0.0, 0.25))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            kills += process.wait(60) == -signal.SIGKILL
        require_nothing_torn(data)
    assert kills > 0
    finish(data)
    await require_all_done(data)
