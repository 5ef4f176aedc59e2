"""Served to those who did not write it: ffprobe, ffmpeg and OpenCV; and by hand where they cannot look."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import cv2
import pytest

from gateway.errors import ListenFailed
from gateway.lab.encoder import Clip, Coding
from gateway.lab.faults import Behaviour
from gateway.lab.feeds import ClipFeed, Feed, LiveFeed
from gateway.lab.rtsp_server import RtspServer
from gateway.model import Credential, Scene

Dial = Callable[[RtspServer], AbstractAsyncContextManager[Any]]
LOGIN = Credential("admin", "s3cret pass")


@asynccontextmanager
async def serving(
    *feeds: Feed, credential: Credential | None = None, behaviour: Behaviour | None = None
) -> AsyncIterator[RtspServer]:
    server = RtspServer(credential=credential, behaviour=behaviour or Behaviour())
    for number, feed in enumerate(feeds, 1):
        server.mount(f"/cam/{number}", feed)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def tool(*command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            output, complaint = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, output.decode(), complaint.decode()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_ffprobe_sees_the_stream(small_clip: Clip) -> None:
    async with serving(ClipFeed.family(small_clip, 1)[0]) as server:
        shown = "stream=codec_name,width,height,avg_frame_rate,has_b_frames:packet=flags"
        code, output, complaint = await tool(
            *("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-read_intervals", "%+#60"),
            *("-show_entries", shown, "-of", "json", server.url("/cam/1")),
        )
    assert (code, complaint) == (0, "")
    found = json.loads(output)
    assert found["streams"] == [
        {"codec_name": "h264", "width": 320, "height": 180, "avg_frame_rate": "25/1", "has_b_frames": 0}
    ]
    keys = [index for index, packet in enumerate(found["packets"]) if packet["flags"].startswith("K")]
    assert keys[:3] == [0, 25, 50], "it starts with a keyframe and keeps the GOP over the end of the clip"


async def test_ffmpeg_decodes_without_a_complaint_over_the_end_of_the_clip(small_clip: Clip) -> None:
    async with serving(ClipFeed.family(small_clip, 1)[0]) as server:
        code, _, complaint = await tool(
            *("ffmpeg", "-v", "warning", "-rtsp_transport", "tcp", "-i", server.url("/cam/1")),
            *("-frames:v", "70", "-f", "null", "-"),
        )
    assert (code, complaint) == (0, "")


async def test_opencv_reads_a_live_scene() -> None:
    feed = LiveFeed(Scene.VILLAGE, "GATE", Coding(320, 180, fps=10, gop=5, bitrate=300_000, preset="ultrafast"))

    def read() -> list[tuple[int, ...]]:
        capture = cv2.VideoCapture(server.url("/cam/1"), cv2.CAP_FFMPEG)
        shapes = [picture.shape for good, picture in (capture.read() for _ in range(8)) if good]
        capture.release()
        return shapes

    async with serving(feed) as server:
        assert await asyncio.to_thread(read) == [(180, 320, 3)] * 8
        await until(lambda: not server.connections)


async def test_ffprobe_logs_in_with_digest(small_clip: Clip) -> None:
    def probe(address: str) -> tuple[str, ...]:
        return ("ffprobe", "-v", "error", "-rtsp_transport", "tcp", address)

    async with serving(ClipFeed.family(small_clip, 1)[0], credential=LOGIN) as server:
        address = server.url("/cam/1").replace("rtsp://", "rtsp://admin:s3cret%20pass@")
        good = await tool(*probe(address))
        wrong = await tool(*probe(address.replace("s3cret", "guess")))
        without = await tool(*probe(server.url("/cam/1")))
    assert good[0] == 0
    assert "401 Unauthorized" in wrong[2]
    assert "401 Unauthorized" in without[2]


async def test_sha_256_is_asked_for_where_the_camera_does(small_clip: Clip, client: Dial) -> None:
    behaviour = Behaviour(schemes=("SHA-256",))
    async with (
        serving(ClipFeed.family(small_clip, 1)[0], credential=LOGIN, behaviour=behaviour) as server,
        client(server) as one,
    ):
        status, headers, _ = await one.ask("DESCRIBE", "/cam/1")
    assert status == 401
    assert "algorithm=SHA-256" in headers["www-authenticate"]


async def test_options_tell_the_methods_and_need_no_login(small_clip: Clip, client: Dial) -> None:
    async with serving(ClipFeed.family(small_clip, 1)[0], credential=LOGIN) as server, client(server) as one:
        status, headers, _ = await one.ask("OPTIONS", "/cam/1")
    assert status == 200
    assert headers["public"] == "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"


async def test_the_description_carries_parameter_sets_and_control(small_clip: Clip, client: Dial) -> None:
    async with serving(ClipFeed.family(small_clip, 1)[0]) as server, client(server) as one:
        status, headers, body = await one.ask("DESCRIBE", "/cam/1")
    assert (status, headers["content-type"]) == (200, "application/sdp")
    assert headers["content-base"] == server.url("/cam/1/")
    assert "m=video 0 RTP/AVP 96\r\n" in body
    assert re.search(r"profile-level-id=[0-9A-F]{6};sprop-parameter-sets=\S+,\S+\r\n", body)
    assert "a=control:trackID=0\r\n" in body


@pytest.mark.parametrize("interleaved", ["0-1", "6-7"])
async def test_a_client_gets_a_keyframe_first_on_its_own_channels(
    small_clip: Clip, interleaved: str, client: Dial
) -> None:
    async with serving(ClipFeed.family(small_clip, 1)[0]) as server, client(server) as one:
        await one.play(interleaved=interleaved)
        channel, packet = await one.frame()
        rtp, rtcp = (int(part) for part in interleaved.split("-"))
        while channel == rtcp:
            channel, packet = await one.frame()
        assert channel == rtp
        assert packet[12] & 0x1F == 7, "SPS first"


async def test_teardown_ends_the_stream_and_the_work(small_clip: Clip, client: Dial) -> None:
    feed = LiveFeed(Scene.RURAL, "LANE", Coding(160, 90, fps=10, gop=5, bitrate=100_000, preset="ultrafast"))
    async with serving(feed) as server, client(server) as one:
        session = await one.play()
        await one.frame()
        thread = feed._thread
        assert thread is not None and thread.is_alive()
        assert (await one.ask("TEARDOWN", "/cam/1", Session=session))[0] == 200
        await until(lambda: not thread.is_alive())
        await one.play()
        await until(lambda: feed._thread is not thread)


async def test_refusals_have_their_own_numbers(small_clip: Clip, client: Dial) -> None:
    multicast, tcp = "RTP/AVP;multicast;port=5000-5001", "RTP/AVP/TCP;unicast;interleaved=0-1"
    async with serving(ClipFeed.family(small_clip, 1)[0]) as server, client(server) as one:
        assert (await one.ask("DESCRIBE", "/cam/9"))[0] == 404
        assert (await one.ask("SETUP", "/cam/9/trackID=0", Transport=tcp))[0] == 404
        assert (await one.ask("SETUP", "/cam/1/trackID=0", Transport=multicast))[0] == 461
        assert (await one.ask("PLAY", "/cam/1", Session="none"))[0] == 454
        assert (await one.ask("RECORD", "/cam/1"))[0] == 501
        assert (await one.ask("GET_PARAMETER", "/cam/1"))[0] == 200


async def test_junk_is_refused_and_the_connection_closed(small_clip: Clip, client: Dial) -> None:
    for junk in (b"HELLO\r\n\r\n", b"A" * 20_000, b"PLAY rtsp://x RTSP/1.0\r\nContent-Length: many\r\n\r\n"):
        async with serving(ClipFeed.family(small_clip, 1)[0]) as server, client(server) as one:
            one.writer.write(junk)
            assert (await one.answer())[0] == 400
            async with asyncio.timeout(60):
                assert await one.reader.read() == b""


async def test_requests_may_come_in_pieces_and_between_rtcp(small_clip: Clip, client: Dial) -> None:
    async with serving(ClipFeed.family(small_clip, 1)[0]) as server, client(server) as one:
        report = b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x00"
        for byte in report + b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" + report:
            one.writer.write(bytes((byte,)))
            await one.writer.drain()
        assert (await one.answer())[0] == 200


async def test_a_slow_client_is_cut_off_and_the_others_go_on(small_clip: Clip, client: Dial) -> None:
    behaviour, feed = Behaviour(backlog_limit=20_000), ClipFeed.family(small_clip, 1)[0]
    async with serving(feed, behaviour=behaviour) as server, client(server) as slow, client(server) as good:
        await slow.play()
        await good.play()
        slow.writer.transport.pause_reading()
        name = slow.writer.get_extra_info("sockname")
        victim = next(one for one in server.connections if one._socket.getpeername() == name)
        victim._line.send(bytes(16 << 20))  # fills its sockets at once, instead of waiting for real time to do it
        reading = asyncio.create_task(asyncio.wait_for(_until_keyframes(good, 2), 60))
        await until(lambda: server.figures.slow_clients == 1)
        assert len(server.connections) == 1
        await reading


async def _until_keyframes(one: Any, wanted: int) -> None:
    while wanted:
        channel, packet = await one.frame()
        wanted -= channel == 0 and packet[12] & 0x1F == 7


async def test_a_port_in_use_is_said_in_words(small_clip: Clip) -> None:
    async with serving(ClipFeed.family(small_clip, 1)[0]) as server:
        second = RtspServer(port=server.port)
        with pytest.raises(ListenFailed, match=f"cannot listen on 127.0.0.1:{server.port}: address already in use"):
            await second.start()


def test_a_family_spreads_its_keyframes_over_the_gop(small_clip: Clip) -> None:
    family = ClipFeed.family(small_clip, 5)
    assert [feed._index for feed in family] == [0, 5, 10, 15, 20]
    halves = ClipFeed.family(small_clip, 50)
    assert halves[1]._delay == pytest.approx(0.5 / 25), "half a picture's time apart"
