"""Structured logs to stderr: one JSON object a line (or coloured text on a terminal), secrets taken out of every field."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@]*@", re.IGNORECASE)
_SECRET_FIELDS = re.compile(r"password|passwd|secret|token|authorization|cookie|credential", re.IGNORECASE)
_HEADER = re.compile(r"(?P<name>authorization|cookie|x-api-key)\s*[:=]\s*[^\r\n]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Take user names and passwords out of URLs, and the values of credential headers."""
    return _HEADER.sub(r"\g<name>: ***", _URL_CREDENTIALS.sub(r"\g<scheme>***@", text))


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if _SECRET_FIELDS.search(key) and key != "event":
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = redact(value)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _redact_event,
]
# One list for all times: loggers that were used before keep the one they met.
_CHAIN: list[Any] = [*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]


def configure(level: str = "INFO", *, json: bool | None = None) -> None:
    """Send structlog and the standard library's logging through one redacting chain to stderr."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer(colors=True)
    )
    structlog.configure(
        processors=_CHAIN,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "asyncio", "aiohttp.access", "amqtt", "transitions"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def logger(room: str) -> structlog.stdlib.BoundLogger:
    """A logger that names its room (``alerts``, ``mqtt``, …) in every line."""
    # Not .bind(): that would settle the logger on the settings in force while modules are still being imported.
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(room, room=room)
    return bound
