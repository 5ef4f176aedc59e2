"""The lock-out breaker: one refused credential stops everything that would try it again.

Cameras and recorders lock themselves for half an hour after a handful of wrong passwords, and then refuse the right one too.
A recorder with 64 channels would be asked 64 times at once; it is asked once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import AuthFailed
from gateway.supervision.place import Login


@dataclass(slots=True)
class _Account:
    """What is known of one login. While nobody stands logged in with it, one at a time may try it."""

    visits: int = 0
    standing: int = 0
    trying: bool = False
    refused: str | None = None
    doubtful: bool = False
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)
    barred: dict[Callable[[], None], str] = field(default_factory=dict)  # whom to tell of a release → its camera

    @property
    def unused(self) -> bool:
        return not (self.visits or self.waiting or self.doubtful) and self.refused is None


class Visit:
    """One attempt to log in, from ``Lockout.enter`` to ``leave``."""

    __slots__ = ("_account", "_camera_id", "_left", "_lockout", "_login", "_probing", "_standing")

    def __init__(self, lockout: "Lockout", login: Login, camera_id: str, account: _Account, probing: bool) -> None:
        self._lockout = lockout
        self._login = login
        self._camera_id = camera_id
        self._account = account
        self._probing = probing
        self._standing = False
        self._left = False
        account.visits += 1

    @property
    def others_stand(self) -> bool:
        """Whether the device has let in others with the same login."""
        return self._account.standing > self._standing

    def proven(self) -> None:
        """The device has let us in: others with the same login may come."""
        if self._standing or self._left:
            return
        account = self._account
        self._standing = True
        account.standing += 1
        account.doubtful = False
        if self._probing:
            self._probing = account.trying = False
        _wake(account, len(account.waiting))

    def refused(self, reason: str) -> None:
        """The device has refused us. If others stand logged in with the same login it is perhaps this one's rights, so
        the first time it stops this camera alone; otherwise all that would use it."""
        account = self._account
        self._lockout.remember(self._camera_id, reason)
        if account.standing > self._standing and not account.doubtful:
            account.doubtful = True
            return
        account.refused = reason
        _wake(account, len(account.waiting))

    def leave(self) -> None:
        """The attempt is over; to be called as often as one likes."""
        if self._left:
            return
        self._left = True
        account = self._account
        account.visits -= 1
        account.standing -= self._standing
        if self._probing:
            self._probing = account.trying = False
            _wake(account, 1)
        self._lockout.tidy(self._login)


class Lockout:
    """Who may try which login. Cameras are named by id, because main stream, sub-stream and ONVIF stop together."""

    def __init__(self) -> None:
        self._accounts: dict[Login, _Account] = {}
        self._cameras: dict[str, str] = {}

    def refusal(self, camera_id: str) -> str | None:
        """Why this camera is not tried any more, in words; None if it may be."""
        return self._cameras.get(camera_id)

    def login_refusal(self, login: Login) -> str | None:
        """Why this login is not tried any more by anybody, in words; None if it may be."""
        account = self._accounts.get(login)
        return None if account is None else account.refused

    def stands(self, login: Login) -> bool:
        """Whether the device has let somebody in with it who is still there: then its password is right."""
        account = self._accounts.get(login)
        return account is not None and account.standing > 0

    async def enter(self, login: Login, camera_id: str, released: Callable[[], None]) -> Visit:
        """Wait until the login may be tried. Raises AuthFailed where it has been refused; then ``released`` is called once
        another try is allowed, unless it was this very camera that was refused: that one waits for ``release``."""
        while True:
            account = self._accounts.setdefault(login, _Account())
            if (reason := self._cameras.get(camera_id)) is not None:
                self.tidy(login)
                raise AuthFailed(reason)
            if account.refused is not None:
                account.barred[released] = camera_id
                raise AuthFailed(account.refused)
            # A doubtful login goes one at a time too, although somebody stands logged in with it.
            free = account.standing > 0 and not account.doubtful
            if free or not account.trying:
                account.trying = account.trying or not free
                return Visit(self, login, camera_id, account, not free)
            await self._in_line(login, account)

    def remember(self, camera_id: str, reason: str) -> None:
        """This camera was refused, now or in the life of another worker."""
        self._cameras[camera_id] = reason

    def release(self, camera_id: str, *logins: Login) -> None:
        """One more attempt for this camera, and behind it for those that its logins had stopped."""
        self._cameras.pop(camera_id, None)
        for login in logins:
            if (account := self._accounts.get(login)) is not None:
                account.refused, barred, account.barred = None, account.barred, {}
                for released in barred:
                    released()
                self.tidy(login)

    def forget(self, camera_id: str, *logins: Login) -> None:
        """The camera is gone, or has another credential."""
        self._cameras.pop(camera_id, None)
        for login in logins:
            if (account := self._accounts.get(login)) is not None:
                account.barred = {told: camera for told, camera in account.barred.items() if camera != camera_id}

    def keep(self, logins: set[Login]) -> None:
        """These logins are in use: forget what is known of others."""
        for login in [each for each in self._accounts if each not in logins]:
            self._accounts[login].refused = None
            self._accounts[login].doubtful = False
            self.tidy(login)

    def tidy(self, login: Login) -> None:
        if (account := self._accounts.get(login)) is not None and account.unused:
            del self._accounts[login]

    async def _in_line(self, login: Login, account: _Account) -> None:
        called = asyncio.get_running_loop().create_future()
        account.waiting.append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                _wake(account, 1)  # it was called and does not go
            raise
        finally:
            if called in account.waiting:
                account.waiting.remove(called)
            self.tidy(login)


def _wake(account: _Account, most: int) -> None:
    while most and account.waiting:
        called = account.waiting.popleft()
        if not called.done():
            called.set_result(None)
            most -= 1
