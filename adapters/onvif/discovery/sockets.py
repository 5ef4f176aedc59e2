"""The sockets of WS-Discovery (OASIS WS-Discovery 2005/04 §2.4): to the groups of each interface, to single addresses, and
those that hear the groups."""

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from adapters.onvif.discovery.interfaces import Interface
from adapters.onvif.discovery.probes import GROUP_V4, GROUP_V6
from gateway.errors import ListenFailed

_IP_MULTICAST_ALL = 49
"""linux/in.h; the socket module has no name for it."""


@dataclass(slots=True)
class Group:
    """A socket that asks a multicast group on one interface, and hears the answers."""

    socket: socket.socket
    to: tuple[str, int] | tuple[str, int, int, int]

    def send(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # an interface may have lost its address or its cable: the others answer
            self.socket.sendto(message, self.to)

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


@dataclass(slots=True)
class UnicastSockets:
    """One for each IP version that this machine has; the kernel's routes choose the interface."""

    port: int
    by_version: dict[int, socket.socket] = field(default_factory=dict)

    @property
    def sockets(self) -> list[socket.socket]:
        return list(self.by_version.values())

    def send(self, message: bytes, address: str) -> None:
        sock = self.by_version.get(6 if ":" in address else 4)
        if sock is not None:
            with contextlib.suppress(OSError):  # no route, or its neighbour was just found missing: nobody is there
                sock.sendto(message, (address, self.port))

    def __enter__(self) -> "UnicastSockets":
        for version, family, anywhere in ((4, socket.AF_INET, ""), (6, socket.AF_INET6, "::")):
            with contextlib.suppress(OSError):
                sock = _datagram_socket(family)
                with _closing_on_failure(sock):
                    sock.bind((anywhere, 0))
                self.by_version[version] = sock
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self.sockets:
            sock.close()


def multicast_sockets(interfaces: Iterable[Interface], port: int) -> Iterable[Group]:
    for each in interfaces:
        with contextlib.suppress(OSError):
            yield Group(_sending_v4(each), (GROUP_V4, port))
        if each.index:
            with contextlib.suppress(OSError):
                yield Group(_sending_v6(each), (GROUP_V6, port, 0, each.index))


def listening_sockets(interfaces: Sequence[Interface], port: int) -> Iterable[socket.socket]:
    """Bound to the groups, not to every address: another program of this box (a camera in software) keeps its unicast.
    Raises ListenFailed."""
    listening, why = 0, "no interface is up"
    for each in interfaces:
        try:
            sock = _listening_v4(each, port)
        except OSError as error:
            why = error.strerror or str(error)
            continue
        listening += 1
        yield sock
        if each.index:
            with contextlib.suppress(OSError):  # without IPv6 here IPv4 hears them
                yield _listening_v6(each, port)
    if not listening:
        raise ListenFailed(f"devices that say Hello are not heard: port {port}/udp cannot be listened on: {why}")


def receive(sock: socket.socket) -> tuple[bytes, str] | None:
    """A datagram and the address that sent it, with the zone of a link-local one; None where there was none after all."""
    try:
        datagram, sender = sock.recvfrom(65_535)
    except OSError:  # also an ICMP error of an earlier question
        return None
    host = str(sender[0])
    if len(sender) == 4 and sender[3] and "%" not in host:
        with contextlib.suppress(OSError):
            host = f"{host}%{socket.if_indextoname(sender[3])}"
    return datagram, host


def _sending_v4(interface: Interface) -> socket.socket:
    sock = _datagram_socket(socket.AF_INET)
    with _closing_on_failure(sock):
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _mreqn(interface))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.bind(("", 0))
    return sock


def _sending_v6(interface: Interface) -> socket.socket:
    sock = _datagram_socket(socket.AF_INET6)
    with _closing_on_failure(sock):
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        sock.bind(("::", 0))
    return sock


def _listening_v4(interface: Interface, port: int) -> socket.socket:
    sock = _datagram_socket(socket.AF_INET)
    with _closing_on_failure(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((GROUP_V4, port))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _mreqn(interface))
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)  # of this interface's membership alone
    return sock


def _listening_v6(interface: Interface, port: int) -> socket.socket:
    sock = _datagram_socket(socket.AF_INET6)
    with _closing_on_failure(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((GROUP_V6, port, 0, interface.index))
        membership = socket.inet_pton(socket.AF_INET6, GROUP_V6) + struct.pack("@I", interface.index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
    return sock


def _mreqn(interface: Interface) -> bytes:
    """struct ip_mreqn of ip(7)."""
    return socket.inet_aton(GROUP_V4) + socket.inet_aton(interface.address) + struct.pack("@i", interface.index)


def _datagram_socket(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


@contextlib.contextmanager
def _closing_on_failure(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except OSError:
        sock.close()
        raise
