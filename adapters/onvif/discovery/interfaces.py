"""Which of this machine's network interfaces are searched and listened on."""

import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import UsageError

_IFF_UP, _IFF_LOOPBACK, _IFF_MULTICAST = 0x1, 0x8, 0x1000


@dataclass(frozen=True, slots=True)
class Interface:
    """By ``index``, or by an IPv4 ``address`` of its own (then ``index`` may be 0)."""

    name: str
    index: int = 0
    address: str = "0.0.0.0"  # noqa: S104 -- no address: the index says which


def chosen_interfaces(names: Sequence[str]) -> list[Interface]:
    """Those of ``names`` (names or own addresses), or all that are up, know multicast and are not loopback. Raises
    UsageError naming those that there are."""
    here = [Interface(name, index) for index, name in socket.if_nameindex()]
    if not names:
        return [each for each in here if _is_usable(each.name)]
    return [_interface(name, here) for name in names]


def _interface(name: str, here: Sequence[Interface]) -> Interface:
    known = next((each for each in here if each.name == name), None)
    if known is not None:
        return known
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        raise UsageError(
            f"there is no network interface {name}; here are {', '.join(each.name for each in here)}"
        ) from None
    if address.version == 6:
        known = next((each for each in here if each.index in _indexes_of_v6(address)), None)
        if known is None:
            raise UsageError(f"{name} is no address of this machine")
        return known
    return Interface(name, 0, name)


def _indexes_of_v6(address: ipaddress.IPv6Address) -> set[int]:
    with contextlib.suppress(OSError):
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
        return {int(line.split()[1], 16) for line in lines if line.split()[0] == address.exploded.replace(":", "")}
    return set()


def _is_usable(name: str) -> bool:
    try:
        flags = int(Path(f"/sys/class/net/{name}/flags").read_text(encoding="ascii"), 16)
    except (OSError, ValueError):
        return False
    return bool(flags & _IFF_UP) and bool(flags & _IFF_MULTICAST) and not flags & _IFF_LOOPBACK
