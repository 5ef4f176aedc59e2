"""Every error the gateway raises on purpose, as one tree.

GatewayError                 a sentence for a person: what is wrong, where, what to do
├── UsageError               the command or the configuration is wrong            → exit code 2
│   └── ConfigError          faults of a configuration file, one sentence each
├── RunningError             it failed while running                              → exit code 1
│   ├── AlreadyRunning       another gateway holds this data_dir
│   ├── ListenFailed         an address could not be listened on
│   └── StoreFailed          the ledger could not commit: nothing was acknowledged
├── DeviceError              a device answered wrongly, or not at all
│   ├── Unreachable          no connection, or silence past a deadline
│   │   └── Busy             it has no session left for us; carries how long to wait
│   ├── ProtocolFault        it said something that the standard does not allow
│   │   └── NotSpoken        well-formed, but a codec or transport that this adapter does not speak
│   └── AuthFailed           it refused our credential: stop trying until the credential changes
├── NotAllowed               a step the alert's present state does not permit     → HTTP 409
└── delivery verdicts, raised by sinks
    ├── TryLater             not now; carries how long to wait, if the receiver said so
    │   └── TurnedAway       this one, by somebody on the way: it alone waits, longer each time
    └── Refused              never: the receiver will not take this one; it is parked
"""

from collections.abc import Sequence


class GatewayError(Exception):
    """Root of the tree. ``str(error)`` is a plain sentence that may be shown to a user."""


class UsageError(GatewayError):
    """The command or its configuration is wrong."""


class ConfigError(UsageError):
    """Faults of a configuration file, each ``FILE:LINE: key.path: what is wrong and what is accepted``."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class RunningError(GatewayError):
    """The gateway failed while running."""


class AlreadyRunning(RunningError):
    """Another gateway process holds the lock of this data_dir."""


class ListenFailed(RunningError):
    """An address could not be listened on."""


class StoreFailed(RunningError):
    """The ledger could not commit. Nothing of the transaction was acknowledged to anybody."""


class DeviceError(GatewayError):
    """A device answered wrongly, or not at all."""


class Unreachable(DeviceError):
    """No connection, or silence past a deadline."""


class Busy(Unreachable):
    """The device has no session or no bandwidth left for us. ``after``: seconds until its stale sessions have ended."""

    def __init__(self, reason: str, after: float) -> None:
        super().__init__(reason)
        self.after = after


class ProtocolFault(DeviceError):
    """The peer said something that the standard does not allow and that we cannot read around."""


class NotSpoken(ProtocolFault):
    """What the device offers is sound, but not spoken by this adapter: another one may (MJPEG, multicast)."""


class AuthFailed(DeviceError):
    """The device refused our credential. Trying again would lock it: wait for a changed credential."""


class NotAllowed(GatewayError):
    """The alert's present state does not permit this step."""


class TryLater(GatewayError):
    """The receiver cannot take the parcel now.

    ``after`` is the wait in seconds that the receiver asked for, or None.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class TurnedAway(TryLater):
    """The parcel was refused in words that are not the receiver's own: a proxy or a login page stands on the way.

    It is never parked for that. Where others get through meanwhile, it alone waits, longer each time.
    """


class Refused(GatewayError):
    """The receiver will never take this parcel; it is parked where an operator sees it."""
