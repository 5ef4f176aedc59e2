"""Every fault does what its name says, seen by a client by hand (what the gateway makes of it: test_outcomes)."""

import asyncio
import base64
import hashlib
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gateway.errors import UsageError
from gateway.lab.control import Control
from gateway.lab.encoder import Clip
from gateway.lab.faults import FAULTS, parse, select
from gateway.lab.feeds import ClipFeed
from gateway.lab.rtsp_server import RtspServer, loopback_hosts
from gateway.model import Credential

Dial = Callable[[RtspServer], AbstractAsyncContextManager[Any]]
LOGIN = Credential("admin", "right")
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


@asynccontextmanager
async def faulty(
    clip: Clip, *faults: str, cameras: int = 1, credential: Credential | None = None, hosts: int = 0
) -> AsyncIterator[RtspServer]:
    server = RtspServer(credential=credential, hosts=loopback_hosts(hosts))
    for number, feed in enumerate(ClipFeed.family(clip, cameras), 1):
        server.mount(f"/cam/{number}", feed, number)
    control = Control(server, random.Random(1))
    for fault in faults:
        await control.assign(parse(fault))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def silent(one: Any) -> bool:
    """Nothing comes for a while, not even the end."""
    try:
        async with asyncio.timeout(0.3):
            await one.reader.readexactly(1)
    except TimeoutError:
        return True
    return False


async def describe_as(one: Any, algorithm: str, password: str, challenge: str) -> tuple[int, dict[str, str], str]:
    nonce = re.search(r'nonce="(\w+)"', challenge)
    assert nonce is not None
    return await asked_as(one, "DESCRIBE", algorithm, password, nonce[1])


async def asked_as(
    one: Any, method: str, algorithm: str, password: str, nonce: str, **headers: str
) -> tuple[int, dict[str, str], str]:
    def digest(text: str) -> str:
        return hashlib.new({"MD5": "md5", "SHA-256": "sha256"}[algorithm], text.encode()).hexdigest()

    uri = one.server.url("/cam/1")
    response = digest(f"{digest(f'admin:lab camera:{password}')}:{nonce}:{digest(f'{method}:{uri}')}")
    login = f'Digest username="admin", nonce="{nonce}", uri="{uri}", response="{response}", algorithm={algorithm}'
    answer: tuple[int, dict[str, str], str] = await one.ask(method, "/cam/1", Authorization=login, **headers)
    return answer


# ------------------------------------------------------------------------------------------------------------ silence


async def test_silent_after_accept(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "silent_after_accept") as server, client(server) as one:
        one.writer.write(b"OPTIONS rtsp://x/cam/1 RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        assert await silent(one)


async def test_silent_after_describe(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "silent_after_describe") as server, client(server) as one:
        assert (await one.ask("DESCRIBE", "/cam/1"))[0] == 200
        one.writer.write(f"SETUP rtsp://x/cam/1/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: {TCP}\r\n\r\n".encode())
        assert await silent(one)


async def test_silent_after_play(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "silent_after_play") as server, client(server) as one:
        await one.play()
        assert await silent(one)
        server.clear()
        assert (await one.frame())[0] in (0, 1)


async def test_half_open_stays_so_until_the_client_speaks_to_the_camera_that_forgot_it(
    small_clip: Clip, client: Dial
) -> None:
    async with faulty(small_clip) as server, client(server) as one:
        await one.play()
        await one.frame()
        await server.set_fault(FAULTS["half_open"])
        await drained(one)
        one.writer.write(b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n")
        assert await silent(one)
        server.clear()
        assert await silent(one)
        one.writer.write(b"OPTIONS * RTSP/1.0\r\nCSeq: 10\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(one.reader.read(), 60)


async def drained(one: Any) -> None:
    """Read what was on its way. Twice silent: on a busy machine bytes may come in the very moment a wait is given up."""
    times = 0
    while times < 2:
        times = times + 1 if await silent(one) else 0


async def test_stopped_goes_on_where_it_was_once_it_is_let(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip) as server, client(server) as one, client(server) as late:
        await one.play()
        await server.set_fault(FAULTS["stopped"])
        await drained(one)
        late.writer.write(f"DESCRIBE {server.url('/cam/1')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        assert await silent(late)
        server.clear()
        assert (await late.answer())[0] == 200
        assert (await one.frame())[0] in (0, 1)


async def test_audio_only(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "audio_only") as server, client(server) as one:
        assert "m=audio" in (await one.ask("DESCRIBE", "/cam/1"))[2]
        await one.play()
        kinds = {(await one.frame())[0] for _ in range(20)}
    assert kinds <= {2, 3}


async def test_no_keyframes(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "no_keyframes") as server, client(server) as one:
        await one.play()
        payloads = [packet for channel, packet in [await one.frame() for _ in range(120)] if channel == 0]
    assert all(packet[12] & 0x1F != 7 for packet in payloads), "no parameter sets, which stand before keyframes"


async def test_drip(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "drip") as server, client(server) as one:
        one.writer.write(f"OPTIONS {server.url('/cam/1')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        assert await asyncio.wait_for(one.reader.readexactly(2), 60) == b"RT"
        assert await silent(one)


# ------------------------------------------------------------------------------------------------------------- picture


async def pictures(one: Any, packets: int) -> list[bytes]:
    return [packet for channel, packet in [await one.frame() for _ in range(packets)] if channel == 0]


async def test_frozen_bytes_are_the_same_in_every_gop(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "frozen_bytes") as server, client(server) as one:
        await one.play()
        keys: list[bytes] = []
        while len(keys) < 2:
            (packet,) = await pictures(one, 1) or (b"",)
            if packet[12:] and packet[12] & 0x1F == 28 and packet[13] & 0x9F == 0x85:
                keys.append(packet[12:])
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("fault", "kind"), [("slices", 1), ("aggregated", 24), ("intra_refresh", 6), ("frozen_picture", 7)]
)
async def test_pictures_of_other_shapes(small_clip: Clip, client: Dial, fault: str, kind: int) -> None:
    async with faulty(small_clip, fault) as server, client(server) as one:
        await one.play()
        kinds = [packet[12] & 0x1F for packet in await pictures(one, 60)]
    assert kind in kinds
    if fault == "intra_refresh":
        assert 5 not in kinds and 28 not in kinds[:1]


async def test_marker_missing(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "marker_missing") as server, client(server) as one:
        await one.play()
        assert not any(packet[1] & 0x80 for packet in await pictures(one, 30))


async def test_clock_jump(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "clock_jump=2") as server, client(server) as one:
        await one.play()
        times = [int.from_bytes(packet[4:8], "big") for packet in await pictures(one, 250)]
    steps = {(after - before) % 2**32 for before, after in pairwise(times)}
    assert 2 * 3600 * 90_000 + 3600 in steps


async def test_a_camera_that_freezes_numbers_its_packets_on(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip) as server, client(server) as one:
        await one.play()
        before = await pictures(one, 20)
        await server.set_fault(FAULTS["frozen_picture"])
        after = await pictures(one, 150)
    numbers = [int.from_bytes(packet[2:4], "big") for packet in before + after]
    assert all((new - old) % 65_536 == 1 for old, new in pairwise(numbers))
    assert len({packet[8:12] for packet in before + after}) == 1, "one SSRC"


def picture(url: str) -> Any:
    """As libav sees it, float (height, width, 3)."""
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=60) as stream:
        return next(stream.decode(video=0)).to_ndarray(format="bgr24").astype(float)


def detail(image: Any) -> float:
    return float(abs(np.diff(image.mean(axis=2), axis=1)).mean())


BESIDE_THE_PICTURE = {
    "black": lambda plain, seen: seen.mean() < 12,
    "covered": lambda plain, seen: detail(seen) < detail(plain) / 2 and seen.mean() > 20,
    "blurred": lambda plain, seen: detail(seen) < detail(plain) / 1.5 and abs(seen.mean() - plain.mean()) < 12,
    "moved": lambda plain, seen: (
        np.corrcoef(plain.ravel(), seen.ravel())[0, 1] < 0.7 and detail(seen) > detail(plain) / 3
    ),
    "overexposed": lambda plain, seen: seen.mean() > 200 > plain.mean(),
    "colour_cast": lambda plain, seen: seen[:, :, 1].mean() > 1.6 * seen[:, :, ::2].mean(),
}


@pytest.mark.parametrize("fault", BESIDE_THE_PICTURE)
async def test_a_lens_that_shows_something_else(small_clip: Clip, fault: str) -> None:
    async with faulty(small_clip) as server:
        plain = await asyncio.to_thread(picture, server.url("/cam/1"))
        await server.set_fault(FAULTS[fault])
        seen = await asyncio.to_thread(picture, server.url("/cam/1"))
    assert BESIDE_THE_PICTURE[fault](plain, seen)
    assert not BESIDE_THE_PICTURE[fault](plain, plain)


# ---------------------------------------------------------------------------------------------------------- connection


@pytest.mark.parametrize("fault", ["reset_at_connect", "reset_after_play", "reset=3"])
async def test_resets(small_clip: Clip, client: Dial, fault: str) -> None:
    async with faulty(small_clip, fault) as server, client(server) as one:
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(60):
                await one.play()
                while True:
                    await one.frame()
        assert not server.connections


async def test_a_slow_line_leaves_out_pictures_and_not_bytes(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "slow_network=64") as server, client(server) as one:
        await one.play()
        numbers = [int.from_bytes(packet[2:4], "big") for packet in await pictures(one, 12)]
    assert numbers == sorted(numbers)


async def test_garbage_stands_between_frames(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "garbage_between") as server, client(server) as one:
        await one.play()
        assert b"stray" in await asyncio.wait_for(one.reader.readuntil(b"stray"), 60)


async def test_a_header_without_end(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "huge_header") as server, client(server) as one:
        one.writer.write(f"OPTIONS {server.url('/cam/1')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        assert b"\r\n\r\n" not in await asyncio.wait_for(one.reader.readexactly(200_000), 60)


async def test_http_instead_of_rtsp(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "not_rtsp") as server, client(server) as one:
        one.writer.write(f"OPTIONS {server.url('/cam/1')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        assert (await asyncio.wait_for(one.reader.read(), 60)).startswith(b"HTTP/1.1 404")


# --------------------------------------------------------------------------------------------------------------- login


@pytest.mark.parametrize(("fault", "algorithm"), [("sha256_only", "SHA-256"), ("many_challenges", "MD5")])
async def test_digests(small_clip: Clip, client: Dial, fault: str, algorithm: str) -> None:
    async with faulty(small_clip, fault, credential=LOGIN) as server, client(server) as one:
        status, headers, _ = await one.ask("DESCRIBE", "/cam/1")
        assert status == 401
        assert f"algorithm={algorithm}" in headers["www-authenticate"]
        assert headers["www-authenticate"].count("Digest") == len(server.cameras[1].behaviour.schemes[:2])
        assert (await describe_as(one, algorithm, "wrong", headers["www-authenticate"]))[0] == 401
        assert (await describe_as(one, algorithm, "right", headers["www-authenticate"]))[0] == 200
    assert server.figures.wrong_passwords == {1: 1}


async def test_basic_only(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "basic_only", credential=LOGIN) as server, client(server) as one:
        status, headers, _ = await one.ask("DESCRIBE", "/cam/1")
        assert (status, headers["www-authenticate"]) == (401, 'Basic realm="lab camera"')
        login = "Basic " + base64.b64encode(b"admin:right").decode()
        assert (await one.ask("DESCRIBE", "/cam/1", Authorization=login))[0] == 200
        assert (await one.ask("DESCRIBE", "/cam/1", Authorization=login[:-4]))[0] == 401
    assert server.figures.wrong_passwords == {1: 1}


async def test_lockout_refuses_the_right_password_too(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "lockout=2", credential=LOGIN) as server, client(server) as one:
        for password in ("wrong", "wrong again", "right"):
            _, headers, _ = await one.ask("DESCRIBE", "/cam/1")
            assert (await describe_as(one, "MD5", password, headers["www-authenticate"]))[0] == 401
        assert server.figures.wrong_passwords == {1: 2}
    async with faulty(small_clip, "lockout=2", credential=LOGIN) as server, client(server) as one:
        _, headers, _ = await one.ask("DESCRIBE", "/cam/1")
        assert (await describe_as(one, "MD5", "right", headers["www-authenticate"]))[0] == 200


async def test_wrong_password_refuses_the_right_one(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "wrong_password", credential=LOGIN) as server, client(server) as one:
        _, headers, _ = await one.ask("DESCRIBE", "/cam/1")
        assert (await describe_as(one, "MD5", "right", headers["www-authenticate"]))[0] == 401
    assert server.figures.wrong_passwords == {1: 1}


@pytest.mark.parametrize(("fault", "uses", "said"), [("stale_nonce", 2, True), ("nonce_each_request", 1, False)])
async def test_nonces_wear_out(small_clip: Clip, client: Dial, fault: str, uses: int, said: bool) -> None:
    async with faulty(small_clip, fault, credential=LOGIN) as server, client(server) as one:
        _, headers, _ = await one.ask("DESCRIBE", "/cam/1")
        challenge = headers["www-authenticate"]
        for _ in range(uses):
            assert (await describe_as(one, "MD5", "right", challenge))[0] == 200
        status, headers, _ = await describe_as(one, "MD5", "right", challenge)
        assert status == 401
        assert ("stale=true" in headers["www-authenticate"]) is said
        assert (await describe_as(one, "MD5", "right", headers["www-authenticate"]))[0] == 200
    assert not server.figures.wrong_passwords


# ------------------------------------------------------------------------------------------------------------ sessions


async def test_two_sessions_and_the_third_waits_for_one_to_end(small_clip: Clip, client: Dial) -> None:
    async with (
        faulty(small_clip, "two_sessions") as server,
        client(server) as first,
        client(server) as second,
        client(server) as third,
    ):
        await first.play()
        session = await second.play()
        assert (await third.ask("SETUP", "/cam/1/trackID=0", Transport=TCP))[0] == 453
        first.close()
        while len(server.connections) > 2:
            await asyncio.sleep(0.01)
        assert (await third.ask("SETUP", "/cam/1/trackID=0", Transport=TCP))[0] == 453, "no TEARDOWN: it is kept"
        assert (await second.ask("TEARDOWN", "/cam/1", Session=session))[0] == 200
        assert (await third.ask("SETUP", "/cam/1/trackID=0", Transport=TCP))[0] == 200


async def test_one_session(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "one_session") as server, client(server) as first, client(server) as second:
        await first.play()
        assert (await second.ask("SETUP", "/cam/1/trackID=0", Transport=TCP))[0] == 453


async def test_the_third_of_two_gets_no_media(small_clip: Clip, client: Dial) -> None:
    async with (
        faulty(small_clip, "two_sessions_no_media") as server,
        client(server) as first,
        client(server) as second,
        client(server) as third,
    ):
        for one in (first, second, third):
            await one.play()
        assert (await first.frame())[0] in (0, 1)
        assert await silent(third)


async def test_busy(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "busy_503") as server, client(server) as one:
        assert (await one.ask("SETUP", "/cam/1/trackID=0", Transport=TCP))[0] == 503


async def test_session_ids_change(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "session_id_changes") as server, client(server) as one:
        _, first, _ = await one.ask("SETUP", "/cam/1/trackID=0", Transport=TCP)
        _, second, _ = await one.ask("SETUP", "/cam/1/trackID=0", Transport=TCP, Session=first["session"])
    assert first["session"] != second["session"]


async def test_a_client_that_keeps_nothing_alive_is_dropped(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "session_timeout=1") as server, client(server) as one:
        await one.play()
        await asyncio.wait_for(one.reader.read(), 60)
        assert not server.connections


# ----------------------------------------------------------------------------------------------------------- transport


async def test_other_channels(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "other_channels") as server, client(server) as one:
        _, headers, _ = await one.ask("SETUP", "/cam/1/trackID=0", Transport=TCP)
        assert headers["transport"].endswith("interleaved=4-5")
        await one.ask("PLAY", "/cam/1", Session=headers["session"].split(";")[0])
        assert {(await one.frame())[0] for _ in range(20)} <= {4, 5}


@pytest.mark.parametrize(("fault", "tcp", "udp"), [("udp_only", 461, 200), ("tcp_only", 200, 461)])
async def test_transports(small_clip: Clip, client: Dial, fault: str, tcp: int, udp: int) -> None:
    async with faulty(small_clip, fault) as server, client(server) as one:
        assert (await one.ask("SETUP", "/cam/1/trackID=0", Transport=TCP))[0] == tcp
        datagrams = "RTP/AVP;unicast;client_port=50000-50001"
        assert (await one.ask("SETUP", "/cam/1/trackID=0", Transport=datagrams))[0] == udp


async def test_redirect(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "redirect") as server, client(server) as one:
        status, headers, _ = await one.ask("DESCRIBE", "/cam/1")
        assert (status, headers["location"]) == (302, server.url("/moved/cam/1"))
        assert (await one.ask("DESCRIBE", "/moved/cam/1"))[0] == 200


async def test_media_before_the_answer(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "media_before_answer") as server, client(server) as one:
        _, headers, _ = await one.ask("SETUP", "/cam/1/trackID=0", Transport=TCP)
        one.writer.write(
            f"PLAY {server.url('/cam/1')} RTSP/1.0\r\nCSeq: 7\r\nSession: {headers['session'][:16]}\r\n\r\n".encode()
        )
        assert (await one.frame())[0] in (0, 1)
        assert (await one.answer())[0] == 200


async def test_rtp_info(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "rtp_info_zero") as server, client(server) as one:
        _, headers, _ = await one.ask("SETUP", "/cam/1/trackID=0", Transport=TCP)
        _, answer, _ = await one.ask("PLAY", "/cam/1", Session=headers["session"][:16])
    assert answer["rtp-info"].endswith(";seq=0;rtptime=0")


@pytest.mark.parametrize(
    ("fault", "present", "absent"),
    [
        ("sdp_no_sprop", "packetization-mode=1", "sprop"),
        ("sdp_wrong_sprop", "sprop-parameter-sets=Z0IAH5", "\x00"),
        ("sdp_annexb_sprop", "sprop-parameter-sets=AAAAAW", "\x00"),
        ("sdp_no_control", "m=video", "a=control"),
        ("sdp_absolute_control", "a=control:rtsp://", "\x00"),
        ("sdp_trailing_spaces", "t=0 0 \r\n", "t=0 0\r\n"),
        ("sdp_backchannel", "a=sendonly", "\x00"),
        ("sdp_html", "<html>", "m=video"),
        ("h265", "H265/90000", "H264"),
        ("mjpeg_only", "JPEG/90000", "H264"),
        ("sdp_repeated_media", "m=video", "\x00"),
    ],
)
async def test_descriptions(small_clip: Clip, client: Dial, fault: str, present: str, absent: str) -> None:
    async with faulty(small_clip, fault) as server, client(server) as one:
        _, _, body = await one.ask("DESCRIBE", "/cam/1")
    assert present in body
    assert absent not in body
    assert body.count("m=video") == {"sdp_repeated_media": 2, "sdp_html": 0}.get(fault, 1)


async def test_headers_of_descriptions(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, "sdp_schemeless_base") as server, client(server) as one:
        _, headers, _ = await one.ask("DESCRIBE", "/cam/1")
        assert headers["content-base"] == f"127.0.0.1:{server.port}/cam/1/"
    async with faulty(small_clip, "sdp_no_content_type") as server, client(server) as one:
        _, headers, _ = await one.ask("DESCRIBE", "/cam/1")
        assert "content-type" not in headers


# --------------------------------------------------------------------------------------------------------------- power


async def test_a_power_cut_is_silent_and_answers_no_connection_until_it_is_over(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, cameras=2, hosts=2) as server, client(server) as one:
        await one.play()
        server.power(False)
        await drained(one)
        for host in ("127.0.0.1", server.address(2)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await asyncio.open_connection(host, server.port)
        dials = server.figures.dials
        server.power(True)
        async with client(server) as again:
            assert (await again.ask("DESCRIBE", "/cam/1"))[0] == 200
        assert server.figures.dials >= dials + 1
        one.writer.write(b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(one.reader.read(), 60)


async def test_a_camera_without_power_beside_others_is_mute(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, cameras=2) as server, client(server) as one, client(server) as other:
        server.power(False, [1])
        one.writer.write(f"OPTIONS {server.url('/cam/1')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        assert await silent(one)
        assert (await other.ask("DESCRIBE", "/cam/2"))[0] == 200


# -------------------------------------------------------------------------------------------------- names and control


def test_every_fault_is_tried_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FAULTS if not re.search(rf'"{name}["=]', text)] == []


def test_cameras_are_chosen_by_number_share_or_all() -> None:
    draw = random.Random(3)
    assert select("all", 3, draw) == [1, 2, 3]
    assert select("1-2, 5", 9, draw) == [1, 2, 5]
    assert len(select("10%", 50, draw)) == 5
    for wrong in ("0", "4-9", "some", "", "120%", "2-1"):
        with pytest.raises(UsageError):
            select(wrong, 8, draw)


@pytest.mark.parametrize("text", ["nonsense", "half_open=3", "lockout=many", "clock_jump="])
def test_what_is_no_fault_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="--fault "):
        parse(text)


async def test_orders_are_answered(small_clip: Clip, client: Dial) -> None:
    async with faulty(small_clip, cameras=4) as server, client(server) as one:
        control = Control(server, random.Random(1))

        async def order(**wanted: object) -> dict[str, Any]:
            return await control.order(json.dumps(wanted))

        assert await order(set="busy_503", cameras="2-3") == {"ok": True, "cameras": 2}
        assert server.cameras[3].behaviour.busy == 503 and server.cameras[1].behaviour.busy == 0
        assert await order(clear="all") == {"ok": True, "cameras": 4}
        assert server.cameras[3].behaviour.busy == 0
        await one.play()
        counts = await order(figures=True)
        assert (counts["playing"], counts["connections"], counts["most_half_done_dials"]) == (1, 1, 1)
        assert counts["half_done_dials"] == 0
        assert counts["requests"] == {"SETUP": 1, "PLAY": 1}
        assert (await order(power="off", cameras="1"))["cameras"] == 1
        for wrong in ({"set": "nothing"}, {"power": "dim"}, {"clear": "9"}, {"set": "lockout"}, {}):
            assert "error" in await order(**wrong)
        assert "error" in await control.order("[]")
        assert "error" in await control.order("{")


async def test_churn_draws_other_faults_for_a_share(small_clip: Clip) -> None:
    async with faulty(small_clip, cameras=10) as server:
        told: list[str] = []
        churning = asyncio.create_task(Control(server, random.Random(5)).churn(0.01, 0.5, told.append))
        async with asyncio.timeout(60):
            while len(told) < 3:
                await asyncio.sleep(0.01)
        churning.cancel()
        await asyncio.gather(churning, return_exceptions=True)
    assert told[0] == "faults drawn anew for 5 of 10 cameras"
