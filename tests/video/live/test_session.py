"""A browser's view, without a process: what offers do to it."""

import asyncio
import time

from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import NotSpoken
from gateway.video.live.feed import Feed
from gateway.video.live.offers import MOST_CANDIDATES
from gateway.video.live.session import Session


async def _offer() -> str:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("video", direction="recvonly")
    await peer.setLocalDescription()
    offer = peer.localDescription.sdp
    await peer.close()
    return offer


async def _answered(offer: str) -> str:
    """The answer, or why there is none."""
    session = Session("a", Feed("f", "the stream"), time.monotonic(), lambda _: None)
    try:
        return await session.answer(offer, ())
    except NotSpoken as fault:
        return str(fault)
    finally:
        await session.close()


OFFER = asyncio.run(_offer()).splitlines()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(OFFER) - 1), st.sampled_from(["", "a=", "m=video 9 X 1", "twice", "cut"])))
)
def test_a_mangled_offer_is_answered_or_refused_in_words(changes: list[tuple[int, str]]) -> None:
    lines = list(OFFER)
    for at, what in changes:
        lines[at] = {"twice": f"{lines[at]}\r\n{lines[at]}", "cut": lines[at][: len(lines[at]) // 2]}.get(what, what)
    said = asyncio.run(_answered("\r\n".join(lines) + "\r\n"))
    assert "a=candidate:" in said or "offer" in said


async def test_names_instead_of_addresses_hold_up_nothing() -> None:
    named = [
        line.replace(line.split()[4], "5f1d6f3e-2f0a-4f59-8a4b-1f2b6c1d7e8a.local") if "a=candidate" in line else line
        for line in OFFER
    ]
    answer = await _answered("\r\n".join(named) + "\r\n")
    assert "m=video" in answer
    assert "H264" in answer
    assert "profile-level-id=42e01f" in answer.partition("a=fmtp:")[2].splitlines()[0], "what every browser plays"
    assert "a=sendonly" in answer


async def test_of_addresses_without_end_a_few_are_tried() -> None:
    session = Session("a", Feed("f", "the stream"), time.monotonic(), lambda _: None)
    await session.answer("\r\n".join(OFFER) + "\r\n", ())
    many = (f"a=candidate:{number} 1 udp 1000 10.0.{number >> 8}.{number & 255} 5000 typ host" for number in range(900))
    await session.trickle("a=mid:0\r\n" + "\r\n".join(many) + "\r\n")
    (transceiver,) = session._peer.getTransceivers()
    tried = transceiver.sender.transport.transport.getRemoteCandidates()
    await session.close()
    own = sum(line.startswith("a=candidate:") for line in OFFER)
    assert len(tried) == own + MOST_CANDIDATES
