"""Room, the ledger's size, and when certificates end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from gateway.observability import metrics
from gateway.pki.authority import Authority
from gateway.pki.making import Kind
from gateway.upkeep.box import Box

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Still:
    def now(self) -> datetime:
        return NOW

    def mono(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")


def value(name: str, /, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(f"gateway_{name}", labels)


async def test_the_box_is_measured(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"x" * 1000)
    (tmp_path / "ledger.db-wal").write_bytes(b"x" * 24)
    own = Authority(tmp_path / "pki", NOW)
    own.create("own")
    soon = own.issue(Kind.SERVER, ["console"], ["a.example.cn"], 20)[0]
    own.issue(Kind.NODE, ["gateway"], (), 22)
    (tmp_path / "odd.crt").write_text("no certificate")
    files = {
        "http": soon.certificate,
        "tv": own.directory / "issued/gateway.crt",
        "tv/ca": own.directory / "ca.crt",
        "odd": tmp_path / "odd.crt",
        "gone": tmp_path / "gone.crt",
    }
    box = Box(tmp_path, files, Still())
    with structlog.testing.capture_logs() as lines:
        for _ in range(300):  # more than an hour: certificates are looked at anew, and told of once a day
            await box.look()
    free, size = value("disk_free_bytes"), value("disk_size_bytes")
    assert free is not None and size is not None and 0 < free <= size
    assert value("ledger_bytes") == 1024
    ends = {name: value("certificate_expiry_timestamp_seconds", name=name) for name in files}
    assert ends["http"] == (NOW + timedelta(days=20)).timestamp()
    assert ends["tv/ca"] == (NOW + timedelta(days=3650)).timestamp()
    assert (ends["odd"], ends["gone"]) == (0, 0)
    assert sorted(line["name"] for line in lines) == ["gone", "http", "odd"]


async def test_an_authority_that_is_followed_by_another_ends_with_the_last(tmp_path: Path) -> None:
    Authority(tmp_path / "pki", NOW).create("own")
    Authority(tmp_path / "pki", NOW + timedelta(days=100)).renew_authority()
    await Box(tmp_path, {"ca": tmp_path / "pki/ca.crt"}, Still()).look()
    assert value("certificate_expiry_timestamp_seconds", name="ca") == (NOW + timedelta(days=3750)).timestamp()


async def test_a_disk_that_does_not_answer_ends_nothing(tmp_path: Path) -> None:
    await Box(tmp_path / "gone", {}, Still()).look()
