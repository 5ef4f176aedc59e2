"""The one chain of all logs."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.observability import logs


@pytest.fixture
def configured() -> Iterator[None]:
    before: dict[str, Any] = structlog.get_config()
    logs.configure()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("configured")
def test_configuring_again_reaches_loggers_that_were_used() -> None:
    used = logs.logger("here")
    used.info("before")
    logs.configure("DEBUG")
    with structlog.testing.capture_logs() as lines:
        used.info("after")
    assert [line["event"] for line in lines] == ["after"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("rtsp://admin:secret@10.0.0.1/live", "rtsp://***@10.0.0.1/live"),
        ("Authorization: Digest username=x", "Authorization: ***"),
    ],
)
def test_secrets_are_taken_out(said: str, kept: str) -> None:
    assert logs.redact(said) == kept
