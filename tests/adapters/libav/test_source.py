"""The source and its child, real processes both, with real peers and with devices that behave badly."""

import asyncio
import inspect
import os
import signal
import socket
import struct
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest
import uvloop

from adapters.libav.address import parse_address
from adapters.libav.child import SPACING_S
from adapters.libav.process import Child
from adapters.libav.source import LibavSource, Timeouts
from adapters.libav.wire import Opened
from gateway.errors import AuthFailed, ProtocolFault, Unreachable
from gateway.model import Credential

# no answer here is late unless a test means it to be: the machine is shared
CALM = Timeouts(open=60.0, silence=60.0, keyframe=60.0, teardown=5.0)
VIEWER = Credential("viewer", "hidden-word@7 %")
LOOPBACK = "localaddr=127.0.0.1"
BASIC = b"Authorization: Basic dmlld2VyOmhpZGRlbi13b3JkQDcgJQ=="


def on_both_loops(test):
    """Run an async test on asyncio's loop and on uvloop, whose child processes are not the same code."""

    @pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def run(loop, **fixtures):
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(**fixtures))

    parameters = inspect.signature(test).parameters.values()
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = inspect.Signature([*parameters, loop])
    return run


async def until(condition, task=None):
    async with asyncio.timeout(60):
        while not condition():
            assert task is None or not task.done(), task
            await asyncio.sleep(0.01)


async def end(task):
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def start(url, outlet, credential=None, timeouts=CALM, **options):
    source = LibavSource("old", url, credential, timeouts=timeouts, **options)
    return source, asyncio.create_task(source.run(outlet))


def gaps(units):
    times = [unit.received_mono for unit in units]
    return [after - before for before, after in pairwise(times)]


def gone(pid):
    return not Path(f"/proc/{pid}").exists()


def decoded(unit):
    context = av.CodecContext.create({"h265": "hevc"}.get(unit.codec, unit.codec), "r")
    return [(frame.width, frame.height) for frame in [*context.decode(av.Packet(unit.payload)), *context.decode(None)]]


def multipart(jpeg, count=1):
    return b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)
        for _ in range(count)
    )


HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


# ------------------------------------------------------------------------------------------------ RTSP


@on_both_loops
async def test_mjpeg_of_a_real_rtsp_server(gst_server, outlet):
    url = await asyncio.to_thread(
        gst_server, "--codec", "jpeg", "--auth", "digest", "--user", "viewer", password=VIEWER.password
    )
    source, task = start(url, outlet, VIEWER)
    await until(lambda: len(outlet.units) >= 4 and outlet.sizes, task)
    assert (outlet.plays, outlet.codecs) == (1, ["mjpeg"])
    assert (source.width, source.height, source.dropped) == (640, 360, 0)
    assert all(unit.keyframe and decoded(unit) == [(640, 360)] for unit in outlet.units)
    assert all(unit.camera_id == "old" and unit.codec == "mjpeg" for unit in outlet.units)
    # keyframes are kept, not motion: at most about three a second of the 25
    assert min(gaps(outlet.units)) >= SPACING_S
    outlet.wants_all = True
    known = len(outlet.units)
    await until(lambda: len(outlet.units) > known + 10, task)
    stamps = [unit.rtp_time for unit in outlet.units[known:]]
    assert min(after - before for before, after in pairwise(stamps)) == 3600
    outlet.wants_all = False
    pid = source.pid
    await end(task)
    assert gone(pid)


@pytest.mark.parametrize("credential", [None, VIEWER])
async def test_a_wrong_or_missing_password_is_told_and_not_shown(gst_server, outlet, credential):
    url = await asyncio.to_thread(gst_server, "--codec", "jpeg", "--auth", "digest", password="another")
    with pytest.raises(AuthFailed) as failure:
        await LibavSource("old", url, credential, timeouts=CALM).run(outlet)
    assert "hidden-word" not in str(failure.value)
    assert ("none is configured" in str(failure.value)) is (credential is None)
    assert (outlet.plays, outlet.codecs) == (0, [])


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_h265_over_rtsp(gst_server, outlet, transport):
    url = await asyncio.to_thread(gst_server, "--codec", "h265", "--gop", "10")
    _, task = start(url, outlet, transport=transport)
    await until(lambda: len(outlet.units) >= 2, task)
    await end(task)
    assert outlet.codecs == ["h265"]
    assert all(unit.keyframe and decoded(unit) == [(640, 360)] for unit in outlet.units)


async def test_the_camera_is_told_goodbye(device, outlet, film):
    asked, sending = [], []
    packets = (await asyncio.to_thread(film, "libx264", "a.ts")).read_bytes()

    async def answer(head, writer):
        method = head.split()[0]
        asked.append(method)
        cseq = next(line for line in head.split(b"\r\n") if line.startswith(b"CSeq"))
        sdp = b"v=0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n" if method == b"DESCRIBE" else b""
        more = {
            b"OPTIONS": b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            b"DESCRIBE": b"Content-Type: application/sdp\r\nContent-Length: %d\r\n" % len(sdp),
            b"SETUP": b"Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
        }.get(method, b"Session: 1\r\n")
        writer.write(b"RTSP/1.0 200 OK\r\n" + cseq + b"\r\n" + more + b"\r\n" + sdp)
        if method == b"PLAY":
            sending.append(asyncio.create_task(send(writer)))

    async def send(writer):
        """MPEG-TS in RTP (RFC 2250) in the RTSP connection (RFC 2326 §10.12)."""
        number = 0
        while True:
            for at in range(0, len(packets), 7 * 188):
                rtp = struct.pack("!BBHII", 0x80, 33, number & 0xFFFF, number * 900, 1) + packets[at : at + 7 * 188]
                writer.write(b"$\0" + struct.pack("!H", len(rtp)) + rtp)
                number += 1
                await asyncio.sleep(0.02)

    async with device(answer) as port:
        _, task = start(f"rtsp://127.0.0.1:{port}/", outlet)
        await until(lambda: outlet.units, task)
        await end(task)
        await until(lambda: asked[-1] == b"TEARDOWN")
        sending[0].cancel()
    assert asked == [b"OPTIONS", b"DESCRIBE", b"SETUP", b"PLAY", b"TEARDOWN"]


# ------------------------------------------------------------------------------------------------ multicast


async def test_mjpeg_in_an_rtp_group(ffmpeg, free_port, outlet):
    url = f"rtp://239.255.77.1:{free_port()}?{LOOPBACK}"
    ffmpeg("-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-huffman", "default", "-f", "rtp", f"{url}&ttl=0")
    source, task = start(url, outlet)
    await until(lambda: len(outlet.units) >= 2, task)
    assert decoded(outlet.units[0]) == [(source.width, source.height)] == [(320, 240)]
    await end(task)


async def test_mpeg_ts_in_a_udp_group(ffmpeg, free_port, outlet):
    url = f"udp://239.255.77.2:{free_port()}?{LOOPBACK}"
    ffmpeg("-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p", "-f", "mpegts", f"{url}&ttl=0")
    outlet.wants_all = True
    _, task = start(url, outlet)
    await until(lambda: sum(unit.keyframe for unit in outlet.units) >= 2, task)
    await end(task)
    first = next(unit for unit in outlet.units if unit.keyframe)
    assert decoded(first) == [(320, 240)]
    assert any(not unit.keyframe for unit in outlet.units)


async def test_rtp_that_does_not_say_what_it_is(ffmpeg, free_port, outlet):
    url = f"rtp://239.255.77.3:{free_port()}?{LOOPBACK}"
    ffmpeg("-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "rtp", f"{url}&ttl=0")
    with pytest.raises(ProtocolFault, match="rtsp:// address"):
        await LibavSource("old", url, None, timeouts=CALM).run(outlet)


async def test_a_group_that_nobody_sends_to(free_port, outlet):
    url = f"udp://239.255.77.4:{free_port()}?{LOOPBACK}"
    with pytest.raises(Unreachable, match=r"gave no stream within 1 s"):
        await LibavSource("old", url, None, timeouts=replace(CALM, open=1.0)).run(outlet)


# ------------------------------------------------------------------------------------------------ HTTP


@on_both_loops
async def test_mjpeg_over_http_with_a_password(device, outlet, jpeg):
    asked = []

    async def answer(head, writer):
        asked.append(head)
        if BASIC not in head:
            writer.write(b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="c"\r\nContent-Length: 0\r\n\r\n')
            return
        writer.write(HEAD)
        while True:
            writer.write(multipart(jpeg))
            await writer.drain()
            await asyncio.sleep(0.04)

    async with device(answer) as port:
        before = time.monotonic()
        source, task = start(f"http://127.0.0.1:{port}/mjpg/video.cgi?res=vga", outlet, VIEWER)
        await until(lambda: len(outlet.units) >= 3 and outlet.sizes, task)
        await end(task)
    assert asked[0].startswith(b"GET /mjpg/video.cgi?res=vga HTTP/1.1\r\n")
    assert {unit.payload for unit in outlet.units} == {jpeg}
    assert (source.width, source.height) == (320, 240)
    assert before < outlet.units[0].received_mono < outlet.units[1].received_mono < time.monotonic()
    # multipart has no timestamps: the time of the receipt stands for them, the child's, which cannot be after ours
    for unit in outlet.units:
        earlier = (int(unit.received_mono * 90_000) - unit.rtp_time) % 2**32 / 90_000
        assert 0 <= earlier <= unit.received_mono - before


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (b"401 Unauthorized", AuthFailed, "refuses the user name or the password"),
        (b"403 Forbidden", ProtocolFault, "403 Forbidden"),
        (b"404 Not Found", ProtocolFault, "404 Not Found"),
        (b"503 Service Unavailable", Unreachable, "no place for another viewer"),
    ],
)
async def test_http_refusals(device, outlet, status, error, words):
    challenges = 0

    async def answer(head, writer):
        nonlocal challenges
        challenges += b"Authorization" in head
        writer.write(b'HTTP/1.1 %b\r\nWWW-Authenticate: Basic realm="c"\r\nContent-Length: 0\r\n\r\n' % status)

    async with device(answer) as port:
        with pytest.raises(error, match=words) as failure:
            await LibavSource("old", f"http://127.0.0.1:{port}/", VIEWER, timeouts=CALM).run(outlet)
    assert "hidden" not in str(failure.value)
    assert f"127.0.0.1:{port}" in str(failure.value)
    assert challenges <= 1  # a second try might lock the camera


@pytest.mark.parametrize(
    "body",
    [b"<html><body>Login</body></html>" * 200, bytes(range(256)) * 2000, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"],
    ids=["a login page", "junk", "a playlist of our files"],
)
async def test_what_is_no_video(device, outlet, body):
    async def answer(head, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with device(answer) as port:
        with pytest.raises(ProtocolFault, match="no stream we can read"):
            await LibavSource("old", f"http://127.0.0.1:{port}/", None, timeouts=CALM).run(outlet)


async def test_headers_without_end(device, outlet):
    async def answer(head, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: again\r\n" * 10)
            await writer.drain()
            await asyncio.sleep(0.001)

    async with device(answer) as port:
        source, task = start(f"http://127.0.0.1:{port}/", outlet, timeouts=replace(CALM, open=2.0))
        with pytest.raises(Unreachable, match="gave no stream within 2 s"):
            await task
    assert source.pid is None


async def test_a_picture_without_end_does_not_fill_the_memory(device, outlet):
    junk = os.urandom(65536)

    async def answer(head, writer):
        writer.write(HEAD + b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8")
        while True:
            writer.write(junk)
            await writer.drain()

    async with device(answer) as port:
        source, task = start(f"http://127.0.0.1:{port}/", outlet, timeouts=replace(CALM, open=30.0))
        largest = 0
        while not task.done():
            with suppress(OSError, TypeError):
                status = Path(f"/proc/{source.pid}/status").read_text()
                largest = max(largest, int(status.split("VmHWM:")[1].split()[0]) if "VmHWM" in status else 0)
            await asyncio.sleep(0.02)
        with pytest.raises((ProtocolFault, Unreachable)):
            await task
    assert 0 < largest < 400_000  # kB
    assert outlet.units == []


async def test_a_camera_that_falls_silent(device, outlet, jpeg):
    async def answer(head, writer):
        writer.write(HEAD + multipart(jpeg, 5))
        await asyncio.sleep(3600)

    async with device(answer) as port:
        with pytest.raises(Unreachable, match="sent no video for 1 s"):
            url = f"http://127.0.0.1:{port}/"
            await LibavSource("old", url, None, timeouts=replace(CALM, silence=1.0)).run(outlet)
    assert outlet.codecs == ["mjpeg"]


async def test_a_device_that_accepts_and_says_nothing(outlet):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for scheme in ("http", "rtsp"):
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
            with pytest.raises(Unreachable, match="gave no stream within 1 s"):
                await LibavSource("old", url, None, timeouts=replace(CALM, open=1.0)).run(outlet)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
async def test_nobody_listens(outlet, free_port, scheme):
    with pytest.raises(Unreachable, match="cannot be connected: Connection refused"):
        await LibavSource("old", f"{scheme}://127.0.0.1:{free_port()}/", None, timeouts=CALM).run(outlet)


async def test_a_host_that_does_not_exist(outlet):
    with pytest.raises(Unreachable, match=r"camera\.invalid:80 cannot be connected; look at its name"):
        await LibavSource("old", "http://camera.invalid/", None, timeouts=CALM).run(outlet)


async def test_a_camera_that_hangs_up(device, outlet, jpeg):
    async def answer(head, writer):
        writer.write(HEAD + multipart(jpeg, 5))
        await writer.drain()
        writer.close()

    async with device(answer) as port:
        with pytest.raises(Unreachable, match=r"broke the stream off|ended the stream"):
            await LibavSource("old", f"http://127.0.0.1:{port}/", None, timeouts=CALM).run(outlet)


# ------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("encoder", "name", "codec"),
    [
        ("libx264", "a.mp4", "h264"),
        ("libx264", "a.ts", "h264"),
        ("libx264", "a.flv", "h264"),
        ("libx265", "a.mp4", "h265"),
        ("libx265", "a.mkv", "h265"),
        ("mjpeg", "a.avi", "mjpeg"),
    ],
)
async def test_a_file_is_played_by_its_timestamps_again_and_again(film, outlet, encoder, name, codec):
    options = {"x265-params": "log-level=none:keyint=10:bframes=0"} if codec == "h265" else {}
    path = await asyncio.to_thread(film, encoder, name, **options)
    outlet.wants_all = True
    _, task = start(path.as_uri(), outlet)
    began = time.monotonic()
    await until(lambda: len(outlet.units) >= 50, task)
    assert time.monotonic() - began > 1.5  # 50 pictures at 20 a second; it may be slow, but never early
    await end(task)
    assert outlet.codecs == [codec]
    keyframes = [unit for unit in outlet.units if unit.keyframe]
    assert len(keyframes) >= (50 if codec == "mjpeg" else 5)
    assert all(decoded(unit) == [(320, 240)] for unit in keyframes[:6])
    times = sorted(unit.rtp_time for unit in outlet.units[:40])
    assert len(set(times)) == 40  # the second round goes on where the first ended
    assert times[-1] - times[0] == pytest.approx(39 * 4500, abs=2 * 4500)


async def test_a_file_that_is_not_there(outlet, tmp_path):
    with pytest.raises(Unreachable, match=r"/none\.mp4 cannot be read: No such file"):
        await LibavSource("old", (tmp_path / "none.mp4").as_uri(), None, timeouts=CALM).run(outlet)


async def test_a_file_of_another_codec_or_without_video(film, outlet):
    path = await asyncio.to_thread(film, "mpeg4", "a.mp4")
    with pytest.raises(ProtocolFault, match=r"offers video as mpeg4; H\.264, H\.265 and MJPEG"):
        await LibavSource("old", path.as_uri(), None, timeouts=CALM).run(outlet)


# ------------------------------------------------------------------------------------------------ the child


@on_both_loops
async def test_a_killed_child_costs_the_attempt_and_nothing_else(film, outlet):
    path = await asyncio.to_thread(film, "libx264", "a.mp4")
    source, task = start(path.as_uri(), outlet)
    await until(lambda: outlet.units, task)
    os.kill(source.pid, signal.SIGKILL)
    with pytest.raises(ProtocolFault, match=r"died of what it was sent \(SIGKILL\)"):
        await task
    _, task = start(path.as_uri(), outlet)
    known = len(outlet.units)
    await until(lambda: len(outlet.units) > known, task)
    await end(task)


async def test_a_hanging_child_is_killed(film, outlet):
    path = await asyncio.to_thread(film, "libx264", "a.mp4")
    source, task = start(path.as_uri(), outlet, timeouts=replace(CALM, silence=1.0, teardown=0.5))
    await until(lambda: outlet.units, task)
    pid = source.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Unreachable, match="sent no video for 1 s"):
        await task
    assert gone(pid)


@on_both_loops
async def test_an_attempt_that_is_cancelled_at_once_leaves_no_child(film, outlet):
    path = await asyncio.to_thread(film, "libx264", "a.mp4")
    source, task = start(path.as_uri(), outlet)
    await until(lambda: source.pid, task)
    pid = source.pid
    await end(task)
    assert gone(pid)
    assert source.pid is None


async def test_a_child_ends_when_its_source_is_gone(film):
    """As when the worker was killed: nobody is left to end it."""
    path = await asyncio.to_thread(film, "libx264", "a.mp4")
    child = await Child.start()
    assert await child.hear() is None
    child.say(parse_address(path.as_uri(), None).opening("auto", 60, 60))
    assert isinstance(await child.hear(), Opened)
    assert await child.end(60) == "exit code 0"


async def test_the_child_shows_no_password_and_has_nothing_of_ours(gst_server, outlet, monkeypatch, capfd):
    monkeypatch.setenv("CAM_PASSWORD", VIEWER.password)
    url = await asyncio.to_thread(gst_server, "--codec", "jpeg", "--auth", "digest", password=VIEWER.password)
    source, task = start(url, outlet, VIEWER)
    await until(lambda: outlet.units, task)
    process = Path(f"/proc/{source.pid}")
    shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert b"hidden-word" not in shown
    assert {line.split(b"=")[0] for line in (process / "environ").read_bytes().split(b"\0") if line} <= {
        b"PATH",
        b"TZ",
        b"PYTHONPATH",
    }
    limits = (process / "limits").read_text()
    assert "Max file size             0                    0" in limits
    await end(task)
    told = capfd.readouterr()
    assert "hidden-word" not in told.out + told.err


async def test_video_without_a_keyframe(film, outlet):
    path = await asyncio.to_thread(film, "libx264", "a.mp4")
    source = LibavSource("old", path.as_uri(), None, timeouts=replace(CALM, keyframe=0.2))
    with pytest.raises(Unreachable, match=r"without a usable keyframe for 0\.2 s"):
        await source.run(outlet)


READY = b"\x01\0\0\0\0"


@pytest.mark.parametrize(
    "says",
    [
        READY * 2,
        READY + b"\x03\0\0\0\x01x",  # a picture of no stream
        READY + b"\x02\0\0\0\x05\x09\0\0\0\0",  # a codec that there is not
        READY + b"\x02\0\0\0\x05\x00\0\0\0\0" + b"\x03\0\0\0\x02ab",
        READY + b"\x03\xff\xff\xff\xff",
        READY + b"\x05\0\0\0\0",
        READY + b"\x63\0\0\0\0",
    ],
)
async def test_a_child_taken_over_by_its_stream_may_say_anything(outlet, monkeypatch, says):
    async def start():
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec("sleep", "60", stdin=asyncio.subprocess.DEVNULL)
            theirs.sendall(says)
        return Child(process, *await asyncio.open_connection(sock=ours))

    monkeypatch.setattr(Child, "start", start)
    source = LibavSource("old", "http://127.0.0.1/", None, timeouts=replace(CALM, teardown=0.1))
    with pytest.raises(ProtocolFault, match="died of what it was sent"):
        await source.run(outlet)
    assert outlet.units == []
