"""Which transport a simulated camera takes of those that are offered."""

from dataclasses import replace

import pytest

from gateway.lab.faults import Behaviour
from gateway.lab.offers import ClientPorts, Interleaved, chosen

TCP, UDP = "RTP/AVP/TCP;unicast;interleaved=4-5", "RTP/AVP;unicast;client_port=5000-5001"


@pytest.mark.parametrize(
    ("offers", "transports", "expected"),
    [
        (f"{TCP},{UDP}", ("tcp", "udp"), Interleaved((4, 5))),
        (f"{UDP},{TCP}", ("tcp", "udp"), ClientPorts(5000, 5001)),
        (f"{TCP},{UDP}", ("udp",), ClientPorts(5000, 5001)),
        (TCP, ("udp",), None),
        ("RTP/AVP;unicast;client_port=5000", ("udp",), ClientPorts(5000, 5001)),
        ("RTP/AVP;unicast;client_port=65535", ("udp",), None),
        ("RTP/AVP;multicast;client_port=5000-5001", ("tcp", "udp"), None),
        ("RTP/AVP/TCP;interleaved=254-255", ("tcp",), Interleaved((0, 1))),
        ("", ("tcp", "udp"), None),
    ],
)
def test_the_first_offer_that_it_takes(
    offers: str, transports: tuple[str, ...], expected: Interleaved | ClientPorts | None
) -> None:
    behaviour = replace(Behaviour(), transports=transports)
    assert chosen(offers, behaviour, sound=False) == expected


def test_sound_has_channels_of_its_own_and_a_fault_shifts_them() -> None:
    behaviour = replace(Behaviour(), transports=("tcp",), channel_shift=2)
    taken = chosen("RTP/AVP/TCP;unicast", behaviour, sound=True)
    assert taken == Interleaved((4, 5))
    assert taken.header() == "RTP/AVP/TCP;unicast;interleaved=4-5"
