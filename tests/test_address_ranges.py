"""Ranges of addresses as a person writes them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.address_ranges import parse_range


@pytest.mark.parametrize(
    ("text", "first", "last", "size"),
    [
        ("10.0.0.0/24", "10.0.0.1", "10.0.0.254", 254),
        ("10.0.0.77/24", "10.0.0.1", "10.0.0.254", 254),
        ("10.0.0.4/31", "10.0.0.4", "10.0.0.5", 2),
        ("10.0.0.4/32", "10.0.0.4", "10.0.0.4", 1),
        ("10.0.0.20-10.0.1.60", "10.0.0.20", "10.0.1.60", 297),
        (" 10.0.0.20 - 60 ", "10.0.0.20", "10.0.0.60", 41),
        ("10.0.0.5", "10.0.0.5", "10.0.0.5", 1),
        ("fd00::10-fd00::1f", "fd00::10", "fd00::1f", 16),
    ],
)
def test_what_is_accepted(text: str, first: str, last: str, size: int) -> None:
    found = parse_range(text)
    addresses = list(found)
    assert (addresses[0], addresses[-1], len(addresses), len(found)) == (first, last, size, size)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.0/8", "holds 16777214 addresses"),
        ("fd00::/64", "holds 18446744073709551616 addresses"),
        ("10.0.0.9-10.0.0.1", "the last address comes before the first"),
        ("10.0.0.9-3", "the last address comes before the first"),
        ("10.0.0.1-fd00::1", "one end is IPv4"),
        ("10.0.0.300", "not a range of addresses"),
        ("10.0.0.1-300", "not a range of addresses"),
        ("cameras.local", "not a range of addresses"),
        ("10.0.0.0/33", "not a network"),
        ("", "not a range of addresses"),
    ],
)
def test_what_is_refused_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_range(text)


@given(st.integers(0, 2**32 - 1), st.integers(16, 32))
def test_a_network_holds_its_own_addresses_alone(start: int, bits: int) -> None:
    network = ipaddress.ip_network((start, bits), strict=False)
    found = parse_range(f"{ipaddress.ip_address(start)}/{bits}")
    assert found.first in network
    assert found.last in network
    assert len(found) == network.num_addresses - (2 if bits < 31 else 0)
