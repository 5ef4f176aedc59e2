"""A device's subscriptions: pull points that wait for what it notices, and receivers it calls (ONVIF Core §9; WS-BaseNotification)."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.lab.onvif.figures import Figures
from gateway.lab.onvif.http import Exchange

_KEPT = 100  # notices of one subscription that nobody fetched
_ANSWER_WITHIN = 5.0


@dataclass(eq=False, slots=True)
class Subscription:
    """``name`` is its number; ``ends`` when its lease does, on the monotonic clock; ``receiver`` where notices are sent,
    empty for a pull point."""

    name: str
    ends: float
    receiver: str = ""
    waiting: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT))
    pull: Callable[[], None] | None = None  # answers the pull that is open
    timer: asyncio.TimerHandle | None = None
    sending: "asyncio.Task[None] | None" = None


class Subscriptions:
    """All of one device. ``now`` is a monotonic clock; ``notify`` makes the bytes of a Notify of these messages."""

    def __init__(self, figures: Figures, now: Callable[[], float], notify: Callable[[list[str]], bytes]) -> None:
        self._figures, self._now, self._notify = figures, now, notify
        self._kept: dict[str, Subscription] = {}
        self._made = 0

    def __len__(self) -> int:
        self._forget_lapsed()
        return len(self._kept)

    @property
    def pulling(self) -> int:
        return sum(one.pull is not None for one in self._kept.values())

    def create(self, lease: float, receiver: str = "") -> Subscription:
        self._made += 1
        self._figures.created += 1
        made = Subscription(str(self._made), self._now() + lease, receiver)
        self._kept[made.name] = made
        return made

    def get(self, name: str) -> Subscription | None:
        self._forget_lapsed()
        return self._kept.get(name)

    def only(self) -> Subscription | None:
        """The newest: what a device means that has one address for all."""
        self._forget_lapsed()
        return next(reversed(self._kept.values()), None)

    def renew(self, one: Subscription, lease: float) -> None:
        one.ends = self._now() + lease

    def end(self, one: Subscription) -> None:
        """Unsubscribe."""
        self._figures.unsubscribed += 1
        self._drop(one)

    def tell(self, messages: list[str], to: Subscription | None = None) -> None:
        """Hand notices to one subscription, or to all."""
        self._forget_lapsed()
        for one in [to] if to is not None else tuple(self._kept.values()):
            self._figures.lost += max(0, len(one.waiting) + len(messages) - _KEPT)
            one.waiting.extend(messages)
            if one.receiver:
                if one.sending is None or one.sending.done():
                    one.sending = asyncio.get_running_loop().create_task(self._send(one))
            elif one.pull is not None:
                # in the loop's next turn, so that twins are told together
                asyncio.get_running_loop().call_soon(self._release, one)

    def pull(
        self, one: Subscription, exchange: Exchange, timeout: float, limit: int, answer: Callable[[list[str]], None]
    ) -> None:
        """Answer with up to ``limit`` messages once there are any, or with none after ``timeout`` seconds."""

        def done() -> None:
            one.pull = None
            if one.timer is not None:
                one.timer.cancel()
                one.timer = None

        def respond() -> None:
            done()
            messages = [one.waiting.popleft() for _ in range(min(limit, len(one.waiting)))]
            self._figures.told += len(messages)
            answer(messages)

        if one.pull is not None:
            one.pull()  # a second pull ends the first
        if one.waiting or timeout <= 0:
            respond()
            return
        one.pull, exchange.gone = respond, done
        one.timer = asyncio.get_running_loop().call_later(timeout, respond)

    def close(self) -> None:
        """The device goes: nobody is told."""
        for one in tuple(self._kept.values()):
            self._drop(one)

    def _release(self, one: Subscription) -> None:
        if one.pull is not None and one.waiting:
            one.pull()

    def _drop(self, one: Subscription) -> None:
        self._kept.pop(one.name, None)
        if one.timer is not None:
            one.timer.cancel()
        if one.sending is not None:
            one.sending.cancel()

    def _forget_lapsed(self) -> None:
        now = self._now()
        for one in [one for one in self._kept.values() if one.ends <= now]:
            self._figures.lapsed += 1
            self._drop(one)

    async def _send(self, one: Subscription) -> None:
        while one.waiting:
            messages = list(one.waiting)
            one.waiting.clear()
            try:
                async with asyncio.timeout(_ANSWER_WITHIN):
                    await _post(one.receiver, self._notify(messages))
                self._figures.told += len(messages)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                self._figures.lost += len(messages)


async def _post(url: str, body: bytes) -> None:
    """Raises OSError, IncompleteReadError or ValueError where nobody takes it."""
    to = urlsplit(url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port or 80)
    try:
        path = (to.path or "/") + (f"?{to.query}" if to.query else "")
        head = f"POST {path} HTTP/1.1\r\nHost: {to.netloc}\r\nContent-Type: application/soap+xml; charset=utf-8\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        status = (await reader.readuntil(b"\r\n")).split()[1]
        if not status.startswith(b"2"):
            raise ValueError(f"{url} answered {status!r}")
    finally:
        writer.close()
