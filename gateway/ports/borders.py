"""Where signals come in, and where parcels go."""

from typing import Protocol

from gateway.model import Accepted, Parcel, Receipt, Signal


class Source(Protocol):
    """Hears signals. ``run`` is one attempt: it connects, translates and raises when broken; it never retries."""

    id: str

    async def run(self, outlet: "Outlet") -> None: ...


class Outlet(Protocol):
    """Where a source puts what it hears."""

    def online(self) -> None:
        """The connection stands: resets the back-off and logs the recovery once."""

    async def emit(self, signal: Signal) -> Accepted:
        """Return once the signal is on disk. Raises StoreFailed: then acknowledge nothing."""

    async def withdraw(self, terminal_id: str, press_id: str | None) -> None:
        """The presser takes it back (an entry and a mark, never a closing). Returns once on disk."""

    def presence(self, terminal_id: str, online: bool | None) -> None:
        """A terminal's state: True online, False offline (LWT), None a sign of life without a statement."""


class Sink(Protocol):
    """Takes parcels. Raises TryLater | Refused; never retries, never sleeps.

    ``concurrency`` is how many ``send`` calls of one lane may be under way at once. A sink with a true attribute ``ordered``
    is given the parcels of one alert and lane one after another.
    """

    id: str
    concurrency: int

    async def send(self, parcel: Parcel) -> Receipt | None:
        """Return the receiver's receipt (None where the protocol has none) once it truly has the parcel."""

    async def close(self) -> None: ...
