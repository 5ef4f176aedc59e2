"""Names and addresses that a server's certificate may carry (subject alternative names)."""

import ipaddress
import re

from gateway.errors import UsageError

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_LONGEST = 253


def dns_name(host: str) -> str:
    """As certificates write it: lower case, IDNA. A wildcard is none: it would speak for every machine. Raises UsageError."""
    try:
        name = host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    labels = name.split(".")
    if not name or len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        raise UsageError(f"--host {host}: neither a host name nor an address; write gateway.example.cn or 10.0.0.5")
    if labels[-1].isdigit():
        raise UsageError(f"--host {host}: this looks like an address and is none; write it whole, such as 10.0.0.5")
    return name


def checked_hosts(hosts: list[str]) -> tuple[str, ...]:
    """In their order, none twice. Raises UsageError where there is none, or one that clients could never ask for."""
    found: dict[str, None] = {}
    for host in hosts:
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            found[dns_name(host)] = None
            continue
        if address.is_unspecified or address.is_multicast:
            raise UsageError(f"--host {host}: nobody connects to this address; name those that devices are given")
        found[str(address)] = None
    if not found:
        raise UsageError(
            "a server's certificate needs --host: every name and address at which devices reach it, each with an option of its own"
        )
    return tuple(found)
